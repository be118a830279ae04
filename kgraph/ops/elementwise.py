"""Arithmetic and elementary functions, element by element, with NumPy broadcasting."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType
from kgraph.ops.base import Binary, Elementwise, Operand, Unary, as_value, as_values
from kgraph.ops.broadcast import unbroadcast
from kgraph.ops.logic import equal, greater, greater_equal, less, less_equal, where
from kgraph.ops.samples import floats, integers


@op("add")
class Add(Binary):
    """a + b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return a + b

    def vjp(self, call: Call, dy: Value) -> Gradients:
        a, b = call.inputs
        return unbroadcast(dy, a), unbroadcast(dy, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return binary_samples(cls())


@op("sub")
class Sub(Binary):
    """a - b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return a - b

    def vjp(self, call: Call, dy: Value) -> Gradients:
        a, b = call.inputs
        return unbroadcast(dy, a), unbroadcast(neg(dy), b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return binary_samples(cls())


@op("mul")
class Mul(Binary):
    """a * b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return a * b

    def vjp(self, call: Call, dy: Value) -> Gradients:
        a, b = call.inputs
        return unbroadcast(mul(dy, b), a), unbroadcast(mul(dy, a), b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return binary_samples(cls())


@op("div")
class Div(Binary):
    """a / b; integers truncate towards zero, as in ONNX."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return a / b if a.dtype.kind == "f" else np.trunc(a / b).astype(a.dtype)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        a, b = call.inputs
        quotient = div(dy, b)
        return unbroadcast(quotient, a), unbroadcast(neg(mul(quotient, call.results[0])), b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from binary_samples(cls(), low=0.5)
        yield Sample(cls(), (integers(6, low=-9), integers(6, low=1)))


@op("pow")
class Pow(Binary):
    """a ** b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.power(a, b)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        a, b = call.inputs
        da = mul(dy, mul(b, power(a, sub(b, 1.0))))
        db = mul(dy, mul(call.results[0], log(a)))
        return unbroadcast(da, a), unbroadcast(db, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return binary_samples(cls(), low=0.5)


@op("maximum")
class Maximum(Binary):
    """max(a, b); where they are equal the gradient goes to both halves equally."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return _select_gradients(call, dy)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return binary_samples(cls())


@op("minimum")
class Minimum(Binary):
    """min(a, b); where they are equal the gradient goes to both halves equally."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return _select_gradients(call, dy)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return binary_samples(cls())


def _select_gradients(call: Call, dy: Value) -> Gradients:
    a, b = call.inputs
    zero = as_value(0.0, dy.dtype)
    tie = where(equal(a, b), mul(dy, 0.5), zero)
    picked = greater if isinstance(call.op, Maximum) else less
    da = add(where(picked(a, b), dy, zero), tie)
    db = add(where(picked(b, a), dy, zero), tie)
    return unbroadcast(da, a), unbroadcast(db, b)


@op("mod")
class Mod(Binary):
    """a mod b with the sign of b, as NumPy and Python have it; db = -dy floor(a / b)."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.mod(a, b)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        a, b = call.inputs
        return unbroadcast(dy, a), unbroadcast(neg(mul(dy, Floor()(div(a, b)))), b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (integers(6, low=-9), integers(6, low=1)))
        yield Sample(cls(), (floats(2, 3, low=-9, high=9), floats(3, low=0.7)))
        yield Sample(
            cls(), (np.array([-7.5, 0.0, 6.5, -4.0], "float32"), np.array(-2.0, "float32")), smooth=()
        )


@op("neg")
class Neg(Unary):
    """-x."""

    def evaluate(self, x: Array) -> Array:
        return -x

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (neg(dy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))


@op("abs")
class Abs(Unary):
    """|x|, with gradient sign(x)."""

    def evaluate(self, x: Array) -> Array:
        return np.abs(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, Sign()(call.inputs[0])),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))


@op("sign")
class Sign(Unary):
    """-1, 0 or 1; gradient 0."""

    def evaluate(self, x: Array) -> Array:
        return np.sign(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))


@op("floor")
class Floor(Unary):
    """The largest integer not above x; gradient 0."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.floor(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))


@op("ceil")
class Ceil(Unary):
    """The smallest integer not below x; gradient 0."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.ceil(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))


@op("round")
class Round(Unary):
    """The nearest integer, halves to even; gradient 0."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.rint(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))
        yield Sample(cls(), (np.array([-1.5, -0.5, 0.5, 1.5, 2.5], "float32"),), smooth=())


@op("exp")
class Exp(Unary):
    """e ** x."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.exp(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, call.results[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))


@op("log")
class Log(Unary):
    """The natural logarithm."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.log(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (div(dy, call.inputs[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3, low=0.2),))


@op("sqrt")
class Sqrt(Unary):
    """The square root; dx = dy / (2 y)."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.sqrt(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (div(mul(dy, 0.5), call.results[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3, low=0.2),))


@op("reciprocal")
class Reciprocal(Unary):
    """1 / x."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.reciprocal(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        y = call.results[0]
        return (neg(mul(dy, mul(y, y))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3, low=0.2),))


@op("sin")
class Sin(Unary):
    """sin(x), x in radians."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.sin(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, Cos()(call.inputs[0])),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))


@op("cos")
class Cos(Unary):
    """cos(x), x in radians."""

    float_only = True

    def evaluate(self, x: Array) -> Array:
        return np.cos(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (neg(mul(dy, Sin()(call.inputs[0]))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))


def binary_samples(op: Op, low: float = -2.0) -> Iterable[Sample]:
    """Equal shapes, a broadcast on each side, and a scalar. The operands never meet, so max and min stay smooth."""
    for left, right in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (4, 1, 3)), ((), (3,))):
        yield Sample(op, (floats(*left, low=low), floats(*right, low=low, high=1.7)))


def add(a: Operand, b: Operand) -> Value:
    return Add()(*as_values(a, b))


def sub(a: Operand, b: Operand) -> Value:
    return Sub()(*as_values(a, b))


def mul(a: Operand, b: Operand) -> Value:
    return Mul()(*as_values(a, b))


def div(a: Operand, b: Operand) -> Value:
    return Div()(*as_values(a, b))


def power(a: Operand, b: Operand) -> Value:
    return Pow()(*as_values(a, b))


def maximum(a: Operand, b: Operand) -> Value:
    return Maximum()(*as_values(a, b))


def minimum(a: Operand, b: Operand) -> Value:
    return Minimum()(*as_values(a, b))


def neg(x: Value) -> Value:
    return Neg()(x)


def exp(x: Value) -> Value:
    return Exp()(x)


def log(x: Value) -> Value:
    return Log()(x)


def sqrt(x: Value) -> Value:
    return Sqrt()(x)


def square(x: Value) -> Value:
    return Mul()(x, x)


def clip(x: Value, low: Operand, high: Operand) -> Value:
    """min(max(x, low), high). The gradient is dy inside of the bounds and zero outside."""
    return Clip()(x, as_value(low, x.dtype), as_value(high, x.dtype))


@op("clip")
class Clip(Elementwise):
    """x, low [], high [] -> min(max(x, low), high); gradient dy where low <= x <= high, else 0."""

    def infer(self, x: TensorType, low: TensorType, high: TensorType) -> TensorType:
        return x

    def evaluate(self, x: Array, low: Array, high: Array) -> Array:
        return np.minimum(np.maximum(x, low), high)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        x, low, high = call.inputs
        zero = as_value(0.0, dy.dtype)
        inside = where(greater_equal(x, low), where(less_equal(x, high), dy, zero), zero)
        return inside, None, None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        bounds = (np.float32(-0.7), np.float32(1.1))
        yield Sample(cls(), (floats(2, 5), np.asarray(bounds[0]), np.asarray(bounds[1])), smooth=(0,))
