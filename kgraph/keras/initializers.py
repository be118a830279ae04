"""Initialisers: what weights start from. They make NumPy arrays on the host.

An initialiser with a `seed` makes the same array each time. One without draws from NumPy's global generator, so
`numpy.random.seed` makes a whole program repeatable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.keras import settings
from kgraph.keras.utils.lookup import Lookup

Array = np.ndarray[Any, np.dtype[Any]]

# The standard deviation of a standard normal distribution cut off at -2 and 2.
TRUNCATED_DEVIATION = 0.87962566103423978


class Initializer:
    """Base of all: a callable from shape and dtype to an array, with the configuration to make it again."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        # Files of tf.keras have a dtype, which is an argument of the call.
        return cls(**{key: value for key, value in config.items() if key != "dtype"})

    def clone(self) -> Self:
        """Another one with the same configuration."""
        return type(self).from_config(self.get_config())


class Constant(Initializer):
    """All elements are `value`: a number, or an array that broadcasts to the shape."""

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.full(shape, self.value, dtype or settings.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value.tolist() if isinstance(self.value, np.ndarray) else self.value}


class Zeros(Initializer):
    """All elements are 0."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.zeros(shape, dtype or settings.floatx())


class Ones(Initializer):
    """All elements are 1."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.ones(shape, dtype or settings.floatx())


class Identity(Initializer):
    """A matrix with `gain` on the diagonal. Raises ShapeError for another rank than 2."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        if len(shape) != 2:
            raise ShapeError(describe("Identity initialises matrices", expected="rank 2", got=tuple(shape)))
        return (self.gain * np.eye(*shape)).astype(dtype or settings.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base of those that draw: a subclass says what, and `seed` from where."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed

    def draw(self, generator: Any, shape: tuple[int, ...]) -> Array:
        """An array of float64 from a generator of `numpy.random`."""
        raise NotImplementedError

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        generator = np.random if self.seed is None else np.random.RandomState(self.seed)
        return np.asarray(self.draw(generator, tuple(shape)), dtype or settings.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


class RandomNormal(RandomInitializer):
    """Normally distributed with this mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def draw(self, generator: Any, shape: tuple[int, ...]) -> Array:
        return generator.normal(self.mean, self.stddev, shape)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class TruncatedNormal(RandomNormal):
    """Normally distributed, where what lies more than two standard deviations from the mean is drawn again."""

    def draw(self, generator: Any, shape: tuple[int, ...]) -> Array:
        return self.mean + self.stddev * _truncated(generator, shape)


class RandomUniform(RandomInitializer):
    """Uniformly distributed in [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def draw(self, generator: Any, shape: tuple[int, ...]) -> Array:
        return generator.uniform(self.minval, self.maxval, shape)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("normal", "truncated_normal", "untruncated_normal", "uniform")


class VarianceScaling(RandomInitializer):
    """Mean 0 and variance scale / n, where n is the number of inputs, of outputs, or their mean.

    "normal" and "truncated_normal" mean the same: cut off at two standard deviations, with the variance corrected for
    it. "uniform" draws from (-r, r) with r = sqrt(3 scale / n). Glorot and Bengio, 2010; He et al., 2015.
    Raises ArgumentError for a scale that is not positive, an unknown mode or an unknown distribution.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if scale <= 0:
            raise ArgumentError(describe("VarianceScaling: scale", expected="a positive number", got=scale))
        self.scale, self.mode, self.distribution = scale, mode.lower(), distribution.lower()
        for name, value, known in (
            ("mode", self.mode, MODES),
            ("distribution", self.distribution, DISTRIBUTIONS),
        ):
            if value not in known:
                raise ArgumentError(
                    describe(f"VarianceScaling: {name}", expected=f"one of {known}", got=repr(value))
                )

    def draw(self, generator: Any, shape: tuple[int, ...]) -> Array:
        fan_in, fan_out = _fans(shape)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return generator.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return generator.normal(0.0, math.sqrt(variance), shape)
        return math.sqrt(variance) / TRUNCATED_DEVIATION * _truncated(generator, shape)

    def get_config(self) -> dict[str, Any]:
        own = {"scale": self.scale, "mode": self.mode, "distribution": self.distribution}
        return {**own, **super().get_config()}


class Orthogonal(RandomInitializer):
    """An orthogonal matrix times `gain`; of higher rank, one whose leading axes taken together are its rows.

    Where rows outnumber columns the columns are orthonormal, otherwise the rows. It is the Q of a QR decomposition of a
    normal matrix, made unique by a positive diagonal of R. Saxe et al., 2014. Raises ShapeError below rank 2.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def draw(self, generator: Any, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            raise ShapeError(
                describe("Orthogonal initialises matrices", expected="rank 2 or more", got=shape)
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(generator.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    """How many inputs and outputs a kernel [*window, inputs, outputs] connects with each of the other side.

    >>> _fans((3, 3, 16, 32))
    (144, 288)
    """
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def _truncated(generator: Any, shape: tuple[int, ...]) -> Array:
    """A standard normal sample in which everything beyond ±2 was drawn again."""
    made = np.asarray(generator.normal(size=shape))
    outside = np.abs(made) > 2
    while outside.any():
        made[outside] = generator.normal(size=int(outside.sum()))
        outside = np.abs(made) > 2
    return made


def glorot_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform in (-r, r) with r = sqrt(6 / (fan_in + fan_out)), also called Xavier. Glorot and Bengio, 2010."""
    return VarianceScaling(1.0, "fan_avg", "uniform", seed)


def glorot_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal of variance 2 / (fan_in + fan_out). Glorot and Bengio, 2010."""
    return VarianceScaling(1.0, "fan_avg", "normal", seed)


def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform in (-r, r) with r = sqrt(6 / fan_in). He et al., 2015."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal of variance 2 / fan_in. He et al., 2015."""
    return VarianceScaling(2.0, "fan_in", "normal", seed)


def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform in (-r, r) with r = sqrt(3 / fan_in). LeCun et al., 1998."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal of variance 1 / fan_in. LeCun et al., 1998."""
    return VarianceScaling(1.0, "fan_in", "normal", seed)


zero = zeros = Zeros
one = ones = Ones
constant = Constant
uniform = random_uniform = RandomUniform
normal = random_normal = RandomNormal
truncated_normal = TruncatedNormal
identity = IdentityInitializer = Identity
orthogonal = OrthogonalInitializer = Orthogonal
# Keras 3 has classes where Keras 2 has functions. What they make is saved as VarianceScaling, which both can read.
GlorotUniform, GlorotNormal = glorot_uniform, glorot_normal
HeUniform, HeNormal = he_uniform, he_normal
LecunUniform, LecunNormal = lecun_uniform, lecun_normal

_LOOKUP = Lookup("initializer", globals(), Initializer, factories=True)
get, serialize, deserialize = _LOOKUP.get, _LOOKUP.serialize, _LOOKUP.deserialize
