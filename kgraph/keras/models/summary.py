"""`model.summary()`: a table of layers, output shapes and parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kgraph.errors import NotBuiltError
from kgraph.keras.layers.nodes import flatten


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], None] | None = None,
) -> None:
    """Print one row per layer and the totals. In a graph with branches a column says what each layer is connected to.

    `positions` are the ends of the columns, as fractions of `line_length`.
    """
    show = print_fn or print
    plain = _is_chain(model)
    width = line_length or (65 if plain else 98)
    stops = positions or ((0.45, 0.85, 1.0) if plain else (0.33, 0.55, 0.67, 1.0))
    ends = [int(width * stop) for stop in stops] if stops[-1] <= 1 else list(stops)
    headers = ["Layer (type)", "Output Shape", "Param #"] + ([] if plain else ["Connected to"])
    show(f'Model: "{model.name}"')
    show("_" * width)
    show(_row(headers, ends))
    show("=" * width)
    for position, layer in enumerate(model.layers):
        if position:
            show("_" * width)
        cells = [f"{layer.name} ({type(layer).__name__})", _shape(layer), _count(layer)]
        sources = [] if plain else _sources(model, layer)
        show(_row([*cells, *sources[:1]], ends))
        for source in sources[1:]:
            show(_row(["", "", "", source], ends))
    show("=" * width)
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    frozen = sum(int(np.prod(w.shape)) for w in model.non_trainable_weights)
    show(f"Total params: {trainable + frozen:,}")
    show(f"Trainable params: {trainable:,}")
    show(f"Non-trainable params: {frozen:,}")
    show("_" * width)


def _row(cells: Sequence[str], ends: Sequence[int]) -> str:
    line = ""
    for cell, end in zip(cells, ends, strict=False):
        line = (line + str(cell))[: end - 1].ljust(end)
    return line.rstrip()


def _shape(layer: Any) -> str:
    try:
        return str(layer.output_shape)
    except NotBuiltError:
        return "?"


def _count(layer: Any) -> str:
    return f"{layer.count_params():,}" if layer.built else "?"


def _is_chain(model: Any) -> bool:
    """Whether each layer has at most one source and one consumer."""
    nodes = getattr(model, "_nodes", [])
    if any(len(node.input_tensors) > 1 for node in nodes):
        return False
    makers = [id(t._keras_history[0]) for node in nodes for t in node.input_tensors]
    return len(makers) == len(set(makers))


def _sources(model: Any, layer: Any) -> list[str]:
    nodes = [node for node in model._nodes if node.layer is layer]
    found = []
    for tensor in flatten([node.input_tensors for node in nodes]):
        maker, node, position = tensor._keras_history
        found.append(f"{maker.name}[{node}][{position}]")
    return found
