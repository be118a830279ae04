"""Random tensors: their distributions, and that each run draws others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import backend as K

SHAPE = (50, 400)


@pytest.mark.parametrize(
    ("draw", "mean", "deviation", "bounds"),
    [
        (lambda: K.random_normal(SHAPE, 1.0, 2.0), 1.0, 2.0, (-12, 14)),
        (lambda: K.truncated_normal(SHAPE, 1.0, 2.0), 1.0, 2.0 * 0.8796, (-3, 5)),
        (lambda: K.random_uniform(SHAPE, -1.0, 3.0), 1.0, 4 / np.sqrt(12), (-1, 3)),
        (lambda: K.random_uniform(SHAPE, 0, 4, "int32"), 1.5, np.sqrt(1.25), (0, 3)),
        (lambda: K.random_binomial(SHAPE, 0.25), 0.25, np.sqrt(0.1875), (0, 1)),
        (lambda: K.random_normal_variable(SHAPE, 1.0, 2.0), 1.0, 2.0, (-12, 14)),
        (lambda: K.random_uniform_variable(SHAPE, -1.0, 3.0), 1.0, 4 / np.sqrt(12), (-1, 3)),
    ],
)
def test_distributions(draw: Any, mean: float, deviation: float, bounds: tuple[float, float]) -> None:
    made = K.eval(draw())
    assert made.shape == SHAPE
    assert made.mean() == pytest.approx(mean, abs=0.05 * deviation)
    assert made.std() == pytest.approx(deviation, rel=0.03)
    assert bounds[0] <= made.min() < made.max() <= bounds[1]
    assert (made != K.eval(draw())).any()


def test_seeds_repeat() -> None:
    for draw in (K.random_normal, K.random_uniform, K.truncated_normal):
        np.testing.assert_array_equal(K.eval(draw((3, 4), seed=3)), K.eval(draw((3, 4), seed=3)))
    first, second = (K.random_normal_variable((3,), 0, 1, seed=5) for _ in range(2))
    np.testing.assert_array_equal(K.eval(first), K.eval(second))


def test_each_run_of_a_function_draws_others() -> None:
    x = K.placeholder((None, 8))
    f = K.function([x], [K.random_uniform(K.shape(x)), K.random_uniform((), dtype="float64")])
    (a, one), (b, other) = f([np.zeros((5, 8))]), f([np.zeros((5, 8))])
    assert a.shape == (5, 8)
    assert (a != b).any()
    assert one != other


def test_dropout_keeps_the_mean_and_shares_fates_along_axes_of_size_one() -> None:
    x = np.ones((200, 50), "float32")
    made = K.eval(K.dropout(x, 0.25))
    np.testing.assert_allclose(np.unique(made), [0, 4 / 3], rtol=1e-6)
    assert made.mean() == pytest.approx(1, abs=0.03)
    rows = K.eval(K.dropout(x, 0.5, noise_shape=(None, 1)))
    assert ((rows == 0).all(1) | (rows == 2).all(1)).all()
    np.testing.assert_array_equal(K.eval(K.dropout(x, 0.0)), x)
    with pytest.raises(ValueError, match="level"):
        K.dropout(x, 1.0)
