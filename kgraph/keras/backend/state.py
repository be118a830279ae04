"""Tensors from nothing, variables and their values, placeholders, and questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ArgumentTypeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import Sym, product, symbol
from kgraph.ir.types import TensorType
from kgraph.keras import settings
from kgraph.keras.backend.sizes import as_dims
from kgraph.keras.tensor import Tensor, Variable, as_value, evaluate, fit_update
from kgraph.keras.utils.naming import next_uid
from kgraph.ops import logic
from kgraph.ops import shape as s

Update = tuple[Variable, Tensor]


def variable(
    value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None
) -> Variable:
    """A new variable that starts as `value`: an array, a number, or a tensor that has a value."""
    dense = value.toarray() if hasattr(value, "toarray") else value
    return Variable(np.asarray(dense), dtype or settings.floatx(), name, constraint)


def constant(value: Any, dtype: str | None = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value is known; a single number fills `shape`."""
    array = np.asarray(value, dtype or settings.floatx())
    if shape is not None:
        array = np.broadcast_to(array, shape) if array.size == 1 else array.reshape(shape)
    return Tensor(ir.Constant(np.ascontiguousarray(array).reshape(array.shape)), name)


def placeholder(
    shape: Sequence[int | None] | None = None,
    ndim: int | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """An input of `K.function`. None stands for a size that varies; `ndim` asks for that many of them.

    Raises ArgumentTypeError when neither is given, or `sparse` is.
    """
    if shape is None and ndim is None:
        raise ArgumentTypeError(describe("placeholder", expected="a shape or ndim", got="neither"))
    if sparse:
        raise ArgumentTypeError(describe("placeholder: there are no sparse tensors", expected="sparse=False"))
    name = name or f"placeholder_{next_uid('placeholder')}"
    sizes = shape if shape is not None else (None,) * (ndim or 0)
    dims = [symbol(f"{name}_{axis}") if size is None else size for axis, size in enumerate(sizes)]
    return Tensor(ir.Input(name, TensorType(dtype or settings.floatx(), tuple(dims))), name)


def zeros(shape: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """A variable of zeros; where a size varies, a tensor of zeros."""
    return _filled(shape, 0, dtype, name)


def ones(shape: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """A variable of ones; where a size varies, a tensor of ones."""
    return _filled(shape, 1, dtype, name)


def _filled(shape: Any, value: int, dtype: str | None, name: str | None) -> Tensor:
    dims, dtype = as_dims(shape), dtype or settings.floatx()
    if any(isinstance(dim, Sym) for dim in dims):
        return Tensor(s.full(dims, value, dtype), name)
    return variable(np.full(dims, value), dtype, name)


def eye(size: Any, dtype: str | None = None, name: str | None = None) -> Variable:
    """A variable with ones on the diagonal; `size` is one number or (rows, columns)."""
    rows, columns = size if isinstance(size, tuple | list) else (size, size)
    return variable(np.eye(rows, columns), dtype, name)


def zeros_like(x: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Zeros of the shape of `x`."""
    return _like(x, 0, dtype, name)


def ones_like(x: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Ones of the shape of `x`."""
    return _like(x, 1, dtype, name)


def _like(x: Any, value: int, dtype: str | None, name: str | None) -> Tensor:
    like = as_value(x)
    return Tensor(s.full(like.shape, value, dtype or like.dtype), name)


def identity(x: Any, name: str | None = None) -> Tensor:
    """The same value under a handle of its own."""
    return Tensor(as_value(x), name)


def to_dense(tensor: Any) -> Any:
    """The tensor: all of them are dense."""
    return tensor


def dtype(x: Any) -> str:
    """The dtype by name."""
    return as_value(x).dtype


def cast_to_floatx(x: Any) -> Any:
    """An array, or tensor, of dtype floatx."""
    if isinstance(x, Tensor):
        return Tensor(logic.cast(x.value, settings.floatx()))
    return np.asarray(x, settings.floatx())


def eval(x: Any) -> Any:
    """The value of a tensor that depends on variables and constants alone. Raises GraphError otherwise."""
    return get_value(x)


def get_value(x: Any) -> Any:
    """The current value: an array, or a NumPy number when there are no axes."""
    array = x.numpy() if isinstance(x, Variable) else evaluate(x)
    return array if array.ndim else array[()]


def batch_get_value(ops: Sequence[Any]) -> list[Any]:
    """The values of several variables."""
    return [get_value(op) for op in ops]


def set_value(x: Variable, value: Any) -> None:
    """Replace the value of a variable, at once. Raises ShapeError when the shape differs."""
    x.variable.storage.write(value)


def batch_set_value(tuples: Sequence[tuple[Variable, Any]]) -> None:
    """`set_value` for (variable, value) pairs."""
    for target, value in tuples:
        set_value(target, value)


def count_params(x: Any) -> Any:
    """The number of elements; None when it varies."""
    total = product(as_value(x).shape)
    return total if isinstance(total, int) else None


def update(x: Variable, new_x: Any) -> Update:
    """The update that sets a variable: for `add_update`, an optimizer's `get_updates`, or `K.function`."""
    return x, Tensor(fit_update(x, new_x))


def update_add(x: Variable, increment: Any) -> Update:
    return update(x, x + increment)


def update_sub(x: Variable, decrement: Any) -> Update:
    return update(x, x - decrement)


def moving_average_update(x: Variable, value: Any, momentum: Any) -> Update:
    """The update x * momentum + value * (1 - momentum)."""
    return update(x, x * momentum + Tensor(as_value(value, x.dtype)) * (1.0 - momentum))


def is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def is_variable(x: Any) -> bool:
    return isinstance(x, Variable)


def is_placeholder(x: Any) -> bool:
    """Whether a value must be fed for it."""
    return isinstance(x, Tensor) and isinstance(x.value, ir.Input)


def is_sparse(tensor: Any) -> bool:
    """False: there are no sparse tensors."""
    return False


def is_keras_tensor(x: Any) -> bool:
    """Whether a layer (or `Input`) made the tensor. Raises ArgumentError for what is no tensor."""
    if not isinstance(x, Tensor):
        raise ArgumentError(describe("is_keras_tensor", expected="a symbolic tensor", got=type(x).__name__))
    return x._keras_history is not None


def get_uid(prefix: str = "") -> int:
    """The next number for a prefix: 1, 2, …"""
    return next_uid(prefix)
