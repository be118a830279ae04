"""What operations make of their operands: tensors of one dtype, by the rules of Keras.

A Python number takes the dtype of the tensors that it meets, except that it makes int32 of Booleans, and a fraction
makes floatx of integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.ir import graph as ir
from kgraph.ir.types import FLOATS, normalize_axis
from kgraph.keras import backend as K
from kgraph.keras import settings
from kgraph.keras.tensor import Tensor, promote

Function = Callable[..., Any]
Numbers = bool | int | float


def common(*operands: Any) -> list[Tensor]:
    """Operands as tensors of one dtype."""
    numbers = [x for x in operands if isinstance(x, Numbers)]
    tensors = [as_tensor(x) for x in operands if not isinstance(x, Numbers)]
    dtype = _promoted([t.dtype for t in tensors] or ["bool"])
    if any(isinstance(x, float) for x in numbers) and dtype not in FLOATS:
        dtype = settings.floatx()
    if any(not isinstance(x, bool) for x in numbers) and dtype == "bool":
        dtype = "int32"
    rest = iter(tensors)
    return [
        Tensor(ir.Constant(np.asarray(x, dtype))) if isinstance(x, Numbers) else cast(next(rest), dtype)
        for x in operands
    ]


def as_tensor(x: Any) -> Tensor:
    """Anything but a number as a tensor; lists of integers are int32."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, list | tuple) and any(isinstance(item, Tensor) for item in x):
        return K.stack(common(*x))
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise ArgumentError(describe("an operand of an operation", expected="a tensor or numbers", got=x))
    if array.dtype.kind == "f":
        array = array.astype(settings.floatx())
    elif array.dtype == np.int64 and not isinstance(x, np.ndarray):
        array = array.astype(np.int32)
    return Tensor(ir.Constant(array))


def _promoted(dtypes: Sequence[str]) -> str:
    first, *rest = (ir.Constant(np.zeros((), dtype)) for dtype in dtypes)
    value: ir.Value = first
    for other in rest:
        value = promote(Tensor(value), Tensor(other))[0]
    return value.dtype


def cast(x: Tensor, dtype: str) -> Tensor:
    """A tensor as another dtype; the same one where it is that already."""
    return x if x.dtype == dtype else K.cast(x, dtype)


def as_float(x: Any) -> Tensor:
    """A tensor of floating-point numbers: floatx where it is of others."""
    found = as_tensor(x)
    return found if found.dtype in FLOATS else cast(found, settings.floatx())


def as_number(x: Any) -> Tensor:
    """A tensor that can be computed with: Booleans as int32."""
    found = as_tensor(x)
    return cast(found, "int32") if found.dtype == "bool" else found


def as_flags(x: Any) -> Tensor:
    """A tensor of Booleans."""
    return cast(common(x)[0], "bool")


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """One axis or several, counted from the front."""
    return tuple(normalize_axis(a, rank) for a in ([axis] if isinstance(axis, int) else axis))
