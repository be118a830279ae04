"""Elementary functions whose plain formulas lose digits or need what not every runtime has.

All decompose into arithmetic, exponentials and tanh, to within a few units in the last place in every floating-point
dtype. None compensates rounding by differences such as (1 + x) - 1, which passes may simplify.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array
from kgraph.ops.activations import tanh
from kgraph.ops.base import Unary, as_value
from kgraph.ops.elementwise import Abs, Sign, add, div, exp, log, maximum, minimum, mul, sqrt, square, sub
from kgraph.ops.logic import greater, less, where
from kgraph.ops.samples import floats


@op("expm1")
class Expm1(Unary):
    """exp(x) - 1, exact near zero: tanh(x / 2) (exp(x) + 1); gradient dy (y + 1)."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.expm1(x)

    def decompose(self, x: Value) -> Value:
        return mul(tanh(mul(x, 0.5)), add(exp(x), 1.0))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, add(call.results[0], 1.0)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return _samples(cls())


@op("log1p")
class Log1p(Unary):
    """log(1 + x), exact near zero: there 2 artanh(x / (2 + x)) as a power series; gradient dy / (1 + x)."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.log1p(x)

    def decompose(self, x: Value) -> Value:
        part = div(x, add(x, 2.0))
        # |part| < 1 / 7 where |x| < 1 / 4: what is left out is below the last place of float64.
        series = mul(mul(part, 2.0), _polynomial(square(part), [1 / (2 * k + 1) for k in range(9)]))
        return where(less(Abs()(x), 0.25), series, log(add(x, 1.0)))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (div(dy, add(call.inputs[0], 1.0)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return _samples(cls(), low=-0.7)


@op("arctan")
class Arctan(Unary):
    """The angle in (-pi/2, pi/2) whose tangent is x; gradient dy / (1 + x^2).

    With t = min(|x|, 1 / |x|) the angle is arctan(t), or pi/2 - arctan(t) where |x| > 1. Halving the angle,
    t / (1 + sqrt(1 + t^2)), twice brings t below 0.2, where a short power series does.
    """

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.arctan(x)

    def decompose(self, x: Value) -> Value:
        size = Abs()(x)
        part = minimum(size, div(1.0, maximum(size, 1.0)))
        for _ in range(2):
            part = div(part, add(sqrt(add(square(part), 1.0)), 1.0))
        terms = _polynomial(square(part), [(-1) ** k / (2 * k + 1) for k in range(13)])
        angle = mul(mul(part, 4.0), terms)
        return mul(Sign()(x), where(greater(size, 1.0), sub(math.pi / 2, angle), angle))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (div(dy, add(square(call.inputs[0]), 1.0)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from _samples(cls())
        yield Sample(cls(), (np.array([-np.inf, -1e30, -50.0, 1.0, 1e20, np.inf], "float32"),), smooth=())


def _polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """coefficients[0] + coefficients[1] x + ..., by Horner's rule."""
    made = as_value(coefficients[-1], x.dtype)
    for coefficient in reversed(coefficients[:-1]):
        made = add(mul(made, x), coefficient)
    return made


def _samples(op: Op, low: float = -2.0) -> Iterable[Sample]:
    yield Sample(op, (floats(2, 3, low=low),))
    yield Sample(
        op, (np.array([-0.3, -1e-3, -1e-6, 0.0, 1e-9, 1e-4, 0.24, 0.26, 7.0], "float32"),), smooth=()
    )
