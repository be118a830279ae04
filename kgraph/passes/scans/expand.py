"""Before differentiation, recurrent ops become the scans that they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kgraph.ir.dims import product
from kgraph.ir.graph import Call, Function, Value, transform
from kgraph.ops.recurrent import Recurrent
from kgraph.passes.base import Pass, register

SMALL = 1 << 13
"""The most elements of a kernel that is multiplied at each step."""


@register("expand_recurrent")
@dataclass(frozen=True)
class ExpandRecurrent(Pass):
    """lstm(...) -> scan(...), and the same for its kind.

    A scan can keep its gates for the gradient; the native op of a backend cannot, and the gradient would have to
    compute them again. Inference keeps the native op.

    Small weights are multiplied at each step, with the input, the state and a 1 for the bias side by side: no pass
    over all steps adds the bias, and the gradients of kernel, recurrent kernel and bias are one product. Large ones
    would have to be packed at each step, so the product of the kernel is made for all steps at once.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Recurrent):
                return None
            hits[call.op.name] += 1
            size = product(inputs[1].shape)
            joined = call.op.summed and isinstance(size, int) and size <= SMALL
            return call.op.scan(inputs, joined=joined)

        return transform(function, visit)
