"""Arithmetic identities: neutral elements, signs, powers, extrema.

What they keep: NaN and infinity appear in the result exactly where they would have. So x * 0 is folded only where x
cannot be infinite or NaN, and x - x and x / x never. What they do not keep: the sign of a zero.
"""

from __future__ import annotations

from kgraph.ir.graph import Constant, Input, Value, constant
from kgraph.ir.types import TensorType
from kgraph.ops.elementwise import (
    Abs,
    Maximum,
    Minimum,
    Reciprocal,
    add,
    div,
    exp,
    log,
    maximum,
    minimum,
    mul,
    neg,
    power,
    sqrt,
    square,
    sub,
)
from kgraph.ops.logic import Cast
from kgraph.ops.shape import full
from kgraph.passes.facts import elements, is_finite, is_non_negative
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32

X = examples(x=f32(2, 3))
POSITIVE = examples(x=Abs()(Input("x", f32(2, 3))))
AB = examples(a=f32(2, 3), b=f32(2, 3))


class ToX(Rule):
    """Base of the rules whose right side is the operand x."""

    operands = X

    def replace(self, m: Match) -> Value | Declined:
        return m.x


class AddZero(ToX):
    """x + 0 -> x"""

    def pattern(self, x: Value) -> Value:
        return add(x, 0.0)


class SubZero(ToX):
    """x - 0 -> x"""

    def pattern(self, x: Value) -> Value:
        return sub(x, 0.0)


class ZeroSub(Rule):
    """0 - x -> -x"""

    operands = X

    def pattern(self, x: Value) -> Value:
        return sub(0.0, x)

    def replace(self, m: Match) -> Value | Declined:
        return Declined("unsigned") if m.x.dtype.startswith("u") else neg(m.x)


class MulOne(ToX):
    """x * 1 -> x"""

    def pattern(self, x: Value) -> Value:
        return mul(x, 1.0)


class MulZero(Rule):
    """x * 0 -> 0, where x cannot be infinite or NaN"""

    operands = examples(x=Cast("float32")(Input("x", TensorType("bool", (2, 3)))))

    def pattern(self, x: Value) -> Value:
        return mul(x, 0.0)

    def replace(self, m: Match) -> Value | Declined:
        if not is_finite(m.x):
            return Declined("x may be infinite or NaN, and then the product is NaN")
        return full((), 0, m.x.dtype)


class MulMinusOne(Rule):
    """x * -1 -> -x"""

    operands = X

    def pattern(self, x: Value) -> Value:
        return mul(x, -1.0)

    def replace(self, m: Match) -> Value:
        return neg(m.x)


class DivOne(ToX):
    """x / 1 -> x"""

    def pattern(self, x: Value) -> Value:
        return div(x, 1.0)


class OneDiv(Rule):
    """1 / x -> reciprocal(x)"""

    operands = X

    def pattern(self, x: Value) -> Value:
        return div(1.0, x)

    def replace(self, m: Match) -> Value | Declined:
        return Reciprocal()(m.x) if m.x.type.is_float else Declined("integers have no reciprocal")


class MulReciprocal(Rule):
    """a * reciprocal(b) -> a / b"""

    operands = AB
    exclusive = True

    def pattern(self, a: Value, b: Value) -> Value:
        return mul(a, Reciprocal()(b))

    def replace(self, m: Match) -> Value | Declined:
        if elements(m.b) < elements(m.root.results[0]):
            return Declined("a division for each element of b is cheaper than one for each product")
        return div(m.a, m.b)


class NegNeg(ToX):
    """-(-x) -> x"""

    def pattern(self, x: Value) -> Value:
        return neg(neg(x))


class AddNeg(Rule):
    """a + -b -> a - b"""

    operands = AB

    def pattern(self, a: Value, b: Value) -> Value:
        return add(a, neg(b))

    def replace(self, m: Match) -> Value:
        return sub(m.a, m.b)


class SubNeg(Rule):
    """a - -b -> a + b"""

    operands = AB

    def pattern(self, a: Value, b: Value) -> Value:
        return sub(a, neg(b))

    def replace(self, m: Match) -> Value:
        return add(m.a, m.b)


