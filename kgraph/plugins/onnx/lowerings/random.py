"""Lowering of the one primitive of `ops/random.py`; all else is ordinary arithmetic."""

from __future__ import annotations

from kgraph.ir.graph import Call
from kgraph.ops.random import ShiftRight
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter

TABLE = LoweringTable()


@TABLE.lowers(ShiftRight)
def shift_right(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """CUDA has no BitShift; on the CPU a division takes three times as long."""
    op, dtype = call.op, call.results[0].dtype
    assert isinstance(op, ShiftRight)
    if emitter.target.device == "cpu":
        return emitter.node("BitShift", *operands, emitter.constant(op.bits, dtype), direction="RIGHT")
    return emitter.node("Div", *operands, emitter.constant(1 << op.bits, dtype))
