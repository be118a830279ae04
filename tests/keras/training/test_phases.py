"""What differs between training and the rest: frozen layers, dropout, statistics, penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import backend as K
from kgraph.keras import layers as L
from tests.keras.training.small import N, X, Y, regression


def changed(model: Any, before: list[np.ndarray]) -> list[bool]:
    return [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]


def test_freezing_is_read_at_compile_so_two_models_of_one_layer_can_differ() -> None:
    shared, x = L.Dense(3), keras.Input((4,))
    y = L.Dense(1)(shared(x))
    shared.trainable = False
    frozen = keras.Model(x, y)
    frozen.compile("sgd", "mse")
    shared.trainable = True
    free = keras.Model(x, y)
    free.compile("sgd", "mse")
    for model, moves in ((frozen, False), (free, True), (frozen, False)):
        before = shared.get_weights()
        model.fit(X, Y, verbose=0)
        assert changed(shared, before) == [moves, moves]


@pytest.mark.parametrize("all_of_it", [True, False])
def test_freezing_after_compile_waits_for_the_next_compile(all_of_it: bool) -> None:
    model = keras.Sequential([L.Dense(3, input_shape=(4,), kernel_regularizer="l2"), L.Dense(1)])
    target = model if all_of_it else model.layers[0]
    model.compile("sgd", "mse")
    target.trainable = False
    before, loss = model.get_weights(), model.train_on_batch(X, Y)
    assert changed(model, before) == [True] * 4
    model.set_weights(before)
    model.compile("sgd", "mse")
    target.trainable = True
    penalty = 0.01 * (before[0] ** 2).sum()  # only weights that train are held small
    np.testing.assert_allclose(model.train_on_batch(X, Y), loss - penalty, rtol=1e-5)
    assert changed(model, before) == [False, False, not all_of_it, not all_of_it]


@pytest.mark.parametrize("scaled", [True, False])
def test_a_frozen_normalisation_infers_while_the_rest_trains(scaled: bool) -> None:
    normal = L.BatchNormalization(momentum=0.5, scale=scaled, center=scaled)
    model = keras.Sequential([L.Dense(3, input_shape=(4,)), normal, L.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    normal.trainable = False
    model.compile("sgd", "mse")
    before, loss = normal.get_weights(), model.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(model.train_on_batch(X, Y), loss, rtol=1e-6)
    assert not any(changed(normal, before))
    normal.trainable = True
    model.fit(X, Y, verbose=0)
    assert not any(changed(normal, before))
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert all(changed(normal, before))


def test_freezing_the_statistics_after_compile_waits_too() -> None:
    normal = L.BatchNormalization()
    model = keras.Sequential([L.Dense(3, input_shape=(4,)), normal, L.Dense(1)])
    model.compile("sgd", "mse")
    normal.trainable = False
    before = normal.get_weights()
    model.fit(X, Y, verbose=0)
    model.fit(X, Y, sample_weight=np.ones(N), verbose=0)  # another variant of the step, traced only now
    assert all(changed(normal, before))


def test_dropout_and_noise_act_in_training_only() -> None:
    model = keras.Sequential([L.Dense(8, input_shape=(4,)), L.Dropout(0.5), L.GaussianNoise(1.0), L.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    np.testing.assert_array_equal(model.predict(X), model.predict(X))
    assert len({model.test_on_batch(X, Y) for _ in range(3)}) == 1
    assert len({model.train_on_batch(X, Y) for _ in range(3)}) == 3


@pytest.mark.parametrize("training", [True, False])
def test_a_layer_can_be_told_its_phase(training: bool) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, L.Dropout(0.5)(x, training=training))
    assert bool((model.predict(X) == X).all()) != training


def test_penalties_act_in_training_only() -> None:
    model = keras.Sequential(
        [
            L.Dense(
                1, input_shape=(4,), kernel_regularizer="l1", activity_regularizer=keras.regularizers.L2(0.5)
            )
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse")
    y = model.predict(X)
    loss = ((y - Y) ** 2).mean()
    penalty = 0.01 * np.abs(model.get_weights()[0]).sum() + 0.5 * (y**2).sum() / N
    np.testing.assert_allclose(model.train_on_batch(X, Y), loss + penalty, rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X, Y), loss, rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), loss, rtol=1e-5)
    history = model.fit(X, Y, batch_size=N, validation_data=(X, Y), verbose=0).history
    np.testing.assert_allclose(
        [history["loss"][0], history["val_loss"][0]], [loss + penalty, loss], rtol=1e-5
    )
    assert len(model.losses) == 2


class Adds(L.Layer):
    """Adds a loss and a metric, in Keras 2's way."""

    def call(self, inputs: Any) -> Any:
        self.add_loss(0.5 * K.sum(K.square(inputs)))
        self.add_metric(K.max(inputs), name="largest", aggregation="mean")
        return inputs


