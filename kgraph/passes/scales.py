"""Scale factors move into the matrix product that makes a gradient, where they cost nothing.

Optimizers keep a moving average of g², as 0.9 a + 0.1 g g: a multiplication by 0.1 for every weight. If the gradient is
the product of two matrices, that product can give h = sqrt(0.1) g instead, and h h is all that is left. Every other
use of g must be able to undo the factor for nothing: by a number that multiplies it there anyway, such as the learning
rate, which is divided by sqrt(0.1) once. The gradient of an embedding, rows added into zeros, is scaled by scaling
the rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kgraph.ir.dims import product
from kgraph.ir.graph import Call, Constant, Function, Value, constant, transform
from kgraph.ops.broadcast import Reshape
from kgraph.ops.elementwise import Div, Mul, Neg, div, mul
from kgraph.ops.linalg import Gemm, MatMul
from kgraph.ops.shape import ScatterAdd, Transpose
from kgraph.passes.base import Pass, register
from kgraph.passes.facts import elements

_Users = Mapping[Value, Sequence[Call]]
_Factors = dict[Value, float]
_MOVES = (Reshape, Transpose)


@register("absorb_scales")
@dataclass(frozen=True)
class AbsorbScales(Pass):
    """g = x @ y, g² * c -> h = sqrt(c) x @ y, h²; for products of at least `smallest` elements."""

    smallest: int = 1 << 12

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        calls = function.calls()
        users: defaultdict[Value, list[Call]] = defaultdict(list)
        for call in calls:
            for value in dict.fromkeys(call.inputs):
                users[value].append(call)
        roots = set(function.roots)
        factors: _Factors = {}
        for call in calls:
            if isinstance(call.op, MatMul | ScatterAdd) and self._is_large_matrix(call):
                found = _plan(call.results[0], users, roots)
                if found and not found.keys() & factors.keys():
                    factors.update(found)
                    hits["absorbed"] += 1
        return _rescale(function, factors) if factors else function

    def _is_large_matrix(self, call: Call) -> bool:
        value = call.results[0]
        rows = elements(call.inputs[0]) if isinstance(call.op, ScatterAdd) else 0
        return value.rank == 2 and value.type.is_float and elements(value) >= self.smallest + 2 * rows


def _plan(source: Value, users: _Users, roots: set[Value]) -> _Factors | None:
    """The factors by which `source` and what is made of it grow when one scaling of a square vanishes, or None."""
    same = [source]
    for value in same:
        for call in users[value]:
            if isinstance(call.op, _MOVES):
                same.append(call.results[0])
            elif _is_square(call, value):
                scales = [_number(outer, call.results[0]) for outer in users[call.results[0]]]
                for scale in scales:
                    if isinstance(scale, Constant) and 0 < scale.array.item() < np.inf:
                        return _spread(source, float(scale.array.item()) ** 0.5, users, roots)
    return None


def _spread(source: Value, factor: float, users: _Users, roots: set[Value]) -> _Factors | None:
    """Follow a factor to where it can be undone; None when somewhere it cannot."""
    factors: _Factors = {}
    pending = [(source, factor)]
    while pending:
        value, factor = pending.pop()
        if value in roots or value in factors:
            return None
        factors[value] = factor
        for call in users[value]:
            if _number(call, value) is not None:
                continue
            result = call.results[0]
            if _is_square(call, value):
                pending.append((result, factor * factor))
            elif isinstance(call.op, (Neg, *_MOVES)):
                pending.append((result, factor))
            elif isinstance(call.op, Mul) or (isinstance(call.op, Div) and call.inputs[0] is value):
                if any(other is not value and other in factors for other in call.inputs):
                    return None
                pending.append((result, factor))
            else:
                return None
    return factors


def _rescale(function: Function, factors: _Factors) -> Function:
    """Rebuild with the values in `factors` grown by their factors, everything else as it was."""

    def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        result = call.results[0]
        if isinstance(call.op, MatMul) and result in factors:
            return (Gemm(call.op.transpose_a, call.op.transpose_b, alpha=factors[result])(*inputs),)
        if isinstance(call.op, ScatterAdd) and result in factors:
            return (call.op(mul(inputs[0], factors[result]), inputs[1]),)
        scaled = next((value for value in call.inputs if value in factors), None)
        if scaled is None or result in factors:
            return None
        return (_undone(call, inputs, call.inputs.index(scaled), factors[scaled]),)

    return transform(function, visit)


def _undone(call: Call, inputs: tuple[Value, ...], position: int, factor: float) -> Value:
    """A product with, or quotient by, a number, which takes back the factor of the other operand."""
    grown, number = inputs[position], inputs[1 - position]
    if isinstance(call.op, Div):
        return div(grown, mul(number, factor))
    if isinstance(number, Constant):
        left = float(number.array.item()) / factor
        return grown if abs(left - 1) < 1e-6 else mul(grown, constant(left, number.dtype))
    return mul(grown, mul(number, 1 / factor))


def _is_square(call: Call, value: Value) -> bool:
    return isinstance(call.op, Mul) and call.inputs[0] is value and call.inputs[1] is value


def _number(call: Call, value: Value) -> Value | None:
    """The one number that `call` multiplies `value` with or divides it by, or None."""
    if not isinstance(call.op, Mul | Div) or _is_square(call, value) or call.results[0].shape != value.shape:
        return None
    first, second = call.inputs
    other = second if first is value else first
    allowed = isinstance(call.op, Mul) or first is value
    return other if allowed and product(other.shape) == 1 else None