class AddMulNeg(Rule):
    """c + a * -b -> c - a * b"""

    operands = examples(a=f32(2, 3), b=f32(3), c=f32(2, 3))
    exclusive = True

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return add(c, mul(a, neg(b)))

    def replace(self, m: Match) -> Value:
        return sub(m.c, mul(m.a, m.b))


class SubMulNeg(Rule):
    """c - a * -b -> c + a * b"""

    operands = examples(a=f32(2, 3), b=f32(3), c=f32(2, 3))
    exclusive = True

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return sub(c, mul(a, neg(b)))

    def replace(self, m: Match) -> Value:
        return add(m.c, mul(m.a, m.b))


class NegSub(Rule):
    """-(a - b) -> b - a"""

    operands = AB
    exclusive = True

    def pattern(self, a: Value, b: Value) -> Value:
        return neg(sub(a, b))

    def replace(self, m: Match) -> Value:
        return sub(m.b, m.a)


class MulNegs(Rule):
    """-a * -b -> a * b"""

    operands = AB

    def pattern(self, a: Value, b: Value) -> Value:
        return mul(neg(a), neg(b))

    def replace(self, m: Match) -> Value:
        return mul(m.a, m.b)


class MulNeg(Rule):
    """-a * b -> -(a * b): signs move outwards, where additions absorb them"""

    operands = AB
    exclusive = True

    def pattern(self, a: Value, b: Value) -> Value:
        return mul(neg(a), b)

    def replace(self, m: Match) -> Value | Declined:
        if isinstance(m.b, Constant):
            return mul(m.a, constant(-m.b.array))
        if elements(m.a) < elements(m.root.results[0]):
            return Declined("a is smaller than the product")
        return neg(mul(m.a, m.b))


class DivNeg(Rule):
    """a / -b -> -(a / b)"""

    operands = AB
    exclusive = True

    def pattern(self, a: Value, b: Value) -> Value:
        return div(a, neg(b))

    def replace(self, m: Match) -> Value | Declined:
        if elements(m.b) < elements(m.root.results[0]):
            return Declined("b is smaller than the quotient")
        return neg(div(m.a, m.b))


class NegDiv(Rule):
    """-a / b -> -(a / b)"""

    operands = AB
    exclusive = True

    def pattern(self, a: Value, b: Value) -> Value:
        return div(neg(a), b)

    def replace(self, m: Match) -> Value | Declined:
        if isinstance(m.b, Constant):
            return div(m.a, constant(-m.b.array))
        if elements(m.a) < elements(m.root.results[0]):
            return Declined("a is smaller than the quotient")
        return neg(div(m.a, m.b))


class PowOne(ToX):
    """x ** 1 -> x"""

    def pattern(self, x: Value) -> Value:
        return power(x, 1.0)


class PowZero(Rule):
    """x ** 0 -> 1, for NaN too"""

    operands = X

    def pattern(self, x: Value) -> Value:
        return power(x, 0.0)

    def replace(self, m: Match) -> Value:
        return full((), 1, m.x.dtype)


class PowTwo(Rule):
    """x ** 2 -> x * x"""

    operands = X

    def pattern(self, x: Value) -> Value:
        return power(x, 2.0)

    def replace(self, m: Match) -> Value:
        return square(m.x)


class PowThree(Rule):
    """x ** 3 -> x * x * x"""

    operands = X

    def pattern(self, x: Value) -> Value:
        return power(x, 3.0)

    def replace(self, m: Match) -> Value:
        return mul(square(m.x), m.x)


class PowHalf(Rule):
    """x ** 0.5 -> sqrt(x), which differs at -inf only (infinity against NaN)"""

    operands = X
    domain = (0.0, 1e6)

    def pattern(self, x: Value) -> Value:
        return power(x, 0.5)

    def replace(self, m: Match) -> Value:
        return sqrt(m.x)


