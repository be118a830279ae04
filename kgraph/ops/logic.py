"""Comparisons, Boolean algebra, selection and casts. Only `where` and `cast` have gradients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.graph import Call, Constant, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import FLOATS, Array, TensorType, broadcast_shapes
from kgraph.ops.base import Binary, Comparison, Elementwise, Operand, Unary, as_values, same_dtype
from kgraph.ops.broadcast import unbroadcast
from kgraph.ops.samples import bools, floats, integers


def _comparison_samples(op: Op) -> Iterable[Sample]:
    yield Sample(op, (integers(3, 4, high=3), integers(4, high=3)))
    yield Sample(op, (floats(2, 3), floats(2, 1)))


@op("equal")
class Equal(Comparison):
    """a == b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.equal(a, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return _comparison_samples(cls())


@op("less")
class Less(Comparison):
    """a < b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.less(a, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return _comparison_samples(cls())


@op("less_equal")
class LessEqual(Comparison):
    """a <= b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.less_equal(a, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return _comparison_samples(cls())


@op("greater")
class Greater(Comparison):
    """a > b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.greater(a, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return _comparison_samples(cls())


@op("greater_equal")
class GreaterEqual(Comparison):
    """a >= b."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.greater_equal(a, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return _comparison_samples(cls())


class _BoolBinary(Binary):
    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        _expect_bool(a)
        _expect_bool(b)
        return super().infer(a, b)


@op("and")
class And(_BoolBinary):
    """a and b, bool."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.logical_and(a, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (bools(2, 3), bools(3)))


@op("or")
class Or(_BoolBinary):
    """a or b, bool."""

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.logical_or(a, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (bools(2, 3), bools(3)))


@op("not")
class Not(Unary):
    """not x, bool."""

    def infer(self, x: TensorType) -> TensorType:
        _expect_bool(x)
        return x

    def evaluate(self, x: Array) -> Array:
        return np.logical_not(x)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (bools(2, 3),))


@op("where")
class Where(Elementwise):
    """condition bool, a, b -> a where the condition holds, else b; all three broadcast."""

    def infer(self, condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
        _expect_bool(condition)
        return TensorType(same_dtype(a, b), broadcast_shapes(condition.shape, a.shape, b.shape))

    def evaluate(self, condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition, a, b)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        condition, a, b = call.inputs
        zero = Constant(np.zeros((), dy.dtype))
        return None, unbroadcast(where(condition, dy, zero), a), unbroadcast(where(condition, zero, dy), b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (bools(2, 3), floats(2, 3), floats(3)))
        yield Sample(cls(), (bools(2, 1), floats(2, 3), floats()))
        yield Sample(cls(), (bools(2, 1), bools(2, 3), bools(3)))


@op("cast")
class Cast(Elementwise):
    """x -> x as `dtype`; floats truncate towards zero, anything non-zero is True. Differentiable between floats."""

    dtype: str = "float32"

    def infer(self, x: TensorType) -> TensorType:
        return x.with_dtype(self.dtype)

    def evaluate(self, x: Array) -> Array:
        return x.astype(self.dtype)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        return (cast(dy, x.dtype) if x.dtype in FLOATS and self.dtype in FLOATS else None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("int32"), (floats(2, 3),), smooth=())
        yield Sample(cls("float32"), (bools(2, 3),))
        yield Sample(cls("float32"), (integers(2, 3, low=-5),))
        yield Sample(cls("bool"), (integers(2, 3, high=2),))


@op("is_nan")
class IsNan(Elementwise):
    """True where x is not a number."""

    def infer(self, x: TensorType) -> TensorType:
        return x.with_dtype("bool")

    def evaluate(self, x: Array) -> Array:
        return np.isnan(x)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (np.array([0.0, np.nan, np.inf, -np.inf], "float32"),), smooth=())


def _expect_bool(type: TensorType) -> None:
    if type.dtype != "bool":
        raise ShapeError(describe("a bool operand is needed", expected="bool", got=type))


def equal(a: Operand, b: Operand) -> Value:
    return Equal()(*as_values(a, b))


def less(a: Operand, b: Operand) -> Value:
    return Less()(*as_values(a, b))


def less_equal(a: Operand, b: Operand) -> Value:
    return LessEqual()(*as_values(a, b))


def greater(a: Operand, b: Operand) -> Value:
    return Greater()(*as_values(a, b))


def greater_equal(a: Operand, b: Operand) -> Value:
    return GreaterEqual()(*as_values(a, b))


def where(condition: Value, a: Operand, b: Operand) -> Value:
    return Where()(condition, *as_values(a, b))


def cast(x: Value, dtype: str) -> Value:
    """`x` as `dtype`; the same value when it is that already."""
    return x if x.dtype == dtype else Cast(dtype)(x)
