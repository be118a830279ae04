"""Picking elements along one axis by position, its transpose, and one-hot vectors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.graph import Call, Constant, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import SIGNED, UNSIGNED, Array, TensorType, normalize_axis
from kgraph.ops.base import same_dtype
from kgraph.ops.logic import cast, equal
from kgraph.ops.samples import floats, integers
from kgraph.ops.shape import expand_dims, full, squeeze

_POSITIONS = ("int32", "int64")


@op("take_along_axis")
class TakeAlongAxis(Op):
    """x [.., n, ..], positions int [.., m, ..] -> y [.., m, ..] with y[.., j, ..] = x[.., positions[.., j, ..], ..].

    The axes other than `axis` agree. Positions are in [0, n).
    """

    axis: int = -1

    def infer(self, x: TensorType, positions: TensorType) -> TensorType:
        _check_positions(x, positions, self.axis)
        return x.with_shape(positions.shape)

    def evaluate(self, x: Array, positions: Array) -> Array:
        return np.take_along_axis(x, positions, self.axis)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        x, positions = call.inputs
        return AddAlongAxis(self.axis)(full(x.shape, 0.0, dy.dtype), positions, dy), None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(1), (floats(4, 5), integers(4, 2, high=5)))
        yield Sample(cls(-2), (floats(2, 3, 4), integers(2, 1, 4, high=3, dtype="int64")))


@op("add_along_axis")
class AddAlongAxis(Op):
    """x, positions int, updates -> x with each update added at its position along `axis`; repeats add up.

    Shapes as in `take_along_axis`, of which this is the transpose.
    """

    axis: int = -1

    def infer(self, x: TensorType, positions: TensorType, updates: TensorType) -> TensorType:
        _check_positions(x, positions, self.axis)
        same_dtype(x, updates)
        return x

    def evaluate(self, x: Array, positions: Array, updates: Array) -> Array:
        y = x.copy()
        grid = list(np.ogrid[tuple(slice(size) for size in positions.shape)])
        grid[self.axis] = positions
        np.add.at(y, tuple(grid), updates)
        return y

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return dy, None, TakeAlongAxis(self.axis)(dy, call.inputs[1])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(1), (floats(4, 5), integers(4, 3, high=5), floats(4, 3)))
        yield Sample(cls(0), (floats(3, 4), integers(1, 4, high=3, dtype="int64"), floats(1, 4)))


@op("one_hot")
class OneHot(Op):
    """indices int [*S] -> y [*S, depth] of `dtype`: 1 at the index, 0 elsewhere; an index out of range gives zeros."""

    depth: int = 1
    dtype: str = "float32"

    def decompose(self, indices: Value) -> Value:
        positions = as_positions(indices, -1)
        return cast(equal(positions, Constant(np.arange(self.depth, dtype=positions.dtype))), self.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5), (integers(2, 3, high=5),))
        yield Sample(cls(3, "int32"), (np.array([-1, 0, 2, 3], "int64"),))


def _check_positions(x: TensorType, positions: TensorType, axis: int) -> None:
    if positions.dtype not in _POSITIONS:
        raise ShapeError(
            describe("positions are integers", expected=" or ".join(_POSITIONS), got=positions.dtype)
        )
    axis = normalize_axis(axis, x.rank)
    pairs = enumerate(zip(x.shape, positions.shape, strict=False))
    if x.rank != positions.rank or any(
        a != b and i != axis and isinstance(a, int) and isinstance(b, int) for i, (a, b) in pairs
    ):
        raise ShapeError(
            describe("positions do not fit", expected=f"{x} except on axis {axis}", got=positions)
        )


def take_one(x: Value, labels: Value, axis: int = -1) -> Value:
    """x [.., n, ..], labels int [..] -> the element of each row along `axis` that its label names."""
    return squeeze(TakeAlongAxis(axis)(x, as_positions(labels, axis)), axis)


def as_positions(labels: Value, axis: int) -> Value:
    """Labels of any integer dtype as positions: with the axis added, as size 1.

    Raises ShapeError for a dtype that holds no integers.
    """
    if labels.dtype not in SIGNED | UNSIGNED:
        raise ShapeError(describe("labels are integers", expected="int32", got=labels.type))
    if labels.dtype not in _POSITIONS:
        labels = cast(labels, "int64")
    return expand_dims(labels, axis)


def one_hot(indices: Value, depth: int, dtype: str = "float32") -> Value:
    return OneHot(depth, dtype)(indices)
