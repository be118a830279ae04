"""What the op families share: coercion of Python numbers, and type rules that recur."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from kgraph.errors import ArgumentTypeError, ShapeError, describe
from kgraph.ir.graph import Constant, Value
from kgraph.ir.op import Op
from kgraph.ir.types import TensorType, broadcast_shapes

Scalar = bool | int | float
Operand = Value | Scalar


def as_value(operand: Operand, dtype: str) -> Value:
    """A value as it is; a Python or NumPy scalar as a constant of `dtype`."""
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, bool | int | float | np.generic):
        return Constant(np.asarray(operand, dtype=dtype))
    raise ArgumentTypeError(
        describe("not an operand", expected="a Value or a number", got=type(operand).__name__)
    )


def as_values(a: Operand, b: Operand) -> tuple[Value, Value]:
    """Two operands; a bare number takes the dtype of the other one. At least one must be a Value."""
    if isinstance(a, Value):
        return a, as_value(b, a.dtype)
    if isinstance(b, Value):
        return as_value(a, b.dtype), b
    raise ArgumentTypeError(describe("no operand is a Value", got=f"{a!r} and {b!r}"))


def expect_float(type: TensorType) -> None:
    """Raise ShapeError unless the dtype is a floating-point one."""
    if not type.is_float:
        raise ShapeError(describe("a floating-point operand is needed", expected="float32", got=type))


def same_dtype(*types: TensorType) -> str:
    """The dtype that all operands share. Raises ShapeError when they differ."""
    first = types[0].dtype
    if any(type.dtype != first for type in types):
        raise ShapeError(describe("dtypes differ", expected=f"all {first}", got=", ".join(map(str, types))))
    return first


class Elementwise(Op):
    """An op whose result at an index depends on nothing but its operands at that index, after broadcasting.

    So it commutes with whatever moves or repeats elements, which passes use.
    """


class Unary(Elementwise):
    """x [*S] -> y [*S], same dtype, element by element; `float_only` refuses other dtypes."""

    float_only: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        if self.float_only:
            expect_float(x)
        return x


class Binary(Elementwise):
    """a, b -> broadcast, same dtype."""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return TensorType(same_dtype(a, b), broadcast_shapes(a.shape, b.shape))


class Comparison(Elementwise):
    """a, b -> broadcast bool."""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        same_dtype(a, b)
        return TensorType("bool", broadcast_shapes(a.shape, b.shape))
