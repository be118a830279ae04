"""Before differentiation, recurrent ops become the scans that they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kgraph.ir.graph import Call, Function, Value, transform
from kgraph.ops.recurrent import Recurrent
from kgraph.passes.base import Pass, register


@register("expand_recurrent")
@dataclass(frozen=True)
class ExpandRecurrent(Pass):
    """lstm(...) -> scan(...), and the same for its kind.

    A scan can keep its gates for the gradient; the native op of a backend cannot, and the gradient would have to
    compute them again. Inference keeps the native op.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Recurrent):
                return None
            hits[call.op.name] += 1
            return call.op.scan(inputs)

        return transform(function, visit)
