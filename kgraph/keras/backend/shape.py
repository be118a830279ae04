"""Functions of K that move elements: reshaping, joining, picking, padding, resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import Dim, Sym, maximum, product
from kgraph.ir.types import normalize_axis
from kgraph.keras import settings
from kgraph.keras.backend.sizes import Size, Sizes, as_dim, as_dims, gather_up, join
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops import indexing, logic, reduce
from kgraph.ops import shape as s
from kgraph.ops.broadcast import broadcast_to
from kgraph.ops.broadcast import reshape as to_shape
from kgraph.ops.linalg import matmul


def shape(x: Any) -> Sizes:
    """The shape, as an int32 vector that can also be used as (part of) a shape.

    >>> shape(np.zeros((2, 3)))[1] + 1
    <Size  int32[]>
    """
    return Sizes(as_value(x).shape)


def int_shape(x: Any) -> tuple[int | None, ...]:
    """The shape as a tuple, with None for a size that varies."""
    return Tensor(as_value(x)).shape


def ndim(x: Any) -> int:
    """The number of axes."""
    return as_value(x).rank


def arange(start: Any, stop: Any = None, step: int = 1, dtype: str = "int32") -> Tensor:
    """start, start + step, … below stop; with one number, 0, 1, … below it. Bounds may be parts of `K.shape`.

    Raises ArgumentError for a step of zero.
    """
    first, last = (0, start) if stop is None else (start, stop)
    if not step:
        raise ArgumentError(describe("arange: step", expected="a number other than 0", got=step))
    if not any(isinstance(bound, Size | Sym) for bound in (first, last)):
        return Tensor(ir.Constant(np.arange(first, last, step, dtype)))
    begin = as_dim(first)
    count = maximum(-((begin - as_dim(last)) // step), 0)
    return Tensor(logic.cast(s.Iota(count, "int64")(), dtype)) * step + Tensor(as_value(begin, dtype))


def size(x: Any, name: str | None = None) -> Tensor:
    """The number of elements, an int32 scalar."""
    return Tensor(s.DimValue(product(as_value(x).shape), "int32")())


def reshape(x: Any, shape: Any) -> Tensor:
    """`x` in another shape, in which -1 (or None) stands for what is left."""
    return Tensor(to_shape(as_value(x), as_dims(shape)))


def flatten(x: Any) -> Tensor:
    """All elements in one axis."""
    return reshape(x, (-1,))


def batch_flatten(x: Any) -> Tensor:
    """[batch, *S] -> [batch, product of S]."""
    value = as_value(x)
    return Tensor(to_shape(value, (value.shape[0], product(value.shape[1:]))))


def expand_dims(x: Any, axis: int = -1) -> Tensor:
    return Tensor(s.expand_dims(as_value(x), axis))


def squeeze(x: Any, axis: int) -> Tensor:
    return Tensor(s.squeeze(as_value(x), axis))


def transpose(x: Any) -> Tensor:
    """`x` with its axes in the opposite order."""
    return Tensor(s.transpose(as_value(x)))


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Tensor:
    value = as_value(x)
    return Tensor(s.transpose(value, [normalize_axis(axis, value.rank) for axis in pattern]))


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Tensor:
    """The tensors one after another along `axis`."""
    joined = join(tensors)
    if joined is not None:
        return joined
    values = _same_dtype(tensors)
    return Tensor(s.concat(values, normalize_axis(axis, values[0].rank, "concatenate axis")))


def stack(x: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    gathered = gather_up(x)
    if gathered is not None:
        return gathered
    values = _same_dtype(x)
    return Tensor(s.stack(values, normalize_axis(axis, values[0].rank + 1, "stack axis")))


def _same_dtype(tensors: Sequence[Any]) -> list[ir.Value]:
    if not tensors:
        raise ArgumentError(describe("nothing to join", expected="one tensor or more", got=tensors))
    first = next((t.dtype for t in tensors if isinstance(t, Tensor)), None)
    values = [as_value(t, first) for t in tensors]
    common = np.result_type(*{value.dtype for value in values}).name
    return [logic.cast(value, common) for value in values]


def gather(reference: Any, indices: Any) -> Tensor:
    """The rows of `reference` at integer `indices`: shape indices.shape + reference.shape[1:]."""
    positions = as_value(indices, "int32")
    if positions.dtype not in ("int32", "int64"):
        positions = logic.cast(positions, "int64")
    return Tensor(s.Gather(0)(as_value(reference), positions))


def one_hot(indices: Any, num_classes: int) -> Tensor:
    """[*S] integers -> [*S, num_classes] floatx with 1 at the index."""
    return Tensor(indexing.OneHot(num_classes, settings.floatx())(as_value(indices, "int32")))


def reverse(x: Any, axes: int | Sequence[int]) -> Tensor:
    """`x` flipped along `axes`."""
    return Tensor(s.Reverse((axes,) if isinstance(axes, int) else tuple(axes))(as_value(x)))


def slice(x: Any, start: Any, size: Any) -> Tensor:
    """x[start[i] : start[i] + size[i]] on each axis; a size of -1 goes to the end."""
    value = as_value(x)
    starts, sizes = as_dims(start), as_dims(size)
    if not len(starts) == len(sizes) == value.rank:
        raise ShapeError(describe("slice: a start and a size per axis", expected=value.rank, got=len(starts)))
    stops = [
        total if length == -1 else first + length
        for total, first, length in zip(value.shape, starts, sizes, strict=True)
    ]
    return Tensor(s.Slice(starts, tuple(stops), (1,) * value.rank)(value))


def tile(x: Any, n: Any) -> Tensor:
    """`x` repeated n[i] times along axis i. Repeats may come from `K.shape` where the axis has size 1."""
    value = as_value(x)
    repeats = as_dims(n)
    if len(repeats) != value.rank:
        raise ShapeError(describe("tile: a count per axis", expected=value.rank, got=len(repeats)))
    if all(isinstance(count, int) for count in repeats):
        return Tensor(s.Tile(repeats)(value))
    wide: list[Dim] = []
    split: list[Dim] = []
    for count, length in zip(repeats, value.shape, strict=True):
        wide += [count, length]
        split += [1, length]
    made = broadcast_to(to_shape(value, split), wide)
    return Tensor(
        to_shape(made, [count * length for count, length in zip(repeats, value.shape, strict=True)])
    )


def repeat(x: Any, n: int) -> Tensor:
    """[batch, d] -> [batch, n, d]."""
    value = as_value(x)
    if value.rank != 2:
        raise ShapeError(describe("repeat", expected="rank 2", got=value.type))
    return Tensor(broadcast_to(s.expand_dims(value, 1), (value.shape[0], n, value.shape[1])))


def repeat_elements(x: Any, rep: int, axis: int) -> Tensor:
    """Each element along `axis` `rep` times in a row."""
    value = as_value(x)
    return Tensor(_repeat_each(value, {normalize_axis(axis, value.rank): rep}))


def _repeat_each(x: ir.Value, counts: dict[int, int]) -> ir.Value:
    """Each element counts[axis] times in a row, on several axes at once."""
    return s.Repeat(tuple(counts.get(axis, 1) for axis in range(x.rank)))(x)


def temporal_padding(x: Any, padding: tuple[int, int] = (1, 1)) -> Tensor:
    """Zeros before and after axis 1 of [batch, time, d]."""
    return Tensor(s.pad(as_value(x), [(0, 0), tuple(padding), (0, 0)]))


def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Tensor:
    """Zeros around the rows and columns of images."""
    return _pad_space(x, padding, data_format)


def spatial_3d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Tensor:
    """Zeros around the three spatial axes of volumes."""
    return _pad_space(x, padding, data_format)


def _pad_space(x: Any, padding: Any, data_format: str | None) -> Tensor:
    value = as_value(x)
    pairs: list[tuple[int, int]] = [(0, 0)] * value.rank
    for axis, pair in zip(spatial_axes(value.rank, data_format), padding, strict=True):
        pairs[axis] = (int(pair[0]), int(pair[1]))
    return Tensor(s.pad(value, pairs))


def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str | None,
    interpolation: str = "nearest",
) -> Tensor:
    """Images enlarged by whole factors: "nearest" repeats pixels, "bilinear" interpolates between pixels i and i + 1.

    Bilinear samples as Keras 2.3 does: output pixel j looks at j / factor, and at the last pixel beyond it.
    """
    value = as_value(x)
    axes = spatial_axes(value.rank, data_format)
    factors = dict(zip(axes, (height_factor, width_factor), strict=True))
    if interpolation == "nearest":
        return Tensor(_repeat_each(value, factors))
    if interpolation != "bilinear":
        raise ArgumentError(
            describe("unknown interpolation", expected='"nearest" or "bilinear"', got=repr(interpolation))
        )
    for axis, factor in factors.items():
        value = _interpolate(value, axis, factor)
    return Tensor(value)


def _interpolate(x: ir.Value, axis: int, factor: int) -> ir.Value:
    """y[j] = (1 - t) x[i] + t x[i + 1] along one axis, with i + t = j / factor: a product with a banded matrix."""
    length = x.shape[axis]
    if not isinstance(length, int):
        raise ShapeError(describe("bilinear resizing needs static sizes", expected="an integer", got=x.type))
    positions = np.arange(length * factor) / factor
    low = np.floor(positions).astype(int)
    high = np.minimum(low + 1, length - 1)
    weights = np.zeros((length, length * factor), x.dtype)
    columns = np.arange(length * factor)
    np.add.at(weights, (low, columns), 1 - (positions - low))
    np.add.at(weights, (high, columns), positions - low)
    last = [a for a in range(x.rank) if a != axis] + [axis]
    moved = matmul(s.transpose(x, last), ir.Constant(weights))
    return s.transpose(moved, s.inverse_permutation(last))


def resize_volumes(
    x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str | None
) -> Tensor:
    """Volumes enlarged by whole factors, by repeating elements."""
    value = as_value(x)
    axes = spatial_axes(value.rank, data_format)
    factors = dict(zip(axes, (depth_factor, height_factor, width_factor), strict=True))
    return Tensor(_repeat_each(value, factors))


def spatial_axes(rank: int, data_format: str | None) -> tuple[int, ...]:
    """The axes of a batch of images that are neither batch nor channels."""
    channels_first = normalize_data_format(data_format) == "channels_first"
    return tuple(range(2, rank)) if channels_first else tuple(range(1, rank - 1))


def normalize_data_format(value: str | None) -> str:
    """`value`, or the program's `image_data_format` for None. Raises ArgumentError for an unknown one."""
    chosen = settings.image_data_format() if value is None else value.lower()
    if chosen not in settings.IMAGE_DATA_FORMATS:
        raise ArgumentError(
            describe("bad data_format", expected=f"one of {settings.IMAGE_DATA_FORMATS}", got=repr(value))
        )
    return chosen


def in_top_k(predictions: Any, targets: Any, k: int) -> Tensor:
    """Whether fewer than `k` of the predictions [batch, classes] of a row beat that of its target [batch].

    Ties count as in; a prediction that is not a number does not.
    """
    scores = as_value(predictions)
    labels = as_value(targets, "int32")
    target = s.expand_dims(indexing.take_one(scores, labels), 1)
    better = reduce.reduce_sum(logic.cast(logic.greater(scores, target), "int32"), 1)
    finite = to_shape(logic.equal(target, target), labels.shape)
    return Tensor(logic.And()(logic.less(better, k), finite))
