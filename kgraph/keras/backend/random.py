"""Random numbers of K. Each run of a compiled function draws others; a `seed` says which ones, given its state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.ir.graph import Function
from kgraph.keras import settings
from kgraph.keras.backend.math import as_float
from kgraph.keras.backend.sizes import as_dims
from kgraph.keras.backend.state import variable
from kgraph.keras.tensor import Tensor, Variable
from kgraph.ops import random as ops
from kgraph.ops.elementwise import Floor
from kgraph.ops.logic import cast

Seed = int | None


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: Seed = None
) -> Tensor:
    """Normally distributed numbers."""
    kind = dtype or settings.floatx()
    return Tensor(ops.RandomNormal(as_dims(shape), _salt(seed), kind, float(mean), float(stddev))(ops.RNG))


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: Seed = None
) -> Tensor:
    """Normally distributed numbers within two standard deviations of the mean."""
    kind = dtype or settings.floatx()
    node = ops.RandomTruncatedNormal(as_dims(shape), _salt(seed), kind, float(mean), float(stddev))
    return Tensor(node(ops.RNG))


def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: str | None = None, seed: Seed = None
) -> Tensor:
    """Numbers uniform in [minval, maxval), of a floating-point or an integer dtype."""
    kind = dtype or settings.floatx()
    whole = np.dtype(kind).kind in "iu"
    of = settings.floatx() if whole else kind
    drawn = ops.RandomUniform(as_dims(shape), _salt(seed), of, float(minval), float(maxval))(ops.RNG)
    return Tensor(cast(Floor()(drawn), kind) if whole else drawn)


def random_binomial(shape: Any, p: float = 0.0, dtype: str | None = None, seed: Seed = None) -> Tensor:
    """1 with probability p, else 0."""
    drawn = ops.RandomBernoulli(as_dims(shape), _salt(seed), float(p))(ops.RNG)
    return Tensor(cast(drawn, dtype or settings.floatx()))


def dropout(x: Any, level: float, noise_shape: Any = None, seed: Seed = None) -> Tensor:
    """`x` with each element 0 with probability `level` and scaled by 1 / (1 - level) otherwise, in any phase.

    `noise_shape` broadcasts to the shape of `x`; elements along its axes of size 1 share their fate. Raises
    ArgumentError for a level outside of [0, 1).
    """
    if not 0.0 <= level < 1.0:
        raise ArgumentError(describe("K.dropout: level", expected="at least 0 and below 1", got=level))
    value = as_float(x)
    noise = None
    if noise_shape is not None:
        sizes = zip(as_dims(noise_shape), value.shape, strict=True)
        noise = tuple(own if size == -1 else size for size, own in sizes)
    return Tensor(ops.dropout(value, float(level), _salt(seed), noise))


def random_normal_variable(
    shape: Sequence[int],
    mean: float,
    scale: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: Seed = None,
) -> Variable:
    """A variable that starts with normally distributed numbers."""
    return variable(_generator(seed).normal(mean, scale, tuple(shape)), dtype, name)


def random_uniform_variable(
    shape: Sequence[int],
    low: float,
    high: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: Seed = None,
) -> Variable:
    """A variable that starts with uniformly distributed numbers."""
    return variable(_generator(seed).uniform(low, high, tuple(shape)), dtype, name)


def random_state(name: str) -> Variable:
    """The state that a compiled function draws from; NumPy's generator gives the seed."""
    seed = np.random.randint(0, 2**32, dtype=np.uint32)
    return Variable([seed, 0], "uint32", f"{name}/random_state", role="rng")


def with_random_state(function: Function, state: Variable) -> Function:
    """The function with a random state of its own in place of the process-wide one, advanced by each run.

    What is not numbered yet is numbered from far above what may be, as the draws of an optimizer are.
    """
    if not ops.uses_rng(function):
        return function
    made = ops.number_salts(function, 1 << 16).replace({ops.RNG: state.variable})
    updates = {**made.updates, state.variable: ops.advance(state.variable)}
    return Function(made.name, made.inputs, made.outputs, updates)


def _salt(seed: Seed) -> int:
    """What keeps one draw apart from others: the seed, or a number that no other draw has."""
    return ops.salt_of(None, 1) if seed is None else int(seed) & 0xFFFFFFFF


def _generator(seed: Seed) -> Any:
    return np.random if seed is None else np.random.RandomState(seed)
