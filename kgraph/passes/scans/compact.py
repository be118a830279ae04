"""Masked recurrent ops become counted ones over the steps that their mask lets through.

Runtimes have kernels for the first n steps of each row, but not for masks. So the steps taken move to the front, in
their order, and the outputs move back to where their steps were: one Gather of rows each, in the place of a Transpose
that a batch-major front end would need anyway. The rows are found once for all ops with the same mask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kgraph.ir.dims import Dim
from kgraph.ir.graph import Call, Function, Value, transform
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add, mul, sub
from kgraph.ops.logic import cast, greater, less, where
from kgraph.ops.recurrent import Recurrent
from kgraph.ops.reduce import CumSum, TopK, reduce_sum
from kgraph.ops.shape import DimValue, Gather, Iota, expand_dims, transpose
from kgraph.passes.base import Pass, register
from kgraph.passes.facts import is_zero


@register("compact_steps")
@dataclass(frozen=True)
class CompactSteps(Pass):
    """lstm[masked](x, ..., mask) -> rows of lstm[counted](rows of x, ..., steps in each row), where a kernel is there.

    Between two such ops with the same mask the outputs stay at the front. `native` says of an op and its dtype whether
    the backend has a kernel.
    """

    native: Callable[[Recurrent, str], bool]

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        taken: dict[Value, _Taken] = {}
        packed: dict[tuple[Value, Value], Value] = {}

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            op = call.op
            if not isinstance(op, Recurrent) or op.steps != "masked" or not self.native(op, inputs[0].dtype):
                return None
            hits[op.name] += 1
            x, *weights, mask = inputs
            here = taken.get(mask) or taken.setdefault(mask, _Taken(mask))
            front = packed.get((x, mask)) or here.pack(x)
            first = weights[3]
            sequence, *last = replace(op, steps="counted").apply(front, *weights, here.counts)
            whole = here.unpack(sequence, None if is_zero(first) else first, op.reverse)
            packed[whole, mask] = sequence
            return whole, *last

        return transform(function, visit)


class _Taken:
    """Where the steps that a mask [T, B] lets through stand, and where they stand when all others are left out."""

    def __init__(self, mask: Value) -> None:
        self.time, self.batch = mask.shape
        self.ones = cast(transpose(mask, (1, 0)), "int32")
        self.counts = reduce_sum(self.ones, 1)
        self.rows = Iota(self.batch)()

    def pack(self, x: Value) -> Value:
        """x [T, B, n] -> [T, B, n], the steps taken at the front; behind them stand the others, in any order."""
        _, order = TopK(self.time).apply(self.ones)
        rows = add(transpose(order, (1, 0)), mul(self.rows, DimValue(self.time)()))
        return Gather(0)(_joined(transpose(x, (1, 0, 2)), self.batch * self.time), rows)

    def unpack(self, y: Value, first: Value | None, reverse: bool) -> Value:
        """The outputs y [T, B, n] of the steps at the front -> where the steps were; others repeat what came before.

        What comes before all steps is `first` [B, n], or 0: as y is in the last row wherever steps were left out.
        """
        seen = CumSum(1)(self.ones)
        if reverse:
            place = sub(seen, self.ones)
            started = less(place, expand_dims(self.counts, 1))
        else:
            started = greater(seen, 0)
            place = where(started, sub(seen, 1), sub(DimValue(self.time, "int32")(), 1))
        wide = mul(cast(place, "int64"), DimValue(self.batch)())
        rows = add(wide, expand_dims(self.rows, 1))
        found = Gather(0)(_joined(y, self.time * self.batch), rows)
        if first is not None:
            found = where(expand_dims(started, -1), found, expand_dims(first, 1))
        return transpose(found, (1, 0, 2))


def _joined(x: Value, rows: Dim) -> Value:
    """[a, b, n] -> [a b, n]."""
    return reshape(x, (rows, x.shape[2]))
