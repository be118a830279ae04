"""Compute after a scan, for all steps at once, what no later step needs: the counterpart of `hoist`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kgraph.ir.graph import Call, Function, Result, Value, transform
from kgraph.ops.linalg import MatMul
from kgraph.ops.scan import Scan
from kgraph.passes.base import Pass, register
from kgraph.passes.scans.vectorize import Operand, vectorize


@register("sink_from_scans")
@dataclass(frozen=True)
class SinkFromScans(Pass):
    """outputs y, y w of a scan -> output y, then y w for all steps at once; w is an invariant.

    The gradient of what a step multiplies by weights is such a product: nothing but the layer below reads it. One large
    product replaces one small product per step.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Scan):
                return None
            last = _last_products(call.op)
            if not last:
                return None
            hits["products"] += len(last)
            return _results(call.op, inputs, last)

        return transform(function, visit)


def _last_products(op: Scan) -> dict[int, Call]:
    """Positions of outputs that are products of another output with an invariant, and which no call reads."""
    made = list(op.body.outputs.values())
    leaves = set(op.body.inputs[op.carries + op.sequences :])
    calls = op.body.calls()
    read = {value for call in calls for value in call.inputs} | set(made[: op.carries])
    stacked = set(made[op.carries :])
    return {
        i: value.call
        for i, value in enumerate(made)
        if i >= op.carries
        and isinstance(value, Result)
        and value not in read
        and isinstance(value.call.op, MatMul)
        and value.call.inputs[0] in stacked
        and value.call.inputs[1] in leaves
    }


def _results(op: Scan, operands: Sequence[Value], last: dict[int, Call]) -> Sequence[Value]:
    """The results of the scan, those at the positions in `last` computed from the others."""
    made = list(op.body.outputs.items())
    outputs = {key: value for i, (key, value) in enumerate(made) if i not in last}
    smaller = replace(op, body=replace(op.body, outputs=outputs)).apply(*operands)
    results = dict(zip(outputs, smaller, strict=True))
    stacks = {value: results[key] for key, value in list(outputs.items())[op.carries :]}
    outside: dict[Value, Value] = dict(zip(op.body.inputs, operands, strict=True))
    for i, call in last.items():
        a, w = call.inputs
        product = vectorize(call, [Operand(stacks[a], stacked=True), Operand(outside[w], stacked=False)])
        assert product is not None
        (results[made[i][0]],) = product
    return [results[key] for key, _ in made]
