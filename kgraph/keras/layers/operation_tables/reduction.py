"""Operations of keras.ops.numpy along axes: reductions and searches."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from kgraph.ir.types import FLOATS, UNSIGNED
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import (
    Function,
    as_flags,
    as_float,
    as_number,
    as_tensor,
    axes_of,
    cast,
)
from kgraph.keras.tensor import Tensor


def _reduction(operation: Function, prepare: Function = as_tensor) -> Function:
    def apply(x: Any, axis: Any = None, keepdims: bool = False, initial: None = None) -> Any:
        found = prepare(x)
        return operation(found, axis=None if axis is None else axes_of(axis, found.ndim), keepdims=keepdims)

    return apply


def _prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: str | None = None) -> Tensor:
    operand = _sum_operand(x) if dtype is None else K.cast(as_tensor(x), dtype)
    return _reduction(K.prod)(operand, axis, keepdims)


def _sum_operand(x: Any) -> Tensor:
    """Small integers are summed as 32 bits."""
    found = as_number(x)
    small = found.dtype not in FLOATS and np.dtype(found.dtype).itemsize < 4
    return cast(found, "uint32" if found.dtype in UNSIGNED else "int32") if small else found


def _extremum(find: Function) -> Function:
    def apply(x: Any, axis: Any, keepdims: bool) -> Tensor:
        made = find(as_number(x), axis, keepdims)
        return K.cast(made, "bool") if x.dtype == "bool" else made

    return _reduction(apply)


def _arg(find: Function) -> Function:
    def apply(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
        found = as_number(x)
        rank = found.ndim
        if axis is None:
            found = K.reshape(found, (-1,))
        made = K.cast(find(found, 0 if axis is None else axis), "int32")
        if not keepdims:
            return made
        return K.reshape(made, (1,) * rank) if axis is None else K.expand_dims(made, axis)

    return apply


def _cumulative(operation: Function) -> Function:
    """What is summed up or multiplied along an axis, or over all elements in one axis; small integers as 32 bits."""

    def apply(x: Any, axis: int | None = None, dtype: str | None = None) -> Tensor:
        found = as_number(x) if dtype is None else cast(as_tensor(x), dtype)
        wide = _sum_operand(found)
        made = operation(K.reshape(wide, (-1,)) if axis is None else wide, axis or 0)
        return cast(made, found.dtype)

    return apply


def _count_nonzero(x: Any, axis: Any = None) -> Tensor:
    return _reduction(K.sum, as_flags)(x, axis)


REDUCTION: Mapping[str, Function] = MappingProxyType(
    {
        "All": _reduction(K.all),
        "Amax": _extremum(K.max),
        "Amin": _extremum(K.min),
        "Any": _reduction(K.any),
        "Argmax": _arg(K.argmax),
        "Argmin": _arg(K.argmin),
        "CountNonzero": _count_nonzero,
        "Cumprod": _cumulative(K.cumprod),
        "Cumsum": _cumulative(K.cumsum),
        "Max": _extremum(K.max),
        "Mean": _reduction(K.mean, as_float),
        "Min": _extremum(K.min),
        "Prod": _prod,
        "Std": _reduction(K.std, as_float),
        "Sum": _reduction(K.sum, _sum_operand),
        "Var": _reduction(K.var, as_float),
    }
)
