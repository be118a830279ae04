"""Lowerings of `ops/reduce.py` and of the sum."""

from __future__ import annotations

from kgraph.ir.dims import product
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


# Columns from which a product with a row of ones is faster than ReduceSum over the rows, on the CPU.
_WIDE = 32


@TABLE.lowers(ReduceSum)
def reduce_sum(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """On the CPU the sum over the leading axes is a matrix product, up to ten times faster than ReduceSum."""
    op, (x,), result = call.op, call.inputs, call.results[0]
    assert isinstance(op, ReduceSum)
    lead = len(op.axes)
    columns = product(x.shape[lead:])
    leading = 0 < lead < x.rank and sorted(axis % x.rank for axis in op.axes) == list(range(lead))
    fast = x.dtype == "float32" and isinstance(columns, int) and columns >= _WIDE
    if emitter.target.device != "cpu" or not (leading and fast):
        return reduction(emitter, call, operands)
    (name,) = operands
    rows = product(x.shape[:lead])
    if x.rank > 2:
        name = emitter.node("Reshape", name, emitter.reshape_target((rows, columns)))
    total = emitter.node("MatMul", emitter.ones((1, rows)), name)
    if result.shape == (1, columns):
        return total
    return emitter.node("Reshape", total, emitter.reshape_target(result.shape))


@TABLE.lowers(*(op for op in _NAMES if op is not ReduceSum))
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
    return emitter.node_multi("TopK", *operands, emitter.dim(op.k), outputs=2, axis=-1)
