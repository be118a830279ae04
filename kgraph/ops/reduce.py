"""Reductions, searches along an axis, and running sums. (`ReduceSum` lives with broadcasting, its transpose.)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Dim, as_ints, product
from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType, normalize_axis
from kgraph.ops.base import expect_float
from kgraph.ops.broadcast import ReduceSum, Reduction, broadcast_to, reshape
from kgraph.ops.elementwise import add, div, exp, log, mul, sub
from kgraph.ops.logic import cast, equal
from kgraph.ops.samples import floats
from kgraph.ops.shape import DimValue, Reverse


@op("reduce_mean")
class ReduceMean(Reduction):
    """The mean over `axes`; NaN over no elements."""

    def infer(self, x: TensorType) -> TensorType:
        expect_float(x)
        return super().infer(x)

    def evaluate(self, x: Array) -> Array:
        return np.mean(x, self.axes, keepdims=self.keepdims, dtype=x.dtype)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        count = product([x.shape[axis] for axis in self.axes])
        scaled = mul(dy, 1.0 / count) if isinstance(count, int) else div(dy, DimValue(count, dy.dtype)())
        return (broadcast_to(self.expand(scaled, x), x.shape),)


class _Extremum(Reduction):
    """Maximum or minimum; elements that tie share the gradient equally."""

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        winners = cast(equal(x, self.expand(call.results[0], x)), dy.dtype)
        shares = ReduceSum(self.axes, True)(winners)
        return (mul(winners, div(self.expand(dy, x), shares)),)


@op("reduce_max")
class ReduceMax(_Extremum):
    """The maximum over `axes`."""

    def evaluate(self, x: Array) -> Array:
        return np.max(x, self.axes, keepdims=self.keepdims)


@op("reduce_min")
class ReduceMin(_Extremum):
    """The minimum over `axes`."""

    def evaluate(self, x: Array) -> Array:
        return np.min(x, self.axes, keepdims=self.keepdims)


@op("reduce_prod")
class ReduceProd(Reduction):
    """The product over `axes`; the gradient y / x is not defined where an element is zero."""

    def evaluate(self, x: Array) -> Array:
        return np.prod(x, self.axes, keepdims=self.keepdims, dtype=x.dtype)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        return (div(self.expand(mul(dy, call.results[0]), x), x),)


@dataclass(frozen=True, repr=False)
class _ArgExtremum(Op):
    axis: int = -1

    def infer(self, x: TensorType) -> TensorType:
        axis = normalize_axis(self.axis, x.rank, f"{self.name} axis")
        return TensorType("int64", x.shape[:axis] + x.shape[axis + 1 :])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for axis in (0, -1):
            yield Sample(cls(axis), (floats(3, 4),))
        yield Sample(cls(1), (np.array([[1, 3, 3], [0, 0, -1]], "float32"),))


@op("arg_max")
class ArgMax(_ArgExtremum):
    """x -> int64 position of the first maximum along `axis`, which disappears. No gradient."""

    def evaluate(self, x: Array) -> Array:
        return np.argmax(x, self.axis)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (None,)


@op("arg_min")
class ArgMin(_ArgExtremum):
    """x -> int64 position of the first minimum along `axis`, which disappears. No gradient."""

    def evaluate(self, x: Array) -> Array:
        return np.argmin(x, self.axis)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (None,)


@op("cum_sum")
class CumSum(Op):
    """y[i] = x[0] + ... + x[i] along `axis`."""

    axis: int = 0

    def infer(self, x: TensorType) -> TensorType:
        normalize_axis(self.axis, x.rank, "cum_sum axis")
        return x

    def evaluate(self, x: Array) -> Array:
        return np.cumsum(x, self.axis, dtype=x.dtype)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        flip = Reverse((self.axis,))
        return (flip(CumSum(self.axis)(flip(dy))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0), (floats(3, 2),))
        yield Sample(cls(-1), (floats(3, 4),))


@op("top_k")
class TopK(Op):
    """x -> the k largest elements along the last axis, sorted, and their int64 positions; the earlier wins a tie."""

    k: Dim = 1

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        size = x.shape[-1] if x.rank else 0
        if isinstance(size, int) and isinstance(self.k, int) and size < self.k:
            raise ShapeError(describe("too few elements for top_k", expected=f"at least {self.k}", got=x))
        shape = (*x.shape[:-1], self.k)
        return x.with_shape(shape), TensorType("int64", shape)

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        (k,) = as_ints((self.k,))
        order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
        return np.take_along_axis(x, order, -1), order

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(2), (floats(3, 5),), smooth=())


def reduce_sum(x: Value, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
    return ReduceSum(_axes(x, axes), keepdims)(x)


def reduce_mean(x: Value, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
    return ReduceMean(_axes(x, axes), keepdims)(x)


def reduce_max(x: Value, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
    return ReduceMax(_axes(x, axes), keepdims)(x)


def reduce_min(x: Value, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
    return ReduceMin(_axes(x, axes), keepdims)(x)


def reduce_prod(x: Value, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
    return ReduceProd(_axes(x, axes), keepdims)(x)


def log_sum_exp(x: Value, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
    """log(sum(exp(x))), shifted by the maximum so that it does not overflow."""
    chosen = _axes(x, axes)
    peak = ReduceMax(chosen, True)(x)
    total = add(log(ReduceSum(chosen, True)(exp(sub(x, peak)))), peak)
    return total if keepdims else reshape(total, ReduceSum(chosen, False).infer(x.type).shape)


def _axes(x: Value, axes: int | Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(x.rank))
    return tuple(normalize_axis(a, x.rank) for a in ([axes] if isinstance(axes, int) else axes))
