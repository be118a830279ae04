"""Lowerings of `ops/reduce.py` and of the sum."""

from __future__ import annotations

from kgraph.ir.graph import Call
from kgraph.ops import reduce
from kgraph.ops.broadcast import ReduceSum, Reduction
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter

TABLE = LoweringTable()

_NAMES = {
    ReduceSum: "ReduceSum",
    reduce.ReduceMean: "ReduceMean",
    reduce.ReduceMax: "ReduceMax",
    reduce.ReduceMin: "ReduceMin",
    reduce.ReduceProd: "ReduceProd",
}


@TABLE.lowers(*_NAMES)
def reduction(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """The axes are an operand since opset 18, for ReduceSum since 13, and an attribute before."""
    op = call.op
    assert isinstance(op, Reduction)
    if not op.axes:
        return emitter.node("Identity", *operands)
    name, keepdims = _NAMES[type(op)], int(op.keepdims)
    if emitter.opset >= 18 or name == "ReduceSum":
        return emitter.node(name, *operands, emitter.ints(op.axes), keepdims=keepdims)
    return emitter.node(name, *operands, axes=list(op.axes), keepdims=keepdims)


@TABLE.lowers(reduce.ArgMax, reduce.ArgMin)
def arg_extremum(emitter: Emitter, call: Call, operands: list[str]) -> str:
    name = "ArgMax" if isinstance(call.op, reduce.ArgMax) else "ArgMin"
    return emitter.node(name, *operands, axis=call.op.axis, keepdims=0)  # type: ignore[attr-defined]  # both have it


@TABLE.lowers(reduce.CumSum)
def cum_sum(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, reduce.CumSum)
    return emitter.node("CumSum", *operands, emitter.constant(op.axis, "int64"))


@TABLE.lowers(reduce.TopK)
def top_k(emitter: Emitter, call: Call, operands: list[str]) -> list[str]:
    op = call.op
    assert isinstance(op, reduce.TopK)
    return emitter.node_multi("TopK", *operands, emitter.ints([op.k]), outputs=2, axis=-1)
