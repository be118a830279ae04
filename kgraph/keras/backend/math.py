"""Arithmetic, comparison, reduction and matrix products of K.

Where a function takes a tensor it takes an array or a number as well.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import product
from kgraph.ir.types import FLOATS, normalize_axis
from kgraph.keras import settings
from kgraph.keras.tensor import Tensor, as_value, binary, is_tensor
from kgraph.ops import elementwise as e
from kgraph.ops import logic, reduce
from kgraph.ops.broadcast import ReduceSum, reshape
from kgraph.ops.linalg import matmul
from kgraph.ops.shape import Pad, expand_dims, transpose

Axes = int | Sequence[int] | None


def as_float(x: Any) -> ir.Value:
    """The value of `x`, cast to floatx unless it is a floating-point one already."""
    value = as_value(x)
    return value if value.dtype in FLOATS else logic.cast(value, settings.floatx())


def _without_bool(x: Any) -> ir.Value:
    value = as_value(x)
    return logic.cast(value, "int32") if value.dtype == "bool" else value


def cast(x: Any, dtype: str) -> Tensor:
    """`x` as another dtype; floats are truncated to integers."""
    return Tensor(logic.cast(as_value(x), np.dtype(dtype).name))


def abs(x: Any) -> Tensor:
    return Tensor(e.Abs()(as_value(x)))


def exp(x: Any) -> Tensor:
    return Tensor(e.exp(as_float(x)))


def log(x: Any) -> Tensor:
    return Tensor(e.log(as_float(x)))


def sqrt(x: Any) -> Tensor:
    """The square root of max(x, 0). At zero the gradient is zero, so that distances can be differentiated."""
    value = as_float(x)
    return Tensor(e.sqrt(logic.where(logic.greater(value, 0.0), value, 0.0)))


def square(x: Any) -> Tensor:
    return Tensor(e.square(as_value(x)))


def pow(x: Any, a: Any) -> Tensor:
    """x ** a; `a` takes the dtype of `x`."""
    return binary(e.Pow(), x if is_tensor(x) else Tensor(as_float(x)), a)


def sin(x: Any) -> Tensor:
    return Tensor(e.Sin()(as_float(x)))


def cos(x: Any) -> Tensor:
    return Tensor(e.Cos()(as_float(x)))


def sign(x: Any) -> Tensor:
    return Tensor(e.Sign()(as_value(x)))


def round(x: Any) -> Tensor:
    """The nearest integer, halves to even."""
    return Tensor(e.Round()(as_float(x)))


def floor(x: Any) -> Tensor:
    return Tensor(e.Floor()(as_float(x)))


def clip(x: Any, min_value: Any, max_value: Any) -> Tensor:
    """min(max(x, min_value), max_value); a bound may be None, a number or a tensor. The lower bound wins."""
    value = as_value(x)
    low, high = (None if b is None else as_value(b, value.dtype) for b in (min_value, max_value))
    constants = [b for b in (low, high) if b is not None]
    if builtins.all(isinstance(b, ir.Constant) and b.rank == 0 for b in constants) and value.dtype in FLOATS:
        lowest = -np.inf if low is None else float(low.array)
        highest = np.inf if high is None else builtins.max(float(high.array), lowest)
        return Tensor(e.clip(value, lowest, highest))
    if high is not None:
        value = e.minimum(value, logic.cast(high, value.dtype))
    if low is not None:
        value = e.maximum(value, logic.cast(low, value.dtype))
    return Tensor(value)


def maximum(x: Any, y: Any) -> Tensor:
    return binary(e.Maximum(), x, y)


def minimum(x: Any, y: Any) -> Tensor:
    return binary(e.Minimum(), x, y)


def equal(x: Any, y: Any) -> Tensor:
    return binary(logic.Equal(), x, y)


def not_equal(x: Any, y: Any) -> Tensor:
    return Tensor(logic.Not()(equal(x, y).value))


def greater(x: Any, y: Any) -> Tensor:
    return binary(logic.Greater(), x, y)


def greater_equal(x: Any, y: Any) -> Tensor:
    return binary(logic.GreaterEqual(), x, y)


def less(x: Any, y: Any) -> Tensor:
    return binary(logic.Less(), x, y)


def less_equal(x: Any, y: Any) -> Tensor:
    return binary(logic.LessEqual(), x, y)


def sum(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (all axes by default); of Booleans the int32 count of True."""
    return Tensor(reduce.reduce_sum(_without_bool(x), axis, keepdims))


