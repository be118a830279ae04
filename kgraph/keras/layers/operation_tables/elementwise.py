"""Operations of keras.ops.numpy that compute element by element."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.ir import graph as ir
from kgraph.ir.types import FLOATS
from kgraph.keras import activations, settings
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import (
    Function,
    Numbers,
    as_flags,
    as_float,
    as_number,
    as_tensor,
    cast,
    common,
)
from kgraph.keras.tensor import Tensor
from kgraph.ops import elementwise as e
from kgraph.ops import logic
from kgraph.ops import shape as s
from kgraph.ops.activations import tanh
from kgraph.ops.transcendental import Arctan, Expm1, Log1p


def _through_numbers(op: Any) -> Function:
    """An op of two operands of one dtype. Booleans stay Booleans, as the numbers 0 and 1."""

    def apply(x1: Any, x2: Any) -> Tensor:
        left, right = common(x1, x2)
        made = Tensor(op(as_number(left).value, as_number(right).value))
        return K.cast(made, "bool") if left.dtype == "bool" else made

    return apply


def _compared(op: Any) -> Function:
    return lambda x, y: Tensor(op(*(as_number(t).value for t in common(x, y))))


def pointwise(op: Any, prepare: Function = as_float) -> Function:
    """A function of one operand, by default of floating-point numbers."""
    return lambda x: Tensor(op(prepare(x).value))


def _divide(x: Any, y: Any) -> Tensor:
    left, right = (as_float(t) for t in common(x, y))
    return Tensor(e.div(left.value, right.value))


def _truth(op: Any) -> Function:
    return lambda x, y: Tensor(op(as_flags(x).value, as_flags(y).value))


def _where(condition: Any, x1: Any, x2: Any) -> Tensor:
    left, right = common(x1, x2)
    return Tensor(logic.where(as_flags(condition).value, left.value, right.value))


def _clip(x: Any, x_min: Any, x_max: Any) -> Tensor:
    return K.clip(as_number(x), x_min, x_max)


def _round(x: Any, decimals: int = 0) -> Tensor:
    found = as_tensor(x)
    if found.dtype not in FLOATS:
        found = cast(found, settings.floatx()) if found.dtype == "bool" else found
        if decimals >= 0:
            return found
    scale = 10.0**decimals
    return K.round(found * scale) / scale if decimals else K.round(found)


def _xor(x1: Any, x2: Any) -> Tensor:
    return Tensor(logic.Not()(logic.equal(*(as_number(as_flags(x)).value for x in (x1, x2)))))


def _nonzero(y: ir.Value) -> ir.Value:
    """Integers without zero, by which nothing can be divided: 1 in its place."""
    return logic.where(logic.equal(y, 0), 1, y)


def _mod(x1: Any, x2: Any) -> Tensor:
    """The remainder, with the sign of `x2`; that of integers by 0 is 0."""
    left, right = (as_number(x).value for x in common(x1, x2))
    return Tensor(e.Mod()(left, right if right.dtype in FLOATS else _nonzero(right)))


def _floor_divide(x1: Any, x2: Any) -> Tensor:
    """The largest integer not above the quotient, which is not what a rounded quotient gives; integers by 0 give 0."""
    operands = common(x1, x2)
    left, right = (as_number(x).value for x in operands)
    if right.dtype in FLOATS:
        whole = e.Round()(e.div(e.sub(left, e.Mod()(left, right)), right))
        return Tensor(logic.where(logic.equal(right, 0.0), e.div(left, right), whole))
    divisor = _nonzero(right)
    made = e.div(e.sub(left, e.Mod()(left, divisor)), divisor)
    return cast(Tensor(logic.where(logic.equal(right, 0), 0, made)), operands[0].dtype)


def _full_like(x: Any, fill_value: Any, dtype: str | None = None) -> Tensor:
    found = as_tensor(x)
    if not isinstance(fill_value, Numbers):
        raise ArgumentError(describe("what to fill a tensor with", expected="a number", got=fill_value))
    return Tensor(s.full(found.dims, fill_value, dtype or found.dtype))


def _cosh(x: ir.Value) -> ir.Value:
    return e.mul(e.add(e.exp(x), e.exp(e.neg(x))), 0.5)


def _sinh(x: ir.Value) -> ir.Value:
    """tanh(x) cosh(x), which loses nothing near zero."""
    return e.mul(tanh(x), _cosh(x))


def _in_base(base: float) -> Function:
    return pointwise(lambda x: e.mul(e.log(x), 1 / math.log(base)))


def _is(finds: Function) -> Function:
    """A question about floating-point numbers; other numbers are finite."""
    return lambda x: Tensor(finds(as_float(x).value))


ELEMENTWISE: Mapping[str, Function] = MappingProxyType(
    {
        "Absolute": lambda x: x if x.dtype == "bool" else K.abs(x),
        "Add": _through_numbers(e.Add()),
        "Arctan": pointwise(Arctan()),
        "Ceil": pointwise(e.Ceil()),
        "Clip": _clip,
        "Cos": pointwise(e.Cos()),
        "Cosh": pointwise(_cosh),
        "Divide": _divide,
        "Equal": _compared(logic.Equal()),
        "Exp": pointwise(e.exp),
        "Expm1": pointwise(Expm1()),
        "Floor": pointwise(e.Floor()),
        "FloorDivide": _floor_divide,
        "FullLike": _full_like,
        "Greater": _compared(logic.Greater()),
        "GreaterEqual": _compared(logic.GreaterEqual()),
        "Isfinite": _is(lambda x: logic.less(e.Abs()(x), math.inf)),
        "Isinf": _is(lambda x: logic.equal(e.Abs()(x), math.inf)),
        "Isnan": _is(logic.IsNan()),
        "Less": _compared(logic.Less()),
        "LessEqual": _compared(logic.LessEqual()),
        "Log": pointwise(e.log),
        "Log10": _in_base(10),
        "Log1p": pointwise(Log1p()),
        "Log2": _in_base(2),
        "LogicalAnd": _truth(logic.And()),
        "LogicalNot": pointwise(logic.Not(), as_flags),
        "LogicalOr": _truth(logic.Or()),
        "LogicalXor": _xor,
        "Maximum": _through_numbers(e.Maximum()),
        "Minimum": _through_numbers(e.Minimum()),
        "Mod": _mod,
        "Multiply": _through_numbers(e.Mul()),
        "Negative": pointwise(e.neg, as_tensor),
        "NotEqual": _compared(lambda x, y: logic.Not()(logic.equal(x, y))),
        "OnesLike": lambda x, dtype=None: _full_like(x, 1, dtype),
        "Power": _through_numbers(e.Pow()),
        "Reciprocal": pointwise(e.Reciprocal()),
        "Round": _round,
        "Sign": pointwise(e.Sign(), as_number),
        "Sin": pointwise(e.Sin()),
        "Sinh": pointwise(_sinh),
        "Sqrt": pointwise(e.sqrt),
        "Square": pointwise(e.square, as_number),
        "Subtract": _through_numbers(e.Sub()),
        "Tan": pointwise(lambda x: e.div(e.Sin()(x), e.Cos()(x))),
        "Tanh": lambda x: activations.tanh(as_float(x)),
        "TrueDivide": _divide,
        "Where": _where,
        "ZerosLike": lambda x, dtype=None: _full_like(x, 0, dtype),
    }
)
