"""Lowerings of `ops/indexing.py`."""

from __future__ import annotations

from kgraph.ir.graph import Call
from kgraph.ops.indexing import AddAlongAxis, TakeAlongAxis
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter
from kgraph.plugins.onnx.lowerings.direct import with_fields

TABLE = LoweringTable()

TABLE.add(TakeAlongAxis, with_fields("GatherElements", axis="axis"))


@TABLE.lowers(AddAlongAxis)
def add_along_axis(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """The reduction came with opset 16. Before, one update per row is fetched, added to and put back."""
    op = call.op
    assert isinstance(op, AddAlongAxis)
    if emitter.opset >= 16:
        return emitter.node("ScatterElements", *operands, axis=op.axis, reduction="add")
    x, positions, updates = operands
    if call.inputs[1].shape[op.axis] != 1:
        emitter.require(16, "adding up at repeated positions", call)
    old = emitter.node("GatherElements", x, positions, axis=op.axis)
    return emitter.node("ScatterElements", x, positions, emitter.node("Add", old, updates), axis=op.axis)
