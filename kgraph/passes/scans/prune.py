"""Drop what nobody reads: outputs and carries of scans, and the operands that only they needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kgraph.ir.graph import Call, Function, Input, Value, transform
from kgraph.ops.scan import Scan, used_leaves
from kgraph.passes.base import Pass, register


@register("prune_scans")
@dataclass(frozen=True)
class PruneScans(Pass):
    """scan(...) -> the scan without unread outputs, unused operands and repeated ones.

    `scan` keeps every value of a step for the gradient's sake. This is where those are dropped that no gradient reads.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        calls = function.calls()
        if not any(isinstance(call.op, Scan) for call in calls):
            return function
        live: set[Value] = set(function.roots)
        plans: dict[Call, _Plan] = {}
        for call in reversed(calls):
            if not live.isdisjoint(call.results):
                if isinstance(call.op, Scan):
                    plans[call] = _plan(call, [result in live for result in call.results])
                    live.update(call.inputs[i] for i in plans[call].operands)
                else:
                    live.update(call.inputs)

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            plan = plans.get(call)
            if plan is None or (
                len(plan.operands) == len(inputs) and len(set(plan.results.values())) == len(call.results)
            ):
                return None
            hits["results"] += len(call.results) - len(set(plan.results.values()))
            hits["operands"] += len(inputs) - len(plan.operands)
            made = plan.op.apply(*(inputs[i] for i in plan.operands))
            # What is not read any more may stand for itself.
            return [made[plan.results[i]] if i in plan.results else old for i, old in enumerate(call.results)]

        return transform(function, visit)


@dataclass(frozen=True)
class _Plan:
    """The smaller scan, the positions of its operands, and where each result that is read is among its results."""

    op: Scan
    operands: tuple[int, ...]
    results: dict[int, int]


def _plan(call: Call, read: Sequence[bool]) -> _Plan:
    op = call.op
    assert isinstance(op, Scan)
    n, end = op.carries, op.carries + op.sequences
    body = _share_operands(op, call.inputs)
    made = list(body.outputs.items())
    carries = [i for i in range(n) if read[i]]
    while True:
        roots = [made[i][1] for i in range(len(made)) if (i in carries if i < n else read[i])]
        used = used_leaves(roots)
        wanted = [i for i in range(n) if i in carries or body.inputs[i] in used]
        if wanted == carries:
            break
        carries = wanted
    sequences = [i for i in range(n, end) if body.inputs[i] in used] or [n]
    invariants = [i for i in range(end, len(body.inputs)) if body.inputs[i] in used]
    outputs = dict(made[i] for i in carries)
    results = {i: position for position, i in enumerate(carries)}
    positions: dict[Value, int] = {}
    for i in range(n, len(made)):
        if read[i]:
            key, value = made[i]
            if value not in positions:
                positions[value] = len(outputs)
                outputs[key] = value
            results[i] = positions[value]
    operands = (*carries, *sequences, *invariants)
    smaller = replace(body, inputs=tuple(body.inputs[i] for i in operands), outputs=outputs)
    return _Plan(replace(op, body=smaller, carries=len(carries), sequences=len(sequences)), operands, results)


def _share_operands(op: Scan, operands: Sequence[Value]) -> Function:
    """The body with one leaf for all sequences, or invariants, that are the same value."""
    first: dict[tuple[bool, Value], Input] = {}
    same: dict[Value, Value] = {}
    for i in range(op.carries, len(operands)):
        leaf = op.body.inputs[i]
        known = first.setdefault((i < op.carries + op.sequences, operands[i]), leaf)
        if known is not leaf:
            same[leaf] = known
    if not same:
        return op.body
    return replace(op.body.replace(same), inputs=op.body.inputs)
