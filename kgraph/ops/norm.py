"""Normalisation: over a batch, or within a sample.

Over a batch: Ioffe and Szegedy, "Batch normalization", 2015. x [.., c, ..] has channels on `axis`; scale, offset, mean
and variance are [c]. The two forms are two ops: with given statistics it is one multiplication and one addition, which
folds into a convolution before it; with the statistics of the batch the gradient runs through them too.

Within a sample: Ba et al., "Layer normalization", 2016, with statistics over any axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Dim, product
from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import TensorType, normalize_axis
from kgraph.ops.base import expect_float, same_dtype
from kgraph.ops.broadcast import ReduceSum, reshape
from kgraph.ops.elementwise import Reciprocal, add, div, mul, neg, sqrt, square, sub
from kgraph.ops.reduce import ReduceMean
from kgraph.ops.samples import floats
from kgraph.ops.shape import DimValue, full


@dataclass(frozen=True, repr=False)
class _Normalization(Op):
    axis: int = 1
    epsilon: float = 1e-3

    def check(self, x: TensorType, *parameters: TensorType) -> Dim:
        """The number of channels. Raises ShapeError unless every parameter has one element per channel."""
        expect_float(x)
        same_dtype(x, *parameters)
        channels = x.shape[normalize_axis(self.axis, x.rank, f"{self.name} axis")]
        for parameter in parameters:
            if parameter.shape != (channels,):
                raise ShapeError(
                    describe(f"{self.name}: one element per channel", expected=f"[{channels}]", got=parameter)
                )
        return channels

    def others(self, x: Value) -> tuple[int, ...]:
        """The axes that statistics are taken over."""
        return tuple(axis for axis in range(x.rank) if axis != self.axis % x.rank)

    def along(self, parameter: Value, x: Value) -> Value:
        """A vector over channels in the shape that broadcasts against `x`."""
        shape: list[Dim] = [1] * x.rank
        shape[self.axis] = x.shape[self.axis]
        return reshape(parameter, shape)

    def inverse_deviation(self, variance: Value) -> Value:
        return inverse_deviation(variance, self.epsilon)


@op("batch_norm")
class BatchNorm(_Normalization):
    """x, scale, offset, mean, variance -> (x - mean) / sqrt(variance + epsilon) * scale + offset."""

    def infer(self, x: TensorType, *parameters: TensorType) -> TensorType:
        self.check(x, *parameters)
        return x

    def decompose(self, x: Value, scale: Value, offset: Value, mean: Value, variance: Value) -> Value:
        factor, shift = self.as_affine(scale, offset, mean, variance)
        return add(mul(x, self.along(factor, x)), self.along(shift, x))

    def as_affine(self, scale: Value, offset: Value, mean: Value, variance: Value) -> tuple[Value, Value]:
        """factor [c], shift [c] with y = x factor + shift: what a convolution absorbs."""
        factor = mul(scale, self.inverse_deviation(variance))
        return factor, sub(offset, mul(mean, factor))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for axis, shape in ((1, (2, 3, 4, 5)), (-1, (4, 3)), (1, (2, 3)), (-1, (2, 4, 3))):
            vectors = [floats(3), floats(3, high=1.0), floats(3, low=-1.0), floats(3, low=0.1)]
            yield Sample(cls(axis), (floats(*shape), *vectors))


@op("batch_norm_train")
class BatchNormTrain(_Normalization):
    """x, scale, offset -> y, mean, variance: y normalised by the mean and the (biased) variance of x itself."""

    def infer(self, x: TensorType, *parameters: TensorType) -> tuple[TensorType, TensorType, TensorType]:
        statistic = x.with_shape((self.check(x, *parameters),))
        return x, statistic, statistic

    def decompose(self, x: Value, scale: Value, offset: Value) -> tuple[Value, Value, Value]:
        mean, centred, variance = self.statistics(x)
        factor = self.along(mul(scale, self.inverse_deviation(variance)), x)
        return add(mul(centred, factor), self.along(offset, x)), mean, variance

    def statistics(self, x: Value) -> tuple[Value, Value, Value]:
        """mean [c], x - mean, variance [c]."""
        mean = ReduceMean(self.others(x), False)(x)
        centred = sub(x, self.along(mean, x))
        return mean, centred, ReduceMean(self.others(x), False)(square(centred))

    def vjp(self, call: Call, dy: Value | None, dmean: Value | None, dvariance: Value | None) -> Gradients:
        """With z = x - mean, r = 1 / sqrt(variance + epsilon) and f = scale r, per channel:

        dx = f dy + z (2/n dvariance - f r^2 mean(dy z)) + (1/n dmean - f mean(dy)).
        """
        x, scale, _ = call.inputs
        _, centred, variance = self.statistics(x)
        inverse = self.inverse_deviation(variance)
        count = DimValue(product(x.shape[axis] for axis in self.others(x)), x.dtype)()
        slope: Value | None = None if dvariance is None else mul(div(dvariance, count), 2.0)
        level: Value | None = None if dmean is None else div(dmean, count)
        dx = dscale = doffset = None
        if dy is not None:
            total = ReduceSum(self.others(x), False)
            factor = mul(scale, inverse)
            doffset, moment = total(dy), total(mul(dy, centred))
            dscale = mul(moment, inverse)
            slope = _plus(slope, neg(mul(div(mul(dscale, inverse), count), factor)))
            level = _plus(level, neg(mul(div(doffset, count), factor)))
            dx = mul(dy, self.along(factor, x))
        if slope is not None:
            dx = _plus(dx, mul(centred, self.along(slope, x)))
        if level is not None:
            dx = _plus(dx, self.along(level, x))
        return dx, dscale, doffset

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for axis, shape in ((1, (2, 3, 4, 5)), (-1, (4, 3)), (-1, (2, 4, 3))):
            yield Sample(cls(axis), (floats(*shape), floats(3), floats(3, high=1.0)))


@op("layer_norm")
class LayerNorm(Op):
    """x, scale, offset -> (x - mean) / sqrt(variance + epsilon) * scale + offset, the statistics over `axes`.

    `axes` ascend from the front; scale and offset have their sizes, in that order. With z the normalised x and
    g = scale dy the gradient is dx = (g - mean(g) - z mean(g z)) / sqrt(variance + epsilon).
    """

    axes: tuple[int, ...] = (-1,)
    epsilon: float = 1e-3

    def infer(self, x: TensorType, scale: TensorType, offset: TensorType) -> TensorType:
        expect_float(x)
        same_dtype(x, scale, offset)
        axes = sorted({normalize_axis(axis, x.rank, f"{self.name} axis") for axis in self.axes})
        sizes = tuple(x.shape[axis] for axis in axes)
        for parameter in (scale, offset):
            if parameter.shape != sizes or len(axes) != len(self.axes):
                raise ShapeError(
                    describe(
                        f"{self.name}: one element for each of axes {axes}", expected=sizes, got=parameter
                    )
                )
        return x

    def decompose(self, x: Value, scale: Value, offset: Value) -> Value:
        normal, _ = standardise(x, self.axes, self.epsilon)
        return add(mul(normal, along_axes(scale, x, self.axes)), along_axes(offset, x, self.axes))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        x, scale, offset = call.inputs
        normal, inverse = standardise(x, self.axes, self.epsilon)
        mean, moment = ReduceMean(self.axes, True), mul(dy, normal)
        weight = along_axes(scale, x, self.axes)
        level, slope = mean(mul(dy, weight)), mean(mul(moment, weight))
        dx = mul(sub(sub(mul(dy, weight), level), mul(normal, slope)), inverse)
        axes = {axis % x.rank for axis in self.axes}
        total = ReduceSum(tuple(axis for axis in range(x.rank) if axis not in axes), False)
        return dx, reshape(total(moment), scale.shape), reshape(total(dy), offset.shape)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for axes, sizes in (((-1,), (4,)), ((1,), (3,)), ((1, 2), (3, 4)), ((0, 2), (2, 4))):
            yield Sample(cls(axes), (floats(2, 3, 4), floats(*sizes), floats(*sizes, high=1.0)))


def layer_norm(
    x: Value, scale: Value | None, offset: Value | None, axes: Sequence[int], epsilon: float
) -> Value:
    """`LayerNorm` over `axes`, which ascend from the front, as far as there are scale and offset."""
    sizes = [x.shape[axis] for axis in axes]
    scale = full(sizes, 1.0, x.dtype) if scale is None else scale
    offset = full(sizes, 0.0, x.dtype) if offset is None else offset
    return LayerNorm(tuple(axes), epsilon)(x, scale, offset)


def standardise(x: Value, axes: Sequence[int], epsilon: float) -> tuple[Value, Value]:
    """(x - mean) / sqrt(variance + epsilon) over `axes`, and what x - mean was multiplied by for that."""
    mean = ReduceMean(tuple(axes), True)
    centred = sub(x, mean(x))
    inverse = inverse_deviation(mean(square(centred)), epsilon)
    return mul(centred, inverse), inverse


def rms_norm(x: Value, axes: Sequence[int], epsilon: float) -> Value:
    """x / sqrt(mean(x^2) + epsilon) over `axes`. Zhang and Sennrich, "Root mean square layer normalization", 2019."""
    return mul(x, inverse_deviation(ReduceMean(tuple(axes), True)(square(x)), epsilon))


def along_axes(parameter: Value, x: Value, axes: Sequence[int]) -> Value:
    """A parameter with the sizes of some axes of `x`, in their order, in the shape that broadcasts against `x`."""
    chosen = {axis % x.rank for axis in axes}
    sizes: list[Dim] = [size if axis in chosen else 1 for axis, size in enumerate(x.shape)]
    return reshape(parameter, sizes[min(chosen) :])


def inverse_deviation(variance: Value, epsilon: float) -> Value:
    """1 / sqrt(variance + epsilon)."""
    return Reciprocal()(sqrt(add(variance, epsilon)))


def _plus(a: Value | None, b: Value) -> Value:
    return b if a is None else add(a, b)
