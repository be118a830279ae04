"""Constants gather: neighbouring constants become one, and scaling happens on the smaller side of a product.

Reassociation changes roundings in the last digit, as any compiler does here, and is refused where the combined constant
would overflow or underflow.
"""

from __future__ import annotations

import numpy as np

from kgraph.ir.graph import Constant, Value, constant
from kgraph.ir.types import Array
from kgraph.ops.broadcast import ReduceSum, Reduction, Reshape
from kgraph.ops.elementwise import Maximum, Minimum, Mul, add, div, maximum, minimum, mul, neg, sub
from kgraph.ops.reduce import ReduceMean
from kgraph.passes.facts import elements
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32

X_C = examples(x=f32(2, 3), c=constant(1.7, "float32"))
X_CD = examples(x=f32(2, 3), c=constant(1.7, "float32"), d=constant(-0.6, "float32"))
AB_C = examples(a=f32(2, 3), b=f32(2, 3), c=constant(1.7, "float32"))


def _sum(c: Array, d: Array) -> Constant | Declined:
    return _combined(np.add, c, d)


def _product(c: Array, d: Array) -> Constant | Declined:
    return _combined(np.multiply, c, d)


def _quotient(c: Array, d: Array) -> Constant | Declined:
    if c.dtype.kind != "f":
        return Declined("integer division does not reassociate")
    return _combined(np.divide, c, d)


def _combined(function: np.ufunc, c: Array, d: Array) -> Constant | Declined:
    with np.errstate(all="ignore"):
        made = np.asarray(function(c, d), c.dtype)
    if made.size > max(c.size, d.size):
        return Declined("the combined constant would be larger than both")
    if made.dtype.kind == "f":
        normal = np.isfinite(made) & (np.abs(made) >= np.finfo(made.dtype).tiny)
        zero = made == 0 if function is np.add else (c == 0) & (made == 0)
        if not np.all(normal | zero):
            return Declined("the combined constant overflows or underflows")
    return Constant(made)


def _add(x: Value, c: Constant | Declined) -> Value | Declined:
    return c if isinstance(c, Declined) else add(x, c)


def _scale(x: Value, by: Constant | Declined) -> Value | Declined:
    return by if isinstance(by, Declined) else mul(x, by)


class SubConstant(Rule):
    """x - c -> x + -c"""

    operands = X_C

    def pattern(self, x: Value, c: Value) -> Value:
        return sub(x, c)

    def replace(self, m: Match) -> Value | Declined:
        return Declined("unsigned") if m.x.dtype.startswith("u") else add(m.x, constant(-m.array("c")))


class DivConstant(Rule):
    """x / c -> x * (1 / c), where c is a power of two, so that nothing is rounded"""

    operands = examples(x=f32(2, 3), c=constant(4.0, "float32"))

    def pattern(self, x: Value, c: Value) -> Value:
        return div(x, c)

    def replace(self, m: Match) -> Value | Declined:
        c = m.array("c")
        if c.dtype.kind != "f" or not np.all(np.isfinite(c) & (np.abs(np.frexp(c)[0]) == 0.5)):
            return Declined("c is not a power of two")
        return _scale(m.x, _quotient(np.ones_like(c), c))


class AddAddConstants(Rule):
    """(x + c) + d -> x + (c + d)"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return add(add(x, c), d)

    def replace(self, m: Match) -> Value | Declined:
        return _add(m.x, _sum(m.array("c"), m.array("d")))


class AddSubConstants(Rule):
    """(c - x) + d -> (c + d) - x"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return add(sub(c, x), d)

    def replace(self, m: Match) -> Value | Declined:
        by = _sum(m.array("c"), m.array("d"))
        return by if isinstance(by, Declined) else sub(by, m.x)


class SubAddConstants(Rule):
    """d - (x + c) -> (d - c) - x"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return sub(d, add(x, c))

    def replace(self, m: Match) -> Value | Declined:
        if m.x.dtype.startswith("u"):
            return Declined("unsigned")
        by = _sum(m.array("d"), np.negative(m.array("c")))
        return by if isinstance(by, Declined) else sub(by, m.x)


class SubSubConstants(Rule):
    """d - (c - x) -> x + (d - c)"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return sub(d, sub(c, x))

    def replace(self, m: Match) -> Value | Declined:
        if m.x.dtype.startswith("u"):
            return Declined("unsigned")
        return _add(m.x, _sum(m.array("d"), np.negative(m.array("c"))))


class MulMulConstants(Rule):
    """(x * c) * d -> x * (c * d)"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return mul(mul(x, c), d)

    def replace(self, m: Match) -> Value | Declined:
        return _scale(m.x, _product(m.array("c"), m.array("d")))


class MulDivConstants(Rule):
    """(x / c) * d -> x * (d / c)"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return mul(div(x, c), d)

    def replace(self, m: Match) -> Value | Declined:
        return _scale(m.x, _quotient(m.array("d"), m.array("c")))


class DivMulConstants(Rule):
    """(x * c) / d -> x * (c / d)"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return div(mul(x, c), d)

    def replace(self, m: Match) -> Value | Declined:
        return _scale(m.x, _quotient(m.array("c"), m.array("d")))


class DivDivConstants(Rule):
    """(x / c) / d -> x / (c * d)"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return div(div(x, c), d)

    def replace(self, m: Match) -> Value | Declined:
        by = _product(m.array("c"), m.array("d")) if m.x.type.is_float else Declined("integers")
        return by if isinstance(by, Declined) else div(m.x, by)


