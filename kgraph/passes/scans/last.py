"""Who wants only the last output of a scan gets it from the carries, so that no sequence of outputs has to be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kgraph.ir.graph import Call, Function, Result, Value, transform
from kgraph.ops.scan import Scan
from kgraph.ops.shape import Slice, expand_dims
from kgraph.passes.base import Pass, register


@register("read_last_step")
@dataclass(frozen=True)
class ReadLastStep(Pass):
    """outputs[-1:] of a scan -> the last carry, where a step puts out what it also carries on.

    Before differentiation: the gradient of the slice would be a sequence of zeros but for one step, which the gradient
    of the scan would read and add at each.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Slice) or not isinstance(inputs[0], Result):
                return None
            carry = _carry(call.op, inputs[0])
            if carry is None:
                return None
            hits["last"] += 1
            return (expand_dims(carry, 0),)

        return transform(function, visit)


def _carry(cut: Slice, outputs: Result) -> Value | None:
    """The last carry that equals the slice of these outputs, if there is one."""
    op = outputs.call.op
    if not isinstance(op, Scan) or outputs.index < op.carries:
        return None
    length, *rest = outputs.shape
    last = 0 if op.reverse else length - 1
    if (cut.starts, cut.stops) != ((last, *[0] * len(rest)), (last + 1, *rest)):
        return None
    made = list(op.body.outputs.values())
    same = [i for i in range(op.carries) if made[i] is made[outputs.index]]
    return outputs.call.results[same[0]] if same else None