class PowMinusHalf(Rule):
    """x ** -0.5 -> reciprocal(sqrt(x)), which differs at -inf only (zero against NaN)"""

    operands = X
    domain = (0.0, 1e6)

    def pattern(self, x: Value) -> Value:
        return power(x, -0.5)

    def replace(self, m: Match) -> Value:
        return Reciprocal()(sqrt(m.x))


class PowMinusOne(Rule):
    """x ** -1 -> reciprocal(x)"""

    operands = X

    def pattern(self, x: Value) -> Value:
        return power(x, -1.0)

    def replace(self, m: Match) -> Value | Declined:
        return Reciprocal()(m.x) if m.x.type.is_float else Declined("integers have no reciprocal")


class ReciprocalReciprocal(ToX):
    """1 / (1 / x) -> x, which differs only where 1 / x overflows or underflows"""

    domain = (1e-6, 1e6)

    def pattern(self, x: Value) -> Value:
        return Reciprocal()(Reciprocal()(x))


class LogExp(ToX):
    """log(exp(x)) -> x, which differs only where exp(x) overflows or underflows"""

    domain = (-80.0, 80.0)

    def pattern(self, x: Value) -> Value:
        return log(exp(x))


class ExpLog(ToX):
    """exp(log(x)) -> x, where x cannot be negative"""

    operands = POSITIVE

    def pattern(self, x: Value) -> Value:
        return exp(log(x))

    def replace(self, m: Match) -> Value | Declined:
        return m.x if is_non_negative(m.x) else Declined("x may be negative, and then the logarithm is NaN")


class AbsPositive(ToX):
    """|x| -> x, where x cannot be negative"""

    operands = POSITIVE

    def pattern(self, x: Value) -> Value:
        return Abs()(x)

    def replace(self, m: Match) -> Value | Declined:
        return m.x if is_non_negative(m.x) else Declined("x may be negative")


class AbsNeg(Rule):
    """|-x| -> |x|"""

    operands = X

    def pattern(self, x: Value) -> Value:
        return Abs()(neg(x))

    def replace(self, m: Match) -> Value:
        return Abs()(m.x)


class MaxZero(ToX):
    """max(x, 0) -> x, where x cannot be negative"""

    operands = POSITIVE

    def pattern(self, x: Value) -> Value:
        return maximum(x, 0.0)

    def replace(self, m: Match) -> Value | Declined:
        return m.x if is_non_negative(m.x) else Declined("x may be negative")


class MaxSame(ToX):
    """max(x, x) -> x"""

    def pattern(self, x: Value) -> Value:
        return maximum(x, x)


class MinSame(ToX):
    """min(x, x) -> x"""

    def pattern(self, x: Value) -> Value:
        return minimum(x, x)


class MaxAgain(Rule):
    """max(max(a, b), b) -> max(a, b)"""

    operands = AB

    def pattern(self, a: Value, b: Value) -> Value:
        return maximum(maximum(a, b), b)

    def replace(self, m: Match) -> Value:
        return m.call(Maximum, 1).results[0]


class MinAgain(Rule):
    """min(min(a, b), b) -> min(a, b)"""

    operands = AB

    def pattern(self, a: Value, b: Value) -> Value:
        return minimum(minimum(a, b), b)

    def replace(self, m: Match) -> Value:
        return m.call(Minimum, 1).results[0]


RULES = (
    AddZero(),
    SubZero(),
    ZeroSub(),
    MulOne(),
    MulZero(),
    MulMinusOne(),
    DivOne(),
    OneDiv(),
    MulReciprocal(),
    NegNeg(),
    AddNeg(),
    SubNeg(),
    AddMulNeg(),
    SubMulNeg(),
    NegSub(),
    MulNegs(),
    MulNeg(),
    NegDiv(),
    DivNeg(),
    PowZero(),
    PowOne(),
    PowTwo(),
    PowThree(),
    PowHalf(),
    PowMinusHalf(),
    PowMinusOne(),
    ReciprocalReciprocal(),
    LogExp(),
    ExpLog(),
    AbsPositive(),
    AbsNeg(),
    MaxZero(),
    MaxSame(),
    MinSame(),
    MaxAgain(),
    MinAgain(),
)
