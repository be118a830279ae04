"""What batch normalisation does beyond its laws: moving statistics, masks, freezing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentTypeError, NotBuiltError, ShapeError
from kgraph.keras.layers import BatchNormalization, Dense, Input
from kgraph.keras.models import Model, Sequential
from tests.oracle import keras, keras_value, needs_keras

X = np.random.default_rng(0).normal(3.0, 2.0, (16, 4)).astype("float32")
Y = np.zeros((16, 4), "float32")


def normalizer(**kwargs: Any) -> Sequential:
    model = Sequential([BatchNormalization(input_shape=(4,), **kwargs)])
    model.compile("sgd", "mse")
    return model


def test_training_moves_the_statistics_towards_those_of_the_batch() -> None:
    model = normalizer(momentum=0.9)
    model.train_on_batch(X, Y)
    _, _, mean, variance = model.get_weights()
    np.testing.assert_allclose(mean, 0.1 * X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * X.var(0), rtol=1e-5)


def test_evaluation_uses_the_moving_statistics_and_leaves_them() -> None:
    model = normalizer(center=False, scale=False)
    before = model.get_weights()
    model.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(model.predict(X), X / np.sqrt(1.001), rtol=1e-5)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("when", ["before the graph", "after the graph"])
def test_a_layer_frozen_before_compile_stays_as_it_is(when: str) -> None:
    layer = BatchNormalization()
    layer.trainable = when != "before the graph"
    x = Input((4,))
    model = Model(x, Dense(4)(layer(x)))
    layer.trainable = False
    model.compile("sgd", "mse")
    before = layer.get_weights()
    model.train_on_batch(X, Y)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_freezing_changes_what_is_learned_from_and_takes_effect_at_compile() -> None:
    model = normalizer()
    model.layers[0].trainable = False
    trained_loss = model.train_on_batch(X, Y)
    assert trained_loss == pytest.approx(1.0, rel=1e-2)  # normalised by the batch: compiled as trainable
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, Y) > 2.0  # the moving statistics are far from those of the batch
    model.layers[0].trainable = True
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, Y) == pytest.approx(1.0, rel=5e-2)


def test_two_models_may_freeze_a_shared_layer_or_not() -> None:
    layer = BatchNormalization()
    x = Input((4,))
    y = layer(x)
    free, frozen = Model(x, y), Model(x, y)
    layer.trainable = False
    frozen.compile("sgd", "mse")
    layer.trainable = True
    free.compile("sgd", "mse")
    assert frozen.train_on_batch(X, Y) > 2.0
    np.testing.assert_array_equal(layer.get_weights()[2], np.zeros(4))
    assert free.train_on_batch(X, Y) == pytest.approx(1.0, rel=1e-2)


@needs_keras
def test_masked_steps_do_not_count_in_training() -> None:
    sequence = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    mask = np.arange(5) < np.array([[5], [3], [2]])
    theirs = keras().layers.BatchNormalization(momentum=0.5)
    wanted = keras_value(theirs(sequence, mask=mask, training=True))
    layer = BatchNormalization(momentum=0.5)
    x, m = Input((5, 4)), Input((5,), dtype="bool")
    model = Model([x, m], layer(x, mask=m))
    model.compile("sgd", "mse")
    loss = model.train_on_batch([sequence, mask], np.zeros_like(sequence))
    assert loss == pytest.approx(np.mean(wanted[mask] ** 2), rel=1e-4)
    for got, statistic in zip(
        layer.get_weights()[2:], [theirs.moving_mean, theirs.moving_variance], strict=True
    ):
        np.testing.assert_allclose(got, keras_value(statistic.value), rtol=1e-5)


def test_bad_arguments_and_inputs_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="axis"):
        BatchNormalization(axis="last")
    with pytest.raises(NotBuiltError, match="channels"):
        BatchNormalization()(Input((3, None)))
    layer = BatchNormalization()
    layer(Input((4,)))
    with pytest.raises(ShapeError, match="size 4"):
        layer(Input((5,)))
