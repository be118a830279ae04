"""Pictures: the layers of a model, and the curves of its training. Drawn by matplotlib, the extra `kgraph[plot]`."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgraph.errors import ArgumentError, NotBuiltError, UnsupportedError, describe, optional_library
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.utils.dot import model_to_dot

__all__ = ["model_to_dot", "plot_history", "plot_model"]

__getattr__, __dir__ = lazy_names(__name__, {"model_to_dot": "kgraph.keras.utils.dot"})

_ROW, _COLUMN = 1.0, 2.9  # the distance between boxes, in inches
_BOX = (2.5, 0.62)
_COLOURS = {
    "input": "#dfe7ef",
    "weights": "#cfe3d4",
    "plain": "#f3efe2",
}


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
) -> Path:
    """Draw the layers of a model as boxes and what flows between them as arrows, to a PNG, SVG or PDF file.

    `rankdir` is "TB" (top to bottom) or "LR" (left to right). Green boxes have weights.
    Raises NotBuiltError before the model has a graph, LibraryError without matplotlib.
    """
    if rankdir not in ("TB", "LR"):
        raise ArgumentError(describe("bad rankdir", expected="TB or LR", got=repr(rankdir)))
    if expand_nested:
        raise UnsupportedError(describe("nested models are drawn as one box", expected="expand_nested=False"))
    layers, edges = graph_of(model)
    places = _places(layers, edges)
    flip = rankdir == "LR"
    wide = 1 + max(column for column, _ in places.values()) - min(column for column, _ in places.values())
    deep = 1 + max(rank for _, rank in places.values())
    size = (wide * _COLUMN + 0.4, deep * _ROW + 0.2)
    if flip:
        size = (deep * _COLUMN + 0.4, wide * _ROW + 0.2)
    figure, axes = _canvas(size, dpi)
    points = {
        layer: (rank * _COLUMN, -column * _ROW) if flip else (column * _COLUMN, -rank * _ROW)
        for layer, (column, rank) in places.items()
    }
    for source, sink in edges:
        _arrow(axes, points[source], points[sink], flip)
    for layer in layers:
        _box(axes, points[layer], layer, show_shapes, show_layer_names)
    xs, ys = zip(*points.values(), strict=True)
    axes.set_xlim(min(xs) - _COLUMN / 2, max(xs) + _COLUMN / 2)
    axes.set_ylim(min(ys) - _ROW / 2, max(ys) + _ROW / 2)
    return _save(figure, to_file)


def plot_history(history: Any, to_file: str | os.PathLike[str] = "history.png", dpi: int = 96) -> Path:
    """Draw the curves of a History (or its dict): one panel per number, training and validation together."""
    numbers: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    panels = [name for name in numbers if not name.startswith("val_")]
    if not panels:
        raise ArgumentError(
            describe("there is nothing to draw", expected="a History of at least one epoch", got=numbers)
        )
    figure, _ = _canvas((4.2 * len(panels), 3.2), dpi, axes=False)
    for position, name in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), position + 1)
        epochs = range(1, len(numbers[name]) + 1)
        axes.plot(epochs, numbers[name], label="training", color="#2f6690")
        if f"val_{name}" in numbers:
            due = numbers[f"val_{name}"]
            axes.plot(list(epochs)[-len(due) :], due, label="validation", color="#d1495b")
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    return _save(figure, to_file)


def graph_of(model: Any) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """The layers of a model in order, and which of them hands something to which. Raises NotBuiltError."""
    nodes = getattr(model, "_nodes", None)
    if not nodes:
        raise NotBuiltError(
            describe("the model has no graph to draw", expected="a built model", where=model.name)
        )
    layers = list(dict.fromkeys(node.layer for node in nodes))
    edges = {(t._keras_history[0], node.layer): None for node in nodes for t in node.input_tensors}
    return layers, [(a, b) for a, b in edges if a in layers]


def _places(layers: Sequence[Any], edges: Sequence[tuple[Any, Any]]) -> dict[Any, tuple[float, int]]:
    """(column, rank) of each layer: below all its sources, and across near the middle of them."""
    sources: defaultdict[Any, list[Any]] = defaultdict(list)
    for a, b in edges:
        if a is not b:
            sources[b].append(a)
    rank: dict[Any, int] = {}
    for layer in layers:  # sorted already: sources come first
        rank[layer] = 1 + max((rank.get(s, -1) for s in sources[layer]), default=-1)
    rows: defaultdict[int, list[Any]] = defaultdict(list)
    for layer in layers:
        rows[rank[layer]].append(layer)
    column: dict[Any, float] = {}
    for depth in sorted(rows):
        wanted = {
            layer: sum(column[s] for s in sources[layer] if s in column) / max(1, len(sources[layer]))
            for layer in rows[depth]
        }
        ordered = sorted(rows[depth], key=lambda layer: wanted[layer])
        middle = sum(wanted.values()) / len(wanted)
        for position, layer in enumerate(ordered):
            column[layer] = middle + position - (len(ordered) - 1) / 2
    return {layer: (column[layer], rank[layer]) for layer in layers}


def _canvas(size: tuple[float, float], dpi: int, axes: bool = True) -> tuple[Any, Any]:
    with optional_library("pictures need matplotlib", "plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    figure = Figure(figsize=size, dpi=dpi)
    FigureCanvasAgg(figure)
    if not axes:
        return figure, None
    drawing = figure.add_axes((0, 0, 1, 1))
    drawing.axis("off")
    return figure, drawing


def _box(axes: Any, point: tuple[float, float], layer: Any, shapes: bool, names: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    kind = "input" if not layer._inbound_nodes[0].input_tensors else "weights" if layer.weights else "plain"
    (x, y), (width, height) = point, _BOX
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_COLOURS[kind],
            edgecolor="#48525c",
            linewidth=0.8,
        )
    )
    title = type(layer).__name__
    lines = [f"{layer.name}: {title}" if names else title]
    if shapes:
        lines.append(str(layer.output_shape))
    axes.text(x, y, "\n".join(lines), ha="center", va="center", fontsize=8, color="#1f2730")


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], flip: bool) -> None:
    width, height = _BOX
    tail = (start[0] + width / 2, start[1]) if flip else (start[0], start[1] - height / 2)
    head = (end[0] - width / 2, end[1]) if flip else (end[0], end[1] + height / 2)
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": "#48525c", "linewidth": 0.9})


def _save(figure: Any, to_file: str | os.PathLike[str]) -> Path:
    path = Path(to_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