def mean(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis`; integers and Booleans are taken as floatx."""
    return Tensor(reduce.reduce_mean(as_float(x), axis, keepdims))


def prod(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    return Tensor(reduce.reduce_prod(_without_bool(x), axis, keepdims))


def max(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    return Tensor(reduce.reduce_max(as_value(x), axis, keepdims))


def min(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    return Tensor(reduce.reduce_min(as_value(x), axis, keepdims))


def var(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The mean of (x - mean(x))^2 over `axis`."""
    value = Tensor(as_float(x))
    return mean(square(value - mean(value, axis, True)), axis, keepdims)


def std(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    return sqrt(var(x, axis, keepdims))


def any(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether some element over `axis` is non-zero, bool."""
    return _truth(reduce.reduce_max, x, axis, keepdims)


def all(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether each element over `axis` is non-zero, bool."""
    return _truth(reduce.reduce_min, x, axis, keepdims)


def _truth(reduction: Callable[..., ir.Value], x: Any, axis: Axes, keepdims: bool) -> Tensor:
    flags = logic.cast(logic.cast(as_value(x), "bool"), "int32")
    return Tensor(logic.cast(reduction(flags, axis, keepdims), "bool"))


def argmax(x: Any, axis: int = -1) -> Tensor:
    """The int64 position of the first maximum along `axis`."""
    return Tensor(reduce.ArgMax(axis)(as_value(x)))


def argmin(x: Any, axis: int = -1) -> Tensor:
    """The int64 position of the first minimum along `axis`."""
    return Tensor(reduce.ArgMin(axis)(as_value(x)))


def logsumexp(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis`, computed so that it does not overflow."""
    return Tensor(reduce.log_sum_exp(as_float(x), axis, keepdims))


def cumsum(x: Any, axis: int = 0) -> Tensor:
    return Tensor(reduce.CumSum(axis)(as_value(x)))


def cumprod(x: Any, axis: int = 0) -> Tensor:
    """x[0] * ... * x[i] along `axis`, whose size must be static.

    Hillis and Steele, "Data parallel algorithms", 1986: after step j each element is the product of the 2^j last ones.
    """
    value = as_value(x)
    axis = normalize_axis(axis, value.rank)
    size = value.shape[axis]
    if not isinstance(size, int):
        raise ShapeError(describe("cumprod needs a static axis", expected="an integer size", got=value.type))
    made, reach = Tensor(value), 1
    while reach < size:
        head: list[Any] = [slice(None)] * value.rank
        head[axis] = slice(0, size - reach)
        before = [(0, 0)] * value.rank
        before[axis] = (reach, 0)
        made = made * Tensor(Pad(tuple(before), 1.0)(made[tuple(head)].value))
        reach *= 2
    return made


def dot(x: Any, y: Any) -> Tensor:
    """The product over the last axis of `x` and the last but one of `y` (the only one when it has rank 1).

    x [*A, k] · y [*B, k, m] -> [*A, *B, m].
    """
    a, b = as_value(x), as_value(y)
    if a.rank == 0 or b.rank == 0:
        raise ShapeError(describe("dot: vectors or matrices are needed", got=f"{a.type} and {b.type}"))
    rows, inner = a.shape[:-1], a.shape[-1]
    if b.rank > 2:
        b = transpose(b, (b.rank - 2, *range(b.rank - 2), b.rank - 1))
    columns = b.shape[1:] if b.rank != 1 else ()
    # One matrix product over all rows: its gradient is one too, where a batched one would need a sum.
    left = a if a.rank == 2 else reshape(a, (product(rows), inner))
    right = b if b.rank == 2 else reshape(b, (b.shape[0], product(columns)))
    return Tensor(reshape(matmul(left, right), (*rows, *columns)))


def batch_dot(x: Any, y: Any, axes: int | Sequence[int] | None = None) -> Tensor:
    """The product of each sample of `x` with the same sample of `y`, over one axis of either.

    x [b, *A, k, *B], y [b, *C, k, *D], axes = the positions of k -> [b, *A, *B, *C, *D], or [b, 1] where nothing is
    left. Without `axes` they are the last axis of `x` and the last but one of `y` (the last when it has rank 2).
    Raises ShapeError when an operand has no axis beside the batch, or the sizes differ.
    """
    a, b = as_value(x), as_value(y)
    if a.rank < 2 or b.rank < 2:
        raise ShapeError(describe("batch_dot", expected="rank 2 or more", got=f"{a.type} and {b.type}"))
    if axes is None:
        axes = (a.rank - 1, b.rank - 1 if b.rank == 2 else b.rank - 2)
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    i, j = (
        normalize_axis(pair[0], a.rank, "batch_dot axis"),
        normalize_axis(pair[1], b.rank, "batch_dot axis"),
    )
    sizes = (a.shape[i], b.shape[j])
    if 0 in (i, j) or (builtins.all(isinstance(size, int) for size in sizes) and sizes[0] != sizes[1]):
        raise ShapeError(
            describe(
                "batch_dot: the axes do not match",
                expected="equal sizes, not on the batch axis",
                got=f"axes {pair} of {a.type} and {b.type}",
            )
        )
    left, right = a.shape[1:i] + a.shape[i + 1 :], b.shape[1:j] + b.shape[j + 1 :]
    if a.rank == b.rank == 2:
        return Tensor(ReduceSum((1,), True)(e.mul(a, b)))
    a, flip_a = _as_matrices(a, i, contract_last=True)
    b, flip_b = _as_matrices(b, j, contract_last=False)
    return Tensor(reshape(matmul(a, b, flip_a, flip_b), (a.shape[0], *left, *right)))


def _as_matrices(x: ir.Value, axis: int, contract_last: bool) -> tuple[ir.Value, bool]:
    """x [b, ..] as [b, m, k] or [b, k, m] with k from `axis`, and whether the matmul is to transpose it."""
    if x.rank == 2:
        return expand_dims(x, 1 if contract_last else 2), False
    if axis not in (1, x.rank - 1):
        x = transpose(x, (*(a for a in range(x.rank) if a != axis), axis))
        axis = x.rank - 1
    if axis == x.rank - 1:
        return reshape(x, (x.shape[0], product(x.shape[1:-1]), x.shape[-1])), not contract_last
    return reshape(x, (x.shape[0], x.shape[1], product(x.shape[2:]))), contract_last


def l2_normalize(x: Any, axis: Axes = None) -> Tensor:
    """x / sqrt(max(sum(x^2), 1e-12)), the sum over `axis`."""
    value = as_float(x)
    norm = e.sqrt(e.maximum(reduce.reduce_sum(e.square(value), axis, True), 1e-12))
    return Tensor(e.div(value, norm))
