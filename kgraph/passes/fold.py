"""Constant folding: what depends on constants alone is computed once, by the NumPy meaning of the ops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kgraph.ir.graph import Call, Constant, Function, Value, transform
from kgraph.ir.interpret import evaluate_call
from kgraph.ops.broadcast import BroadcastTo
from kgraph.passes.base import Pass, register


@register("fold_constants")
@dataclass(frozen=True)
class FoldConstants(Pass):
    """f(constants) -> constant, unless the result is larger than `max_growth` bytes and than all its operands.

    Broadcasts are left alone: the ops that read them broadcast for nothing.
    """

    max_growth: int = 1 << 16

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            constants = [value for value in inputs if isinstance(value, Constant)]
            if len(constants) != len(inputs) or not all(result.type.is_static for result in call.results):
                return None
            if isinstance(call.op, BroadcastTo) or call.op.is_symbolic():
                return None
            grown = sum(np.dtype(r.dtype).itemsize * int(np.prod(r.type.static_shape)) for r in call.results)
            if grown > max(self.max_growth, sum(value.array.nbytes for value in constants)):
                return None
            hits["folded"] += 1
            with np.errstate(all="ignore"):
                arrays = evaluate_call(call, [value.array for value in constants], {})
            name = next((value.name for value in constants if value.name), "")
            return [Constant(array, name) for array in arrays]

        return transform(function, visit)