def test_added_losses_count_always_and_added_metrics_are_means_over_the_epoch() -> None:
    model = keras.Sequential([Adds(input_shape=(4,)), L.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    assert model.metrics_names == ["loss", "largest"]
    loss = ((model.predict(X) - Y) ** 2).mean()
    for numbers in (model.train_on_batch(X, Y), model.test_on_batch(X, Y)):
        np.testing.assert_allclose(numbers, [loss + 0.5 * (X**2).sum(), X.max()], rtol=1e-5)
    history = model.fit(X, Y, batch_size=10, shuffle=False, verbose=0).history
    largest = np.mean([X[i : i + 10].max() for i in range(0, N, 10)])
    np.testing.assert_allclose(history["largest"], largest, rtol=1e-5)


def test_losses_and_metrics_of_one_use_of_a_layer_do_not_count_for_another() -> None:
    layer, first, second = Adds(), keras.Input((4,)), keras.Input((4,))
    one, other = keras.Model(first, layer(first)), keras.Model(second, L.Dense(1)(layer(second)))
    other.compile(keras.optimizers.SGD(0.0), "mse")
    loss = ((other.predict(X) - Y) ** 2).mean() + 0.5 * (X**2).sum()
    np.testing.assert_allclose(other.test_on_batch(X, Y), [loss, X.max()], rtol=1e-5)
    assert one.predict(X).shape == X.shape


def test_a_model_may_train_on_added_losses_alone() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, Adds()(L.Dense(2)(x)))
    model.compile("sgd")
    losses = model.fit(X, epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[1] < losses[0]
    assert model.evaluate(X, verbose=0)[0] > 0


def test_without_any_loss_there_is_nothing_to_train_but_metrics_to_read() -> None:
    model = regression()
    model.compile("sgd", metrics=["mae"])
    with pytest.raises(ValueError, match=r"nothing to minimise(.|\n)*loss"):
        model.fit(X, Y, verbose=0)
    wanted = np.abs(model.predict(X) - Y).mean()
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), [0, wanted], rtol=1e-5)


def test_states_of_recurrent_layers_carry_over_batches_until_they_are_reset() -> None:
    model = keras.Sequential([L.SimpleRNN(3, stateful=True, batch_input_shape=(2, 2, 4)), L.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    series = np.random.RandomState(0).randn(2, 4, 4)
    whole = keras.Sequential([L.SimpleRNN(3, input_shape=(4, 4)), L.Dense(1)])
    whole.set_weights(model.get_weights())
    for _ in range(2):
        model.predict(series[:, :2])
        np.testing.assert_allclose(model.predict(series[:, 2:]), whole.predict(series), rtol=1e-5, atol=1e-6)
        model.reset_states()
    first = model.train_on_batch(series[:, :2], Y[:2])
    assert model.train_on_batch(series[:, :2], Y[:2]) != first
    model.reset_states()
    assert model.train_on_batch(series[:, :2], Y[:2]) == first
