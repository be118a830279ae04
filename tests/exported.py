"""What should not be in an exported graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx

CONTROL = {"Loop", "Scan", "If"}
TRUNK = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "Resize", "BatchNormalization"}


def complaints(path: Path | str, loops: bool = False) -> list[str]:
    """Nodes that a good export does not need; `loops` allows for control flow.

    These are loops where ONNX has an op, transposes between convolutions, casts that change nothing or are cast again,
    transposes of transposes and reshapes of reshapes, and copies that are no outputs of the model.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    known = [*graph.input, *graph.value_info, *graph.output]
    types = {value.name: value.type.tensor_type.elem_type for value in known}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    return [
        f"{why}: {node.op_type} {node.name}"
        for node in graph.node
        for why in _wrong(node, makers, types, outputs, loops)
    ] + [f"between convolutions: {name}" for name in _inner_transposes(graph)]


def _wrong(
    node: Any, makers: Mapping[str, Any], types: Mapping[str, int], outputs: set[str], loops: bool
) -> Iterator[str]:
    before = makers[node.input[0]].op_type if node.input and node.input[0] in makers else ""
    if node.op_type in CONTROL and not loops:
        yield "control flow"
    if node.op_type == "Identity" and not outputs & set(node.output):
        yield "a copy"
    if node.op_type == "Cast" and types.get(node.input[0]) == node.attribute[0].i:
        yield "changes nothing"
    if node.op_type in ("Transpose", "Reshape") and before == node.op_type:
        yield f"follows another {before}"


def _inner_transposes(graph: Any) -> Iterator[str]:
    """Transposes with a convolution or pool before and one behind them."""
    behind: set[str] = set()
    seen: set[str] = set()
    for node in graph.node:
        if seen.intersection(node.input) or node.op_type in TRUNK:
            seen.update(node.output)
        if node.op_type == "Transpose" and seen.intersection(node.input):
            behind.update(node.output)
    wanted: set[str] = set()
    for node in reversed(graph.node):
        if wanted.intersection(node.output) and behind.intersection(node.output):
            yield node.name
        if wanted.intersection(node.output) or node.op_type in TRUNK:
            wanted.update(node.input)
