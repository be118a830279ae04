"""Pooling: the largest or the mean of what a window sees. Channels-first, x [N, C, *S]."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, product
from math import prod
from operator import ge
from typing import Any

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Shape, as_ints
from kgraph.ir.graph import Call, Constant, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType
from kgraph.ops.base import same_dtype
from kgraph.ops.broadcast import reshape
from kgraph.ops.conv import conv, conv_transpose
from kgraph.ops.elementwise import div, maximum, mul, sub
from kgraph.ops.logic import cast, less
from kgraph.ops.patches import add_slices, window_slices
from kgraph.ops.samples import floats, integers
from kgraph.ops.shape import Slice, full, pad
from kgraph.ops.windows import Pads, add_windows, output_shape, windows


@dataclass(frozen=True, repr=False)
class Pool(Op):
    """The attributes of a pooling; one entry per spatial axis, pads as (before, after)."""

    window: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    pads: Pads = ()

    @property
    def ones(self) -> tuple[int, ...]:
        """The dilations that pooling does not have."""
        return (1,) * len(self.window)

    def pooled(self, x: TensorType) -> TensorType:
        """The type of the pooled x. Raises ShapeError for pads that leave a window with nothing but padding."""
        shape = output_shape(x, self.window, self.strides, self.ones, self.pads)
        for size, (before, after) in zip(self.window, self.pads, strict=True):
            if any(isinstance(amount, int) and amount >= size for amount in (before, after)):
                raise ShapeError(
                    describe("pads as large as the window", expected=f"less than {size}", got=(before, after))
                )
        return x.with_shape((*x.shape[:2], *shape))

    def expect_pooled(self, dy: TensorType, x: TensorType) -> None:
        """Raise ShapeError unless `dy` has the type of the pooled `x`."""
        same_dtype(x, dy)
        wanted = self.pooled(x)
        pairs = zip(dy.shape, wanted.shape, strict=True) if dy.rank == wanted.rank else [(0, 1)]
        if any(a != b for a, b in pairs if isinstance(a, int) and isinstance(b, int)):
            raise ShapeError(describe("not the result of this pooling", expected=wanted, got=dy))


@op("max_pool")
class MaxPool(Pool):
    """y = the largest value in each window; pads count as minus infinity.  x [N, C, *S] float -> y [N, C, *S']."""

    def infer(self, x: TensorType) -> TensorType:
        return self.pooled(x)

    def evaluate(self, x: Array) -> Array:
        view = windows(x, self.window, self.strides, self.ones, self.pads, -np.inf)
        return view.max(axis=tuple(range(x.ndim, view.ndim)))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (MaxPoolGrad(self.window, self.strides, self.pads)(call.inputs[0], dy),)

    def decompose(self, x: Value) -> Value:
        """The maximum of the slices."""
        first, *rest = window_slices(x, self.window, self.strides, self.ones, self.pads, -np.inf)
        for piece in rest:
            first = maximum(first, piece)
        return first

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, shape in _cases():
            yield Sample(cls(*attributes), (floats(*shape),))


@op("max_pool_grad")
class MaxPoolGrad(Pool):
    """x [N, C, *S], dy [N, C, *S'] -> dx [N, C, *S]: dy goes to the largest element of its window, of equal ones to the
    first in row-major order (as in TensorFlow and JAX); an element that is largest in several windows gets the sum.
    """

    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        self.expect_pooled(dy, x)
        return x

    def evaluate(self, x: Array, dy: Array) -> Array:
        view = windows(x, self.window, self.strides, self.ones, self.pads, -np.inf)
        flat = view.reshape(*dy.shape, -1)
        first = np.argmax(flat, -1)[..., None] == np.arange(flat.shape[-1])
        spread = np.where(first, dy[..., None], np.zeros((), dy.dtype)).reshape(view.shape)
        return add_windows(spread, x.shape[2:], self.strides, self.ones, self.pads)

    def decompose(self, x: Value, dy: Value) -> Value:
        """Element t of a window wins when the maximum of the elements up to t is that of all, and that of those before
        t is not. So with s_t = [y > maximum up to t], it gets dy s_(t-1) - dy s_t. All of this is arithmetic on
        tensors of the size of y.
        """
        y = MaxPool(self.window, self.strides, self.pads)(x)
        given, left = [], dy
        for so_far in self._running_maxima(x)[:-1]:
            rest = mul(dy, cast(less(so_far, y), dy.dtype))
            given.append(sub(left, rest))
            left = rest
        given.append(left)
        return add_slices(given, x.shape[2:], self.window, self.strides, self.ones, self.pads)

    def _running_maxima(self, x: Value) -> list[Value]:
        """For each position in the window, in row-major order, the maximum up to there, [N, C, *S']."""
        if any(size > step for size, step in zip(self.window, self.strides, strict=True)):
            slices = window_slices(x, self.window, self.strides, self.ones, self.pads, -np.inf)
            return list(accumulate(slices, maximum))
        # Windows do not overlap: smaller windows with the same corners and strides see what is asked for.
        out = self.pooled(x.type).shape[2:]
        stops = [(n - 1) * s + k for n, s, k in zip(out, self.strides, self.window, strict=True)]
        seen = pad(x, ((0, 0), (0, 0), *self.pads), -np.inf)
        if tuple(stops) != seen.shape[2:]:
            seen = Slice((0,) * x.rank, (*x.shape[:2], *stops), (1,) * x.rank)(seen)
        none: Pads = ((0, 0),) * len(self.window)

        def pooled(sizes: tuple[int, ...]) -> Value:
            return MaxPool(sizes, self.strides, none)(seen)

        return [reduce(maximum, map(pooled, part)) for part in _prefixes(self.window)]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, shape in _cases():
            op = cls(*attributes)
            out = op.pooled(TensorType("float32", shape)).static_shape
            yield Sample(op, (floats(*shape), floats(*out)))
            # Full of ties; not a place to differentiate in x.
            tied = integers(*shape, low=-1, high=2).astype("float32")
            yield Sample(op, (tied, floats(*out)), smooth=(1,))


@dataclass(frozen=True, repr=False)
class MeanPool(Pool):
    """What average pooling and its transpose share: how many elements each window sees."""

    def count_array(self, spatial: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """[1, 1, *S']."""
        ones = np.ones((1, 1, *spatial), dtype)
        view = windows(ones, self.window, self.strides, self.ones, self.pads)
        return view.sum(axis=tuple(range(ones.ndim, view.ndim)))

    def count_value(self, spatial: Shape, dtype: str) -> Value:
        """[1, 1, *S'], or a scalar where all windows see the same number."""
        if all(pair == (0, 0) for pair in self.pads):
            return full((), float(np.prod(self.window)), dtype)
        if all(isinstance(size, int) for size in (*spatial, *(p for pair in self.pads for p in pair))):
            return Constant(self.count_array(as_ints(spatial), np.dtype(dtype)))
        return conv(full((1, 1, *spatial), 1.0, dtype), self.kernel_value(dtype), self.strides, self.pads)

    def kernel_value(self, dtype: str) -> Value:
        """The kernel of ones that sums a window of one channel."""
        return full((1, 1, *self.window), 1.0, dtype)


@op("average_pool")
class AveragePool(MeanPool):
    """y = the mean of what each window sees of x, pads not counted.  x [N, C, *S] float -> y [N, C, *S']."""

    def infer(self, x: TensorType) -> TensorType:
        return self.pooled(x)

    def evaluate(self, x: Array) -> Array:
        view = windows(x, self.window, self.strides, self.ones, self.pads)
        return view.sum(axis=tuple(range(x.ndim, view.ndim))) / self.count_array(x.shape[2:], x.dtype)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (AveragePoolGrad(self.window, self.strides, self.pads, call.inputs[0].shape[2:])(dy),)

    def decompose(self, x: Value) -> Value:
        """A convolution with ones, channel by channel, divided by the counts."""
        n, c, *spatial = x.shape
        alone = reshape(x, (n * c, 1, *spatial))
        total = conv(alone, self.kernel_value(x.dtype), self.strides, self.pads)
        mean = div(total, self.count_value(tuple(spatial), x.dtype))
        return reshape(mean, self.pooled(x.type).shape)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, shape in _cases():
            yield Sample(cls(*attributes), (floats(*shape),))


@op("average_pool_grad")
class AveragePoolGrad(MeanPool):
    """The transpose of `average_pool`: dy [N, C, *S'] -> dx [N, C, *shape], each dy shared out over its window."""

    shape: Shape = ()

    def infer(self, dy: TensorType) -> TensorType:
        x = dy.with_shape((*dy.shape[:2], *self.shape))
        self.expect_pooled(dy, x)
        return x

    def evaluate(self, dy: Array) -> Array:
        share = dy / self.count_array(as_ints(self.shape), dy.dtype)
        spread = np.broadcast_to(share.reshape(*dy.shape, *self.ones), (*dy.shape, *self.window))
        return add_windows(spread, as_ints(self.shape), self.strides, self.ones, self.pads)

    def vjp(self, call: Call, ddx: Value) -> Gradients:
        return (AveragePool(self.window, self.strides, self.pads)(ddx),)

    def decompose(self, dy: Value) -> Value:
        """The transposed convolution with ones, channel by channel; side by side, windows only repeat what they got."""
        if self.window == self.strides and all(pair == (0, 0) for pair in self.pads):
            shares = [div(dy, self.count_value(self.shape, dy.dtype))] * prod(self.window)
            return add_slices(shares, self.shape, self.window, self.strides, self.ones, self.pads)
        n, c, *spatial = dy.shape
        alone = reshape(dy, (n * c, 1, *spatial))
        share = div(alone, self.count_value(self.shape, dy.dtype))
        made = conv_transpose(share, self.kernel_value(dy.dtype), self.shape, self.strides, self.pads)
        return reshape(made, (n, c, *self.shape))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, shape in _cases():
            out = Pool(*attributes).pooled(TensorType("float32", shape)).static_shape
            yield Sample(cls(*attributes, shape[2:]), (floats(*out),))


def max_pool(
    x: Value, window: Sequence[int], strides: Sequence[int] | None = None, pads: Pads | None = None
) -> Value:
    """`MaxPool`; windows side by side and no pads unless given."""
    return MaxPool(*_attributes(window, strides, pads))(x)


def average_pool(
    x: Value, window: Sequence[int], strides: Sequence[int] | None = None, pads: Pads | None = None
) -> Value:
    """`AveragePool`; windows side by side and no pads unless given."""
    return AveragePool(*_attributes(window, strides, pads))(x)


def _prefixes(window: Sequence[int]) -> Iterable[list[tuple[int, ...]]]:
    """For each position in the window, in row-major order, boxes at its first corner that cover what is not behind it.

    >>> list(_prefixes((2, 2)))
    [[(1, 1)], [(1, 2)], [(1, 2), (2, 1)], [(2, 2)]]
    """
    for position in product(*map(range, window)):
        ends = tuple(place + 1 for place in position)
        boxes = [(*ends[:axis], position[axis], *window[axis + 1 :]) for axis in range(len(window) - 1)]
        boxes.append(ends)
        within = [box for box in boxes if 0 not in box]
        yield [
            box for box in within if not any(other != box and all(map(ge, other, box)) for other in within)
        ]


Attributes = tuple[tuple[int, ...], tuple[int, ...], Pads]


def _attributes(window: Sequence[int], strides: Sequence[int] | None, pads: Pads | None) -> Attributes:
    size = tuple(window)
    none: Pads = ((0, 0),) * len(size)
    return size, size if strides is None else tuple(strides), none if pads is None else tuple(pads)


def _cases() -> Iterable[tuple[Attributes, tuple[int, ...]]]:
    """(window, strides, pads), the shape of x."""
    none: Pads = ((0, 0), (0, 0))
    yield ((2, 2), (2, 2), none), (2, 3, 4, 6)
    # A rest that no window sees; windows that overlap; windows with gaps between them.
    yield ((2, 2), (2, 2), none), (2, 2, 5, 7)
    yield ((3, 3), (2, 2), none), (2, 2, 5, 7)
    yield ((3, 2), (1, 1), none), (1, 2, 5, 4)
    yield ((2, 1), (3, 2), none), (1, 2, 7, 5)
    yield ((3, 3), (2, 2), ((0, 1), (1, 1))), (2, 2, 6, 7)
    yield ((2, 2), (2, 2), ((0, 1), (1, 0))), (1, 2, 5, 5)
    yield ((3,), (2,), ((1, 1),)), (2, 3, 7)
    yield ((2,), (2,), ((0, 0),)), (2, 3, 8)
    yield ((2, 2, 2), (2, 2, 2), (*none, (0, 0))), (1, 2, 4, 2, 5)
    yield ((2, 3, 1), (1, 2, 1), ((0, 1), (1, 1), (0, 0))), (1, 2, 3, 4, 2)
