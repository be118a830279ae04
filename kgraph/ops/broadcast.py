"""Broadcasting, its transpose (summation), and reshaping: what nearly every gradient needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Dim, Shape, as_ints, floordiv, product
from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType, broadcast_shapes, normalize_axis
from kgraph.ops.samples import floats


@op("reshape")
class Reshape(Op):
    """x [*S] -> y [*shape], the same elements in row-major order. Dimensions may be symbolic; there is no -1 here."""

    shape: Shape = ()

    def infer(self, x: TensorType) -> TensorType:
        if (
            x.is_static
            and all(isinstance(d, int) for d in self.shape)
            and product(x.shape) != product(self.shape)
        ):
            raise ShapeError(
                describe(
                    "reshape changes the number of elements", expected=product(x.shape), got=list(self.shape)
                )
            )
        return x.with_shape(self.shape)

    def evaluate(self, x: Array) -> Array:
        return x.reshape(self.shape)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (reshape(dy, call.inputs[0].shape),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((3, 4)), (floats(2, 6),))
        yield Sample(cls((2, 1, 6)), (floats(2, 6),))
        yield Sample(cls(()), (floats(1, 1),))


@op("broadcast_to")
class BroadcastTo(Op):
    """x -> y [*shape] by NumPy broadcasting."""

    shape: Shape = ()

    def infer(self, x: TensorType) -> TensorType:
        broadcast_shapes(x.shape, self.shape)
        return x.with_shape(self.shape)

    def evaluate(self, x: Array) -> Array:
        return np.broadcast_to(x, as_ints(self.shape))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (unbroadcast(dy, call.inputs[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((2, 3)), (floats(3),))
        yield Sample(cls((4, 2, 3)), (floats(2, 1),))
        yield Sample(cls((2, 2)), (floats(),))


@dataclass(frozen=True, repr=False)
class Reduction(Op):
    """x -> x reduced over `axes`, which disappear or, with `keepdims`, become 1."""

    axes: tuple[int, ...] = ()
    keepdims: bool = False

    def infer(self, x: TensorType) -> TensorType:
        axes = {normalize_axis(axis, x.rank, f"{self.name} axis") for axis in self.axes}
        if len(axes) != len(self.axes):
            raise ShapeError(describe("an axis is reduced twice", expected="distinct axes", got=self.axes))
        dims = [
            1 if axis in axes else size
            for axis, size in enumerate(x.shape)
            if self.keepdims or axis not in axes
        ]
        return x.with_shape(dims)

    def expand(self, reduced: Value, x: Value) -> Value:
        """A result of this reduction with the reduced axes back as 1, so that it broadcasts against `x`."""
        return reshape(reduced, kept_shape(x.shape, self.axes))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for axes, keepdims in (
            ((0,), False),
            ((-1,), True),
            ((0, 2), False),
            ((0, 1, 2), False),
            ((1, 2), True),
        ):
            yield Sample(cls(axes, keepdims), (floats(2, 3, 4),))


@op("reduce_sum")
class ReduceSum(Reduction):
    """The sum over `axes`."""

    def evaluate(self, x: Array) -> Array:
        return np.sum(x, self.axes, keepdims=self.keepdims, dtype=x.dtype)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        (x,) = call.inputs
        return (broadcast_to(self.expand(dy, x), x.shape),)


def kept_shape(shape: Shape, axes: Sequence[int]) -> Shape:
    """`shape` with 1 on each of `axes`."""
    reduced = {axis % len(shape) for axis in axes}
    return tuple(1 if axis in reduced else size for axis, size in enumerate(shape))


def reshape(x: Value, shape: Sequence[Dim]) -> Value:
    """`x` in another shape; one -1 stands for what is left. The same value when nothing changes.

    Raises ShapeError when the sizes are known and do not divide; where they vary the run finds out.
    """
    target = list(shape)
    if -1 in target:
        hole = target.index(-1)
        known = product(d for i, d in enumerate(target) if i != hole)
        total = product(x.shape)
        if known == 0 or (isinstance(known, int) and isinstance(total, int) and total % known):
            raise ShapeError(
                describe("cannot infer the -1 of a reshape", expected=f"{x.type} to divide", got=shape)
            )
        target[hole] = floordiv(total, known)
    return x if tuple(target) == x.shape else Reshape(tuple(target))(x)


def broadcast_to(x: Value, shape: Sequence[Dim]) -> Value:
    """`x` broadcast; the same value when it has that shape."""
    return x if x.shape == tuple(shape) else BroadcastTo(tuple(shape))(x)


def unbroadcast(dy: Value, operand: Value) -> Value:
    """Sum `dy` over the axes along which `operand` was broadcast: the gradient of broadcasting."""
    lead = dy.rank - operand.rank
    repeated = tuple(
        axis
        for axis, size in enumerate(dy.shape)
        if axis < lead or (operand.shape[axis - lead] == 1 and size != 1)
    )
    if repeated:
        dy = ReduceSum(repeated, False)(dy)
    return reshape(dy, operand.shape)
