"""One op at every step of a scan, as one op on the stacked operands: the step becomes a leading axis.

Operands are stacked [T, *S], or invariants [*S] that are the same at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Op
from kgraph.ops.activations import LogSoftmax, PRelu, Softmax
from kgraph.ops.base import Elementwise
from kgraph.ops.broadcast import BroadcastTo, Reduction, Reshape, broadcast_to, reshape
from kgraph.ops.elementwise import Clip
from kgraph.ops.linalg import MatMul
from kgraph.ops.logic import Where
from kgraph.ops.reduce import ArgMax, ArgMin
from kgraph.ops.shape import Concat, Gather, Pad, Slice, Split, Transpose


@dataclass(frozen=True)
class Operand:
    """A value outside of the scan that stands for a value of the step."""

    value: Value
    stacked: bool

    @property
    def rank(self) -> int:
        """The rank at one step."""
        return self.value.rank - self.stacked


Operands = Sequence[Operand]


def vectorize(call: Call, operands: Operands) -> Sequence[Value] | None:
    """The stacked results of a call of the step, of which at least one operand is stacked; None where it cannot be."""
    for kind in type(call.op).__mro__:
        if kind in _RULES:
            return _RULES[kind](call, operands)
    return None


Vectorizer = Callable[[Call, Operands], "Sequence[Value] | None"]


def _aligned(operand: Operand, rank: int) -> Value:
    """The operand with 1s put behind the step axis, so that it broadcasts against stacks of values of `rank`."""
    value = operand.value
    if not operand.stacked or operand.rank == rank:
        return value
    return reshape(value, (value.shape[0], *[1] * (rank - operand.rank), *value.shape[1:]))


def _elementwise(call: Call, operands: Operands) -> Sequence[Value] | None:
    """Only where the result is no larger than an operand: the loop broadcasts for nothing."""
    result = call.results[0]
    if all(value.shape != result.shape for value in call.inputs):
        return None
    return call.op.apply(*(_aligned(operand, result.rank) for operand in operands))


def _matmul(call: Call, operands: Operands) -> Sequence[Value] | None:
    """A stack of matrices times one matrix is one product of all rows."""
    op = call.op
    assert isinstance(op, MatMul)
    a, b = operands
    if a.stacked and not b.stacked and a.rank == b.rank == 2 and not op.transpose_a:
        time, rows, inner = a.value.shape
        flat = op(reshape(a.value, (time * rows, inner)), b.value)
        return (reshape(flat, (time, rows, flat.shape[1])),)
    rank = max(a.rank, b.rank)
    return op.apply(_aligned(a, rank), _aligned(b, rank))


def _lead(call: Call, operands: Operands, **changes: Any) -> Sequence[Value]:
    """The op with changed attributes on operands all of which are stacked."""
    changed: Op = replace(call.op, **changes)
    return changed.apply(*(operand.value for operand in operands))


def _time(operands: Operands) -> Any:
    return next(operand.value.shape[0] for operand in operands if operand.stacked)


def _axis(axis: int, rank: int) -> int:
    return axis % rank + 1


def _reshape(call: Call, operands: Operands) -> Sequence[Value] | None:
    return (reshape(operands[0].value, (_time(operands), *call.results[0].shape)),)


def _broadcast(call: Call, operands: Operands) -> Sequence[Value] | None:
    if call.results[0].shape != call.inputs[0].shape:
        return None
    return (operands[0].value,)


def _transpose(call: Call, operands: Operands) -> Sequence[Value] | None:
    op = call.op
    assert isinstance(op, Transpose)
    return _lead(call, operands, perm=(0, *(axis + 1 for axis in op.perm)))


def _concat(call: Call, operands: Operands) -> Sequence[Value] | None:
    op = call.op
    assert isinstance(op, Concat)
    time = _time(operands)
    stacks = [
        operand.value if operand.stacked else broadcast_to(operand.value, (time, *operand.value.shape))
        for operand in operands
    ]
    return Concat(_axis(op.axis, call.results[0].rank)).apply(*stacks)


def _one_axis(call: Call, operands: Operands) -> Sequence[Value] | None:
    axis = call.op.axis  # type: ignore[attr-defined]  # every op in this row has it
    return _lead(call, operands, axis=_axis(axis, call.inputs[0].rank))


def _reduction(call: Call, operands: Operands) -> Sequence[Value] | None:
    op = call.op
    assert isinstance(op, Reduction)
    return _lead(call, operands, axes=tuple(_axis(axis, call.inputs[0].rank) for axis in op.axes))


def _slice(call: Call, operands: Operands) -> Sequence[Value] | None:
    op = call.op
    assert isinstance(op, Slice)
    time = _time(operands)
    return _lead(call, operands, starts=(0, *op.starts), stops=(time, *op.stops), steps=(1, *op.steps))


def _pad(call: Call, operands: Operands) -> Sequence[Value] | None:
    op = call.op
    assert isinstance(op, Pad)
    return _lead(call, operands, pads=((0, 0), *op.pads))


def _gather(call: Call, operands: Operands) -> Sequence[Value] | None:
    """Rows of one table, for all steps at once."""
    op = call.op
    assert isinstance(op, Gather)
    table, indices = operands
    if table.stacked or op.axis % call.inputs[0].rank != 0:
        return None
    return op.apply(table.value, indices.value)


_RULES: Mapping[type, Vectorizer] = {
    Elementwise: _elementwise,
    Where: _elementwise,
    Clip: _elementwise,
    PRelu: _elementwise,
    MatMul: _matmul,
    Reshape: _reshape,
    BroadcastTo: _broadcast,
    Transpose: _transpose,
    Concat: _concat,
    Split: _one_axis,
    Softmax: _one_axis,
    LogSoftmax: _one_axis,
    ArgMax: _one_axis,
    ArgMin: _one_axis,
    Reduction: _reduction,
    Slice: _slice,
    Pad: _pad,
    Gather: _gather,
}
