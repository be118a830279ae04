"""The quality of the random numbers, by statistics that are unit normal when the numbers are good; bound at 5."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.errors import ArgumentError, ShapeError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Value, Variable
from kgraph.ir.interpret import run
from kgraph.ir.types import Array, TensorType
from kgraph.ops.elementwise import add
from kgraph.ops.random import (
    RNG,
    Dropout,
    RandomBernoulli,
    RandomBits,
    RandomNormal,
    RandomTruncatedNormal,
    RandomUniform,
    ShiftRight,
    advance,
    dropout,
    number_salts,
    random_normal,
    random_uniform,
    salt_of,
    uses_rng,
)
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.scan import scan
from kgraph.passes.autodiff import gradients

ROWS, COLUMNS, DRAWS = 48, 160, 60
STATE = Input("rng", TensorType("uint32", (2,)))


def draw(make: Callable[[Value], Value], seed: int, counter: int) -> Array:
    function = Function("draw", (STATE,), {"y": make(STATE)})
    outputs, _ = run(function, [np.array([seed, counter], "uint32")])
    return outputs["y"]


def over_counters(index: int, shape: tuple[int, ...]) -> Array:
    return draw(RandomBits(shape, 5), 1, index)


def over_seeds(index: int, shape: tuple[int, ...]) -> Array:
    return draw(RandomBits(shape, 5), index, 0)


def over_salts(index: int, shape: tuple[int, ...]) -> Array:
    return draw(RandomBits(shape, index), 3, 7)


@pytest.fixture(scope="module", params=[over_counters, over_seeds, over_salts])
def bits(request: pytest.FixtureRequest) -> Array:
    """DRAWS matrices that differ in one of counter, seed and salt."""
    return np.stack([request.param(index, (ROWS, COLUMNS)) for index in range(DRAWS)])


PROBABILITIES = (0.5, 0.2)
Signs = dict[float, Array]


def standardised(below: Array, probability: float) -> Array:
    """Indicators with mean 0 and variance 1."""
    return (below - probability) / np.sqrt(probability * (1 - probability))


def of_bits(probability: float, index: int) -> Array:
    return draw(RandomBits((ROWS, COLUMNS), 5), 1, index) < round(probability * 2**32)


def of_coins(probability: float, index: int) -> Array:
    return draw(RandomBernoulli((ROWS, COLUMNS), 5, probability), 1, index)


def of_coins_by_seed(probability: float, index: int) -> Array:
    return draw(RandomBernoulli((ROWS, COLUMNS), 5, probability), index, 0)


def of_coins_by_salt(probability: float, index: int) -> Array:
    return draw(RandomBernoulli((ROWS, COLUMNS), index, probability), 3, 7)


@pytest.fixture(scope="module", params=[of_bits, of_coins, of_coins_by_seed, of_coins_by_salt])
def signs(request: pytest.FixtureRequest) -> Signs:
    """By probability: DRAWS matrices of standardised indicators, of bits below a threshold or of coins."""
    return {
        p: standardised(np.stack([request.param(p, index) for index in range(DRAWS)]), p)
        for p in PROBABILITIES
    }


def z_score(products: Array) -> float:
    """The mean of independent terms of mean 0 and variance 1, in its standard deviations."""
    return abs(float(products.mean())) * float(np.sqrt(products.size))


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_thresholds_are_met_with_their_probability(signs: Signs, probability: float) -> None:
    assert z_score(signs[probability]) < 5


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["draws", "rows", "columns"])
@pytest.mark.parametrize("lag", [1, 2, 3, 16])
def test_neighbours_are_uncorrelated(signs: Signs, axis: int, lag: int) -> None:
    for probability in PROBABILITIES:
        s = np.moveaxis(signs[probability], axis, 0)
        assert z_score(s[lag:] * s[:-lag]) < 5


def test_the_corners_of_rectangles_are_uncorrelated(signs: Signs) -> None:
    """What a plain sum of a row hash and a column hash fails."""
    s = signs[0.5]
    rng = np.random.default_rng(0)
    i, j = rng.integers(1, ROWS, 4000), rng.integers(1, COLUMNS, 4000)
    k, m = rng.integers(0, i), rng.integers(0, j)
    corners = s[:, i, j] * s[:, i, m] * s[:, k, j] * s[:, k, m]
    assert z_score(corners) < 5
    spread = corners.mean(0) * np.sqrt(DRAWS)
    assert abs(spread.var() - 1) / np.sqrt(2 / spread.size) < 6


@pytest.mark.parametrize("axis", [1, 2], ids=["rows", "columns"])
def test_no_two_rows_or_columns_are_alike(signs: Signs, axis: int) -> None:
    """All pairs: the correlations have the variance of chance, and none stands out."""
    s = np.moveaxis(signs[0.5], axis, 0).reshape(signs[0.5].shape[axis], -1)
    correlations = (s @ s.T)[np.triu_indices(len(s), 1)] / np.sqrt(s.shape[1])
    assert abs(correlations.var() - 1) / np.sqrt(2 / correlations.size) < 5
    assert np.abs(correlations).max() < 6


def test_sums_of_rows_and_columns_scatter_as_they_should(signs: Signs) -> None:
    s = signs[0.2]
    for axis in (1, 2):
        sums = s.sum(axis) / np.sqrt(s.shape[axis])
        assert abs(sums.var() - 1) / np.sqrt(2 / sums.size) < 5


@pytest.mark.parametrize("byte", range(4))
def test_bytes_are_uniform(bits: Array, byte: int) -> None:
    counts = np.bincount(((bits >> np.uint32(8 * byte)) & np.uint32(255)).ravel(), minlength=256)
    expected = bits.size / 256
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - 255) / np.sqrt(2 * 255) < 5


def test_every_single_bit_is_fair_and_ignores_its_neighbour(bits: Array) -> None:
    for bit in range(32):
        s = ((bits >> np.uint32(bit)) & np.uint32(1)) * 2.0 - 1
        assert z_score(s) < 5
        for axis in range(3):
            t = np.moveaxis(s, axis, 0)
            assert z_score(t[1:] * t[:-1]) < 5


def test_nothing_repeats() -> None:
    seen = [
        draw(RandomBits((4, 8), salt), seed, counter).tobytes()
        for seed in (0, 1, 2**32 - 1)
        for counter in (0, 1, 2, 2**31)
        for salt in (0, 1, 2, 1 << 31)
    ]
    assert len(set(seen)) == len(seen)


def test_uniform_numbers_fill_their_range() -> None:
    y = draw(RandomUniform((400, 500), 1, "float32", -2.0, 3.0), 1, 1)
    assert y.dtype == np.float32
    assert -2.0 <= y.min() < -1.9999
    assert 2.9999 < y.max() <= 3.0
    assert z_score((y - 0.5) / (5 / np.sqrt(12))) < 5


def kolmogorov(y: Array, cumulative: Callable[[float], float]) -> float:
    """The Kolmogorov-Smirnov distance in its natural unit; above 2 with probability 7e-4."""
    y = np.sort(y.ravel())
    below = np.array([cumulative(value) for value in y])
    return float(np.abs(below - (np.arange(y.size) + 0.5) / y.size).max() * np.sqrt(y.size))


def normal_cumulative(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def test_normal_numbers_are_normal() -> None:
    y = draw(RandomNormal((100, 300), 2, "float64", 1.0, 2.0), 5, 0)
    assert kolmogorov((y - 1.0) / 2.0, normal_cumulative) < 2


def test_truncated_normal_numbers_stay_within_two_deviations() -> None:
    y = (draw(RandomTruncatedNormal((100, 300), 2, "float64", 1.0, 3.0), 5, 0) - 1.0) / 3.0
    low, high = normal_cumulative(-2.0), normal_cumulative(2.0)
    assert np.abs(y).max() < 2.0 + 1e-6
    assert kolmogorov(y, lambda x: (normal_cumulative(x) - low) / (high - low)) < 2


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_certainty_is_certain(probability: float) -> None:
    assert np.all(draw(RandomBernoulli((50, 50), 1, probability), 0, 0) == probability)


def test_dropout_keeps_the_mean_and_passes_its_mask_to_the_gradient() -> None:
    x = Input("x", TensorType("float32", (300, 100)))
    y = Dropout(0.2, 1)(x, STATE)
    (dx,) = gradients(reduce_sum(y), [x])
    function = Function("f", (x, STATE), {"y": y, "dx": dx})
    outputs, _ = run(function, [np.ones((300, 100), "float32"), np.array([4, 5], "uint32")])
    assert set(np.unique(outputs["y"])) == {0.0, np.float32(1.25)}
    assert np.array_equal(outputs["y"], outputs["dx"])
    assert z_score((outputs["y"] - 1.0) / 0.5) < 5


def test_dropout_shares_fates_along_axes_of_size_one() -> None:
    x = Input("x", TensorType("float32", (4, 5, 6)))
    function = Function("f", (x, STATE), {"y": Dropout(0.5, 1, (4, 1, 6))(x, STATE)})
    outputs, _ = run(function, [np.ones((4, 5, 6), "float32"), np.array([4, 5], "uint32")])
    assert np.array_equal(outputs["y"], np.broadcast_to(outputs["y"][:, :1], (4, 5, 6)))
    assert len(np.unique(outputs["y"])) == 2


@pytest.mark.parametrize("backend", ["reference", "onnx"])
def test_a_run_counts_on_and_draws_the_same_bits_on_every_backend(backend: str) -> None:
    own = Variable("rng", np.array([9, 0xFFFFFFFE], "uint32"), role="rng")
    shape = (symbol("batch"), 3, 5)
    x = Input("x", TensorType("float32", shape))
    traced = Function("f", (x,), {"bits": RandomBits(shape, 3)(RNG), "y": dropout(x, 0.4, 2)})
    function = traced.replace({RNG: own})
    function = Function("f", function.inputs, function.outputs, {own: advance(own)})
    with config.using(backend=backend, device="cpu"):
        executable = compile_program([function])
    data = np.ones((7, 3, 5), "float32")
    for counter in (0xFFFFFFFE, 0xFFFFFFFF, 0):  # the counter wraps around
        found, kept = executable.run("f", [data])
        assert np.array_equal(found, draw(RandomBits((7, 3, 5), 3), 9, counter))
        assert np.array_equal(kept != 0, draw(RandomBernoulli((7, 3, 5), 2, 0.6), 9, counter))
    assert own.storage.read().tolist() == [9, 1]


def test_a_function_knows_whether_it_draws() -> None:
    x = Input("x", TensorType("float32", (2, 3)))
    assert not uses_rng(Function("f", (x,), {"y": add(x, 1.0)}))
    assert uses_rng(Function("f", (x,), {"y": dropout(x, 0.5, 0)}))
    assert uses_rng(Function("f", (), {"y": add(random_normal((2,), 0), random_uniform((2,), 1))}))
    assert dropout(x, 0.0, 0) is x


def test_mistakes_are_named() -> None:
    x = Input("x", TensorType("float32", (2, 3)))
    with pytest.raises(ArgumentError, match="rate out of range"):
        Dropout(1.0, 0)(x, RNG)
    with pytest.raises(ShapeError, match="uint32"):
        ShiftRight(3)(x)


def made_with(salts: Sequence[int]) -> Function:
    """A function that draws with these salts, in this order."""
    drawn = [RandomBits((3,), salt)(RNG) for salt in salts]
    return Function("f", (), {f"y{i}": value for i, value in enumerate(drawn)})


def salts_of(function: Function) -> list[int]:
    return [call.op.salt for call in function.calls()]


def test_numbered_salts_follow_from_the_function_alone() -> None:
    def numbered(busy: int) -> list[int]:
        for _ in range(busy):
            salt_of(None, 1)  # what the process has made before
        free, again = salt_of(None, 1), salt_of(None, 1)
        return salts_of(number_salts(made_with([free, again, free, salt_of(7, busy + 1), salt_of(7, 99), 5])))

    first = numbered(0)
    assert numbered(3) == first
    assert first[0] == first[2], "equal salts stay equal"
    assert len(set(first)) == 5, "different ones stay different"
    assert first[-1] == 5, "what was said stays"
    assert all(0 <= salt < 2**32 for salt in first)
    assert salts_of(number_salts(number_salts(made_with(first)))) == first


def test_salts_inside_of_loops_are_numbered() -> None:
    def drawn_along(xs: Value) -> list[int]:
        def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            (state,), (x,) = carries, slices
            return [advance(state)], [add(x, RandomUniform((2,), salt_of(None, 1))(state))]

        _, (made,) = scan(step, [RNG], [xs])
        (call,) = number_salts(Function("f", (xs,), {"y": made})).calls()
        return [inner.op.salt for inner in call.op.body.calls() if isinstance(inner.op, RandomUniform)]

    xs = Input("xs", TensorType("float32", (5, 2)))
    first = drawn_along(xs)
    assert len(first) == 1
    assert drawn_along(xs) == first
