"""Products that the steps of a scan have made anyway are read, not made again.

The gradient of a gate multiplies what the forward step multiplied: of c' = f c, with f a sigmoid, it needs c f (1 - f).
The stack of all c f can come out of the forward scan; then c itself, a carry, has not to be copied out at each step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from kgraph.ir.graph import Call, Constant, Function, Result, Value, transform
from kgraph.ops.elementwise import Mul, Sub, mul, sub
from kgraph.ops.scan import Scan
from kgraph.passes.base import Pass, register
from kgraph.passes.rewrite import is_filled_with

_ONE = np.ones(())


@register("reuse_products")
@dataclass(frozen=True)
class ReuseProducts(Pass):
    """a (b x) -> m x;  a (1 - b b) -> a - m b; where a and b are outputs of a scan whose step makes m = a b.

    Products are reassociated, so results change in their last digits.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        if not any(isinstance(call.op, Scan) for call in function.calls()):
            return function
        before = sum(hits.values())

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Mul):
                return None
            made = _shorter(inputs) or _complement(*inputs) or _complement(*inputs[::-1])
            if made is None:
                return None
            hits["products"] += 1
            return (made,)

        result = transform(transform(function, _widen), visit)
        return result if sum(hits.values()) > before else function


def _widen(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
    """The scan with each product of two of its outputs as one more output.

    Not of what it carries on: that would have to be copied at each step.
    """
    op = call.op
    if not isinstance(op, Scan):
        return None
    made = list(op.body.outputs.values())
    stacked, present = set(made[op.carries :]), set(made)
    products = [
        inner.results[0]
        for inner in op.body.calls()
        if isinstance(inner.op, Mul) and stacked.issuperset(inner.inputs) and inner.results[0] not in present
    ]
    if not products:
        return None
    outputs = {**op.body.outputs, **{f"product{len(made) + i}": value for i, value in enumerate(products)}}
    wider = replace(op, body=replace(op.body, outputs=outputs))
    return wider.apply(*inputs)[: len(made)]


def _product(a: Value, b: Value) -> Value | None:
    """The stack of a b among the results of the scan that a and b are results of."""
    if not (isinstance(a, Result) and isinstance(b, Result)) or a.call is not b.call:
        return None
    op = a.call.op
    if not isinstance(op, Scan) or min(a.index, b.index) < op.carries or a.type != b.type:
        return None
    made = list(op.body.outputs.values())
    wanted = {made[a.index], made[b.index]}
    for i, value in enumerate(made[op.carries :], op.carries):
        if isinstance(value, Result) and isinstance(value.call.op, Mul) and set(value.call.inputs) == wanted:
            return a.call.results[i]
    return None


def _shorter(inputs: Sequence[Value]) -> Value | None:
    """A product of several factors, two of which are known as one."""
    factors = [factor for value in inputs for factor in _factors(value)]
    for a, b in combinations(factors, 2):
        known = _product(a, b) if len(factors) > 2 else None
        if known is not None:
            left = list(factors)
            left.remove(a)
            left.remove(b)
            for factor in left:
                known = mul(known, factor)
            return known
    return None


def _factors(value: Value) -> Sequence[Value]:
    """The operands of a product of equal shapes, else the value itself."""
    if isinstance(value, Result) and isinstance(value.call.op, Mul):
        operands = value.call.inputs
        if operands[0] is not operands[1] and all(operand.type == value.type for operand in operands):
            return operands
    return (value,)


def _complement(a: Value, rest: Value) -> Value | None:
    """a (1 - b b) as a - (a b) b, if a b is known."""
    if not isinstance(rest, Result) or not isinstance(rest.call.op, Sub):
        return None
    one, squared = rest.call.inputs
    if not isinstance(one, Constant) or not is_filled_with(one.array, _ONE):
        return None
    if not isinstance(squared, Result) or not isinstance(squared.call.op, Mul):
        return None
    b, same = squared.call.inputs
    known = _product(a, b) if b is same else None
    return None if known is None else sub(a, mul(known, b))
