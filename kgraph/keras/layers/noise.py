"""Layers that add noise in training and are the identity otherwise: Dropout and its relatives."""

from __future__ import annotations

from typing import Any

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Dim
from kgraph.ir.graph import Value
from kgraph.keras import backend as K
from kgraph.keras.backend.shape import spatial_axes
from kgraph.keras.layers.arguments import fraction
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.nodes import InputSpec
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.ops.elementwise import add, mul
from kgraph.ops.logic import where
from kgraph.ops.random import RNG, RandomBernoulli, dropout, random_normal, salt_of


class Salted(Layer):
    """A layer that draws random numbers.

    The same `seed`, or the same place in the same model without one, gives the same ones where the random state of the
    model is the same.
    """

    def __init__(self, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self._draws = 0

    def salt(self) -> int:
        """A number that keeps this draw apart from all others of the model."""
        self._draws += 1
        return salt_of(None if self.seed is None else int(self.seed), self._draws)


class Noise(Salted):
    """Base of the layers that differ in training only. A subclass says how in `disturb`."""

    supports_masking = True

    def call(self, inputs: Tensor, training: Any = None) -> Tensor:
        return K.in_train_phase(lambda: Tensor(self.disturb(inputs.value)), inputs, training)

    def disturb(self, x: Value) -> Value:
        """What becomes of `x` in training."""
        raise NotImplementedError


class Dropping(Noise):
    """Base of the layers that set elements to 0 with probability `rate` and scale the others by 1 / (1 - rate)."""

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = fraction(rate, "rate")

    def disturb(self, x: Value) -> Value:
        if self.rate == 1:
            return mul(x, 0.0)
        return dropout(x, self.rate, self.salt(), self.noise_dims(x))

    def noise_dims(self, x: Value) -> tuple[Dim, ...] | None:
        """The shape of what is drawn, which broadcasts to that of `x`; None for that of `x` itself."""
        return None


class Dropout(Dropping):
    """Each element becomes 0 with probability `rate`, and the others are scaled by 1 / (1 - rate).

    `noise_shape` broadcasts to the shape of the input: along an axis of size 1 elements share their fate; None stands
    for the size of the input. Srivastava et al., "Dropout", JMLR 2014.
    """

    @legacy(rate="p")
    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def noise_dims(self, x: Value) -> tuple[Dim, ...] | None:
        """Raises ShapeError when the noise shape does not broadcast to `x`."""
        return None if self.noise_shape is None else broadcast_noise(self.noise_shape, x, self.name)


class SpatialDropout1D(Dropping):
    """Drops features of a sequence [batch, steps, features], each for all steps.

    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.
    """

    @legacy(rate="p")
    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def noise_dims(self, x: Value) -> tuple[Dim, ...]:
        return x.shape[0], 1, x.shape[2]


class SpatialDropout(Dropping):
    """Drops whole channels of images or volumes."""

    spatial = 2

    @legacy(rate="p", data_format="dim_ordering")
    def __init__(
        self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = K.normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.spatial + 2)

    def noise_dims(self, x: Value) -> tuple[Dim, ...]:
        places = spatial_axes(x.rank, self.data_format)
        return tuple(1 if axis in places else size for axis, size in enumerate(x.shape))


class SpatialDropout2D(SpatialDropout):
    """Drops whole channels of images."""

    spatial = 2


class SpatialDropout3D(SpatialDropout):
    """Drops whole channels of volumes."""

    spatial = 3


class GaussianNoise(Noise):
    """y = x + normal(0, stddev)."""

    @legacy(stddev="sigma")
    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.stddev = float(stddev)

    def disturb(self, x: Value) -> Value:
        return add(x, random_normal(x.shape, self.salt(), 0.0, self.stddev, x.dtype))


class GaussianDropout(Noise):
    """y = x normal(1, sqrt(rate / (1 - rate))). Srivastava et al., "Dropout", JMLR 2014, section 10."""

    @legacy(rate="p")
    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = fraction(rate, "rate", below=1)

    def disturb(self, x: Value) -> Value:
        deviation = (self.rate / (1 - self.rate)) ** 0.5
        return mul(x, random_normal(x.shape, self.salt(), 1.0, deviation, x.dtype))


class AlphaDropout(Noise):
    """Dropout that keeps mean and variance of what a selu gives: dropped elements become its limit at minus infinity.

    With the limit m = -1.7580993408473766 and q = 1 - rate: y = a (kept ? x : m) + b, a = (q (1 + rate m²))^-1/2,
    b = -a m rate. Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.
    """

    limit = -1.7580993408473766

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = fraction(rate, "rate", below=1)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def disturb(self, x: Value) -> Value:
        shape = x.shape if self.noise_shape is None else broadcast_noise(self.noise_shape, x, self.name)
        kept = RandomBernoulli(shape, self.salt(), 1 - self.rate)(RNG)
        scale = ((1 - self.rate) * (1 + self.rate * self.limit**2)) ** -0.5
        return add(mul(where(kept, x, self.limit), scale), -scale * self.limit * self.rate)


def broadcast_noise(noise_shape: tuple[int | None, ...], x: Value, layer: str) -> tuple[Dim, ...]:
    """A noise shape with the sizes of `x` for None. Raises ShapeError when it does not broadcast to `x`."""
    fits = len(noise_shape) == x.rank and all(
        size in (None, 1, given) or not isinstance(given, int)
        for size, given in zip(noise_shape, x.shape, strict=True)
    )
    if not fits:
        raise ShapeError(
            describe(
                f"layer {layer}: noise_shape does not fit",
                expected=f"1, None or the size for each axis of {x.type}",
                got=noise_shape,
                where=layer,
            )
        )
    return tuple(given if size is None else size for size, given in zip(noise_shape, x.shape, strict=True))
