"""Normalisation over a batch. Ioffe and Szegedy, "Batch normalization", 2015.

x [.., c, ..] has channels on `axis`; scale, offset, mean and variance are [c]. The two forms are two ops: with given
statistics it is one multiplication and one addition, which folds into a convolution before it; with the statistics of
the batch the gradient runs through them too.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from kgraph.ops.shape import DimValue


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
        """1 / sqrt(variance + epsilon)."""
        return Reciprocal()(sqrt(add(variance, self.epsilon)))


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


def _plus(a: Value | None, b: Value) -> Value:
    return b if a is None else add(a, b)
