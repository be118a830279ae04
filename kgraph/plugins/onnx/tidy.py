"""Small repairs of emitted graphs: renaming values, and leaving out what nothing uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def rename(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    """Rename a value in nodes and in the subgraphs that refer to it."""
    for node in nodes:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == old:
                    names[position] = new
        for attribute in node.attribute:
            if attribute.HasField("g"):
                rename(attribute.g.node, old, new)


def used_nodes(
    nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]
) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that `outputs` depend on, in their order, and the names of all values that these use.

    A lowering may not need an operand that has been emitted already, such as an initial state of zeros.
    """
    needed = set(outputs)
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed.update(_names(node))
    return kept[::-1], needed


def _names(node: onnx.NodeProto) -> Iterator[str]:
    """The values that a node reads, those that its subgraphs read from outside among them."""
    yield from node.input
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield from (value.name for value in attribute.g.output)
            for inner in attribute.g.node:
                yield from _names(inner)