class MulInvertedConstants(Rule):
    """(c / x) * d -> (c * d) / x"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return mul(div(c, x), d)

    def replace(self, m: Match) -> Value | Declined:
        by = _product(m.array("c"), m.array("d")) if m.x.type.is_float else Declined("integers")
        return by if isinstance(by, Declined) else div(by, m.x)


class NegMulConstant(Rule):
    """-(x * c) -> x * -c"""

    operands = X_C
    exclusive = True

    def pattern(self, x: Value, c: Value) -> Value:
        return neg(mul(x, c))

    def replace(self, m: Match) -> Value | Declined:
        return Declined("unsigned") if m.x.dtype.startswith("u") else mul(m.x, constant(-m.array("c")))


class AddMulMinus(Rule):
    """a + b * -c -> a - b * c: negative scale factors become subtractions"""

    operands = examples(a=f32(2, 3), b=f32(2, 3), c=constant(-1.7, "float32"))
    exclusive = True

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return add(a, mul(b, c))

    def replace(self, m: Match) -> Value | Declined:
        if not np.all(m.array("c") < 0):
            return Declined("c is not negative")
        return sub(m.a, mul(m.b, constant(-m.array("c"))))


class SubMulMinus(Rule):
    """a - b * -c -> a + b * c"""

    operands = examples(a=f32(2, 3), b=f32(2, 3), c=constant(-1.7, "float32"))
    exclusive = True

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return sub(a, mul(b, c))

    def replace(self, m: Match) -> Value | Declined:
        if not np.all(m.array("c") < 0):
            return Declined("c is not negative")
        return add(m.a, mul(m.b, constant(-m.array("c"))))


class MulScaledBySmaller(Rule):
    """(a * c) * b -> a * (b * c), where b is the smaller one: scale few elements"""

    operands = examples(a=f32(2, 3), b=f32(3), c=constant(1.7, "float32"))
    exclusive = True

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return mul(mul(a, c), b)

    def replace(self, m: Match) -> Value | Declined:
        if elements(m.b) >= elements(m.a):
            return Declined("b is not smaller than a")
        return mul(m.a, mul(m.b, m.c))


class MulBothScaled(Rule):
    """(a * c) * (b * d) -> a * (b * (c * d)), where b is not the larger one"""

    operands = examples(a=f32(2, 3), b=f32(3), c=constant(1.7, "float32"), d=constant(-0.6, "float32"))
    exclusive = True

    def pattern(self, a: Value, b: Value, c: Value, d: Value) -> Value:
        return mul(mul(a, c), mul(b, d))

    def replace(self, m: Match) -> Value | Declined:
        if elements(m.b) > elements(m.a):
            return Declined("a is smaller than b")
        scaled = _scale(m.b, _product(m.array("c"), m.array("d")))
        return scaled if isinstance(scaled, Declined) else mul(m.a, scaled)


class SumScaled(Rule):
    """sum(x * c) -> sum(x) * c, for one number c; the same for the mean"""

    operands = X_C
    exclusive = True

    def __init__(self, reduction: type[Reduction]) -> None:
        self.reduction = reduction

    @property
    def name(self) -> str:
        return f"{self.reduction.__name__}Scaled"

    def pattern(self, x: Value, c: Value) -> Value:
        return self.reduction((1,), False)(mul(x, c))

    def replace(self, m: Match) -> Value | Declined:
        if m.array("c").size != 1:
            return Declined("c is not one number")
        if m.x.rank != m.call(Mul).results[0].rank:
            return Declined("x is broadcast")
        return mul(m.op(self.reduction)(m.x), m.array("c").reshape(()).item())


class SumNeg(Rule):
    """sum(-x) -> -sum(x); the same for the mean"""

    operands = examples(x=f32(2, 3))
    exclusive = True

    def __init__(self, reduction: type[Reduction]) -> None:
        self.reduction = reduction

    @property
    def name(self) -> str:
        return f"{self.reduction.__name__}Neg"

    def pattern(self, x: Value) -> Value:
        return self.reduction((1,), False)(neg(x))

    def replace(self, m: Match) -> Value:
        return neg(m.op(self.reduction)(m.x))


class ReshapeNeg(Rule):
    """reshape(-x) -> -reshape(x)"""

    operands = examples(x=f32(2, 3))
    exclusive = True

    def pattern(self, x: Value) -> Value:
        return Reshape((6,))(neg(x))

    def replace(self, m: Match) -> Value:
        return neg(m.op(Reshape)(m.x))


class MaxMaxConstants(Rule):
    """max(max(x, c), d) -> max(x, max(c, d))"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return maximum(maximum(x, c), d)

    def replace(self, m: Match) -> Value:
        return maximum(m.x, constant(Maximum().evaluate(m.array("c"), m.array("d"))))


class MinMinConstants(Rule):
    """min(min(x, c), d) -> min(x, min(c, d))"""

    operands = X_CD

    def pattern(self, x: Value, c: Value, d: Value) -> Value:
        return minimum(minimum(x, c), d)

    def replace(self, m: Match) -> Value:
        return minimum(m.x, constant(Minimum().evaluate(m.array("c"), m.array("d"))))


RULES = (
    SubConstant(),
    DivConstant(),
    AddAddConstants(),
    AddSubConstants(),
    SubAddConstants(),
    SubSubConstants(),
    MulMulConstants(),
    MulDivConstants(),
    DivMulConstants(),
    DivDivConstants(),
    MulInvertedConstants(),
    NegMulConstant(),
    AddMulMinus(),
    SubMulMinus(),
    MulScaledBySmaller(),
    MulBothScaled(),
    SumScaled(ReduceSum),
    SumScaled(ReduceMean),
    SumNeg(ReduceSum),
    SumNeg(ReduceMean),
    ReshapeNeg(),
    MaxMaxConstants(),
    MinMinConstants(),
)
