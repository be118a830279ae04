"""Ops that move elements without computing on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Dim, Shape, as_ints
from kgraph.ir.graph import Call, Constant, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType, normalize_axis
from kgraph.ops.base import same_dtype
from kgraph.ops.broadcast import ReduceSum, broadcast_to, reshape
from kgraph.ops.samples import floats, integers


@op("transpose")
class Transpose(Op):
    """x -> y with y.shape[i] = x.shape[perm[i]]."""

    perm: tuple[int, ...] = ()

    def infer(self, x: TensorType) -> TensorType:
        if sorted(self.perm) != list(range(x.rank)):
            raise ShapeError(
                describe("not a permutation of the axes", expected=list(range(x.rank)), got=self.perm)
            )
        return x.with_shape([x.shape[axis] for axis in self.perm])

    def evaluate(self, x: Array) -> Array:
        return np.transpose(x, self.perm)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (transpose(dy, inverse_permutation(self.perm)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((1, 0)), (floats(2, 3),))
        yield Sample(cls((0, 3, 1, 2)), (floats(2, 3, 4, 5),))


@op("concat")
class Concat(Op):
    """x0, x1, ... -> their concatenation along `axis`."""

    axis: int = 0

    def infer(self, *xs: TensorType) -> TensorType:
        if not xs:
            raise ShapeError(describe("nothing to concatenate", expected="at least one operand", got=0))
        first = xs[0]
        axis = normalize_axis(self.axis, first.rank, "concat axis")
        for x in xs:
            same = x.rank == first.rank and all(
                i == axis or a == b or not (isinstance(a, int) and isinstance(b, int))
                for i, (a, b) in enumerate(zip(x.shape, first.shape, strict=True))
            )
            if not same:
                raise ShapeError(
                    describe(
                        "operands differ off the concat axis",
                        expected=f"{first} except on axis {axis}",
                        got=x,
                    )
                )
        total: Dim = 0
        for x in xs:
            total = x.shape[axis] + total
        return TensorType(same_dtype(*xs), (*first.shape[:axis], total, *first.shape[axis + 1 :]))

    def evaluate(self, *xs: Array) -> Array:
        return np.concatenate(xs, self.axis)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        axis = self.axis % dy.rank
        gradients, start = [], 0
        for x in call.inputs:
            size = x.shape[axis]
            gradients.append(slice_axis(dy, axis, start, start + size))
            start = start + size  # type: ignore[assignment]  # a symbolic offset is fine
        return gradients

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(1), (floats(2, 3), floats(2, 1), floats(2, 2)))
        yield Sample(cls(-2), (floats(2, 3), floats(1, 3)))


@op("split")
class Split(Op):
    """x -> pieces of lengths `sizes` along `axis`, in order; the transpose of Concat."""

    sizes: tuple[int, ...] = ()
    axis: int = 0

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        axis = normalize_axis(self.axis, x.rank, "split axis")
        length = x.shape[axis]
        if isinstance(length, int) and sum(self.sizes) != length:
            raise ShapeError(
                describe("the pieces do not make up the axis", expected=length, got=sum(self.sizes))
            )
        return tuple(x.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :])) for size in self.sizes)

    def evaluate(self, x: Array) -> tuple[Array, ...]:
        return tuple(np.split(x, np.cumsum(self.sizes)[:-1], self.axis))

    def vjp(self, call: Call, *gradients: Value | None) -> Gradients:
        pieces = [
            full(result.shape, 0.0, result.dtype) if dy is None else dy
            for result, dy in zip(call.results, gradients, strict=True)
        ]
        return (concat(pieces, self.axis),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((2, 1, 3), 1), (floats(2, 6),))
        yield Sample(cls((1, 1), -2), (floats(2, 3),))


@op("slice")
class Slice(Op):
    """x -> x[starts[i] : stops[i] : steps[i]] on each axis i. 0 <= start <= stop; steps are positive."""

    starts: tuple[Dim, ...] = ()
    stops: tuple[Dim, ...] = ()
    steps: tuple[int, ...] = ()

    def infer(self, x: TensorType) -> TensorType:
        if not len(self.starts) == len(self.stops) == len(self.steps) == x.rank:
            raise ShapeError(
                describe("slice needs a range for each axis", expected=x.rank, got=len(self.starts))
            )
        shape: list[Dim] = []
        for size, start, stop, step in zip(x.shape, self.starts, self.stops, self.steps, strict=True):
            if isinstance(size, int) and isinstance(start, int) and isinstance(stop, int):
                if not 0 <= start <= stop <= size:
                    raise ShapeError(
                        describe("slice out of range", expected=f"within {x}", got=f"{start}:{stop}")
                    )
            shape.append((stop - start + (step - 1)) // step)
        return x.with_shape(shape)

    def evaluate(self, x: Array) -> Array:
        return x[tuple(slice(*bounds) for bounds in zip(self.starts, self.stops, self.steps, strict=True))]

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        if any(step != 1 for step in self.steps):
            dy = Dilate(self.steps)(dy)
        after = tuple(
            size - start - length for size, start, length in zip(x.shape, self.starts, dy.shape, strict=True)
        )
        return (pad(dy, tuple(zip(self.starts, after, strict=True))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((0, 1), (2, 3), (1, 1)), (floats(2, 4),))
        yield Sample(cls((1, 0), (5, 6), (2, 3)), (floats(6, 7),))


@op("dilate")
class Dilate(Op):
    """x -> y with (step - 1) zeros put between neighbours on each axis: the transpose of slicing by steps."""

    steps: tuple[int, ...] = ()

    def infer(self, x: TensorType) -> TensorType:
        return x.with_shape([(size - 1) * step + 1 for size, step in zip(x.shape, self.steps, strict=True)])

    def evaluate(self, x: Array) -> Array:
        y = np.zeros([(size - 1) * step + 1 for size, step in zip(x.shape, self.steps, strict=True)], x.dtype)
        y[tuple(slice(None, None, step) for step in self.steps)] = x
        return y

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (Slice((0,) * dy.rank, dy.shape, self.steps)(dy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((1, 2)), (floats(2, 3),))
        yield Sample(cls((3, 2, 1)), (floats(2, 2, 2),))


@op("pad")
class Pad(Op):
    """x -> x with `value` added before and after each axis: pads[i] = (before, after), both >= 0."""

    pads: tuple[tuple[Dim, Dim], ...] = ()
    value: float = 0.0

    def infer(self, x: TensorType) -> TensorType:
        if len(self.pads) != x.rank:
            raise ShapeError(describe("pad needs a pair for each axis", expected=x.rank, got=len(self.pads)))
        return x.with_shape(
            [before + size + after for size, (before, after) in zip(x.shape, self.pads, strict=True)]
        )

    def evaluate(self, x: Array) -> Array:
        return np.pad(x, [as_ints(pair) for pair in self.pads], constant_values=self.value)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        starts = tuple(before for before, _ in self.pads)
        stops = tuple(start + size for start, size in zip(starts, x.shape, strict=True))
        return (Slice(starts, stops, (1,) * x.rank)(dy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(((0, 0), (1, 2))), (floats(2, 3),))
        yield Sample(cls(((1, 0), (0, 1)), 2.5), (floats(2, 3),))


@op("reverse")
class Reverse(Op):
    """x -> x flipped along `axes`."""

    axes: tuple[int, ...] = (0,)

    def infer(self, x: TensorType) -> TensorType:
        for axis in self.axes:
            normalize_axis(axis, x.rank, "reverse axis")
        return x

    def evaluate(self, x: Array) -> Array:
        return np.flip(x, self.axes)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (Reverse(self.axes)(dy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((1,)), (floats(2, 3),))
        yield Sample(cls((0, -1)), (floats(2, 3, 2),))


@op("tile")
class Tile(Op):
    """x -> x repeated `repeats[i]` times along each axis i."""

    repeats: tuple[int, ...] = ()

    def infer(self, x: TensorType) -> TensorType:
        if len(self.repeats) != x.rank:
            raise ShapeError(
                describe("tile needs a count for each axis", expected=x.rank, got=len(self.repeats))
            )
        return x.with_shape([size * count for size, count in zip(x.shape, self.repeats, strict=True)])

    def evaluate(self, x: Array) -> Array:
        return np.tile(x, self.repeats)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        split: list[Dim] = []
        for count, size in zip(self.repeats, x.shape, strict=True):
            split += [count, size]
        return (ReduceSum(tuple(range(0, 2 * x.rank, 2)), False)(reshape(dy, split)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((2, 3)), (floats(2, 3),))


@op("repeat")
class Repeat(Op):
    """x -> each element `counts[i]` times in a row along axis i: images enlarged by repeating pixels."""

    counts: tuple[int, ...] = ()

    def infer(self, x: TensorType) -> TensorType:
        if len(self.counts) != x.rank:
            raise ShapeError(
                describe("repeat needs a count for each axis", expected=x.rank, got=len(self.counts))
            )
        return x.with_shape([size * count for size, count in zip(x.shape, self.counts, strict=True)])

    def evaluate(self, x: Array) -> Array:
        for axis, count in enumerate(self.counts):
            x = x if count == 1 else np.repeat(x, count, axis)
        return x

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        pairs = list(zip(x.shape, self.counts, strict=True))
        split: list[Dim] = [part for pair in pairs for part in (pair if pair[1] != 1 else pair[:1])]
        within = [i for i, (_, count) in enumerate(pairs) if count != 1]
        axes = tuple(axis + 1 + place for place, axis in enumerate(within))
        return (ReduceSum(axes, False)(reshape(dy, split)),)

    def decompose(self, x: Value) -> Value:
        """A new axis behind each that is repeated, spread out and merged with it."""
        narrow: list[Dim] = []
        wide: list[Dim] = []
        for size, count in zip(x.shape, self.counts, strict=True):
            narrow += [size] if count == 1 else [size, 1]
            wide += [size] if count == 1 else [size, count]
        return reshape(broadcast_to(reshape(x, narrow), wide), self.infer(x.type).shape)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((1, 1, 2, 3)), (floats(2, 3, 2, 4),))
        yield Sample(cls((3, 1)), (integers(2, 3, high=5),))


@op("gather")
class Gather(Op):
    """x, indices int -> x taken along `axis`: shape x.shape[:axis] + indices.shape + x.shape[axis+1:]."""

    axis: int = 0

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:
        if indices.dtype not in ("int32", "int64"):
            raise ShapeError(describe("indices must be integers", expected="int32 or int64", got=indices))
        axis = normalize_axis(self.axis, x.rank, "gather axis")
        return x.with_shape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))

    def evaluate(self, x: Array, indices: Array) -> Array:
        return np.take(x, indices, self.axis)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        x, indices = call.inputs
        return ScatterAdd(self.axis % x.rank, x.shape)(dy, indices), None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0), (floats(5, 3), integers(2, 4, high=5)))
        yield Sample(cls(1), (floats(2, 5, 3), integers(4, high=5, dtype="int64")))


@op("scatter_add")
class ScatterAdd(Op):
    """updates, indices -> zeros of `shape`, the updates added at `indices` along `axis`: the transpose of Gather."""

    axis: int = 0
    shape: Shape = ()

    def infer(self, updates: TensorType, indices: TensorType) -> TensorType:
        return updates.with_shape(self.shape)

    def evaluate(self, updates: Array, indices: Array) -> Array:
        y = np.zeros(as_ints(self.shape), updates.dtype)
        position: tuple[object, ...] = (slice(None),) * self.axis + (indices,)
        np.add.at(y, position, updates)  # type: ignore[arg-type]  # the stub leaves out slices
        return y

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return Gather(self.axis)(dy, call.inputs[1]), None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(0, (5, 3)), (floats(2, 4, 3), integers(2, 4, high=5)))
        yield Sample(cls(1, (2, 5)), (floats(2, 4), integers(4, high=5)))


@op("dim_value")
class DimValue(Op):
    """-> the size of a dimension as a scalar of `dtype`."""

    dim: Dim = 1
    dtype: str = "int64"

    def infer(self) -> TensorType:
        return TensorType(self.dtype)

    def evaluate(self) -> Array:
        return np.asarray(self.dim, self.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(3), ())


@op("iota")
class Iota(Op):
    """-> 0, 1, ... count - 1 as a vector of an integer `dtype`."""

    count: Dim = 1
    dtype: str = "int64"

    def infer(self) -> TensorType:
        return TensorType(self.dtype, (self.count,))

    def evaluate(self) -> Array:
        (count,) = as_ints((self.count,))
        return np.arange(count, dtype=self.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5), ())
        yield Sample(cls(3, "uint32"), ())


def transpose(x: Value, perm: Sequence[int] | None = None) -> Value:
    """`x` with its axes permuted (default: reversed). The same value when the order stays."""
    order = tuple(perm) if perm is not None else tuple(reversed(range(x.rank)))
    return x if order == tuple(range(x.rank)) else Transpose(order)(x)


def concat(values: Sequence[Value], axis: int) -> Value:
    return values[0] if len(values) == 1 else Concat(axis)(*values)


def split(x: Value, sizes: Sequence[int], axis: int) -> tuple[Value, ...]:
    return Split(tuple(sizes), axis).apply(x)


def slice_axis(x: Value, axis: int, start: Dim, stop: Dim, step: int = 1) -> Value:
    """x[..., start:stop:step, ...] on one axis."""
    axis = normalize_axis(axis, x.rank)
    starts: list[Dim] = [0] * x.rank
    stops, steps = list(x.shape), [1] * x.rank
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return Slice(tuple(starts), tuple(stops), tuple(steps))(x)


def index_axis(x: Value, axis: int, position: Dim) -> Value:
    """x[..., position, ...]: one slice, without the axis."""
    axis = normalize_axis(axis, x.rank)
    piece = slice_axis(x, axis, position, position + 1)
    return reshape(piece, x.shape[:axis] + x.shape[axis + 1 :])


def pad(x: Value, pads: Sequence[tuple[Dim, Dim]], value: float = 0.0) -> Value:
    """`x` padded; the same value when every pad is zero."""
    return x if all(pair == (0, 0) for pair in pads) else Pad(tuple(pads), value)(x)


def expand_dims(x: Value, axis: int) -> Value:
    """`x` with a new axis of size 1 at `axis` of the result."""
    axis = normalize_axis(axis, x.rank + 1)
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def squeeze(x: Value, axis: int) -> Value:
    """`x` without `axis`, whose size must be 1."""
    axis = normalize_axis(axis, x.rank)
    if isinstance(x.shape[axis], int) and x.shape[axis] != 1:
        raise ShapeError(describe("only an axis of size 1 can be squeezed", expected=1, got=x.type))
    return reshape(x, x.shape[:axis] + x.shape[axis + 1 :])


def stack(values: Sequence[Value], axis: int) -> Value:
    """Values of one shape joined along a new axis."""
    return concat([expand_dims(value, axis) for value in values], axis)


def full(shape: Sequence[Dim], value: float | bool, dtype: str) -> Value:
    """A value of `shape` filled with one number."""
    return broadcast_to(Constant(np.asarray(value, dtype)), shape)


def inverse_permutation(perm: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(perm))
