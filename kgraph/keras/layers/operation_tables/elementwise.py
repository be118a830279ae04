"""Operations of keras.ops.numpy that compute element by element."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kgraph.ir.types import FLOATS
from kgraph.keras import activations, settings
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import (
    Function,
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


ELEMENTWISE: Mapping[str, Function] = MappingProxyType(
    {
        "Absolute": lambda x: x if x.dtype == "bool" else K.abs(x),
        "Add": _through_numbers(e.Add()),
        "Clip": _clip,
        "Cos": pointwise(e.Cos()),
        "Divide": _divide,
        "Equal": _compared(logic.Equal()),
        "Exp": pointwise(e.exp),
        "Floor": pointwise(e.Floor()),
        "Greater": _compared(logic.Greater()),
        "GreaterEqual": _compared(logic.GreaterEqual()),
        "Less": _compared(logic.Less()),
        "LessEqual": _compared(logic.LessEqual()),
        "Log": pointwise(e.log),
        "LogicalAnd": _truth(logic.And()),
        "LogicalNot": pointwise(logic.Not(), as_flags),
        "LogicalOr": _truth(logic.Or()),
        "Maximum": _through_numbers(e.Maximum()),
        "Minimum": _through_numbers(e.Minimum()),
        "Multiply": _through_numbers(e.Mul()),
        "Negative": pointwise(e.neg, as_tensor),
        "NotEqual": _compared(lambda x, y: logic.Not()(logic.equal(x, y))),
        "Power": _through_numbers(e.Pow()),
        "Round": _round,
        "Sign": pointwise(e.Sign(), as_number),
        "Sin": pointwise(e.Sin()),
        "Sqrt": pointwise(e.sqrt),
        "Square": pointwise(e.square, as_number),
        "Subtract": _through_numbers(e.Sub()),
        "Tanh": lambda x: activations.tanh(as_float(x)),
        "TrueDivide": _divide,
        "Where": _where,
    }
)
