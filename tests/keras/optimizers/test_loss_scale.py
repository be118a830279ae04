"""The loss scale: when it grows and falls, and what a step that overflows leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import ArgumentError, UnsupportedError
from kgraph.keras import backend as K
from kgraph.keras import layers, optimizers

X, Y = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")


def compiled(optimizer: Any, loss: Any = "mse") -> Any:
    model = keras.Sequential([layers.Dense(2, input_shape=(3,), kernel_initializer="ones")])
    model.compile(optimizer, loss)
    return model


def scale(model: Any) -> float:
    return float(model.optimizer.dynamic_scale.numpy())


def test_scaling_and_scaling_back_changes_nothing() -> None:
    plain, scaled = (
        compiled(o) for o in (optimizers.Adam(0.1), optimizers.LossScaleOptimizer(optimizers.Adam(0.1)))
    )
    for model in (plain, scaled):
        model.fit(X, Y, epochs=5, batch_size=2, verbose=0)
    for mine, theirs in zip(scaled.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)  # powers of two are exact
    assert scaled.optimizer.iterations.numpy() == 10
    assert scaled.optimizer.learning_rate.numpy() == np.float32(0.1)


def test_clips_are_of_the_gradients_scaled_back() -> None:
    made = [
        optimizers.SGD(0.1, clipnorm=0.5),
        optimizers.LossScaleOptimizer(optimizers.SGD(0.1, clipnorm=0.5)),
    ]
    weights = []
    for optimizer in made:
        model = compiled(optimizer)
        model.train_on_batch(X, Y)
        weights.append(model.get_weights()[0])
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-6)


def test_steps_that_are_finite_double_the_scale() -> None:
    model = compiled(
        optimizers.LossScaleOptimizer(optimizers.SGD(0.01), initial_scale=4, dynamic_growth_steps=3)
    )
    scales = []
    for _ in range(7):
        model.train_on_batch(X, Y)
        scales.append((scale(model), int(model.optimizer.step_counter.numpy())))
    assert scales == [(4, 1), (4, 2), (8, 0), (8, 1), (8, 2), (16, 0), (16, 1)]


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_step_that_is_not_finite_is_left_out(bad: float) -> None:
    model = compiled(
        optimizers.LossScaleOptimizer(optimizers.Adam(0.01), initial_scale=4, dynamic_growth_steps=3)
    )
    model.train_on_batch(X, Y)
    before = [*model.get_weights(), *(v.numpy() for v in model.optimizer.inner_optimizer.variables)]
    broken = X.copy()
    broken[1, 2] = bad
    model.train_on_batch(broken, Y)
    after = [*model.get_weights(), *(v.numpy() for v in model.optimizer.inner_optimizer.variables)]
    for mine, theirs in zip(after, before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert (scale(model), int(model.optimizer.step_counter.numpy())) == (2, 0)
    model.train_on_batch(X, Y)
    assert model.optimizer.iterations.numpy() == 2


def test_the_rate_is_that_of_the_inner_optimizer() -> None:
    model = compiled(optimizers.LossScaleOptimizer(optimizers.SGD(0.1)))
    K.set_value(model.optimizer.lr, 0.0)
    before = model.get_weights()[0]
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    model.optimizer.learning_rate = 0.5
    assert model.optimizer.inner_optimizer.lr.numpy() == 0.5


@pytest.mark.parametrize("asked", [True, False])
def test_compiling_scales_where_half_precision_needs_it(asked: bool) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([layers.Dense(2, input_shape=(3,))])
    finally:
        keras.config.set_dtype_policy(None)
    model.compile("sgd", "mse", auto_scale_loss=asked)
    assert (type(model.optimizer) is optimizers.LossScaleOptimizer) == asked
    model.compile(model.optimizer, "mse")  # not twice
    assert type(model.optimizer.inner_optimizer) is optimizers.SGD


def test_what_cannot_be_scaled_is_refused() -> None:
    class Own(optimizers.Optimizer):
        def get_updates(self, loss: Any, params: Any) -> Any:
            return [(p, p - 0.1 * g) for p, g in zip(params, self.get_gradients(loss, params), strict=True)]

    with pytest.raises(UnsupportedError, match="Own"):
        optimizers.LossScaleOptimizer(Own())
    with pytest.raises(ArgumentError, match="once"):
        optimizers.LossScaleOptimizer(optimizers.LossScaleOptimizer(optimizers.SGD()))
