"""Functional models: what joins, what is shared, what is taken out again, and graphs that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import backend as K
from kgraph.keras import layers as L

X = np.random.RandomState(0).randn(12, 4).astype("float32")
Z = np.random.RandomState(2).randn(12, 4).astype("float32")
Y = np.random.RandomState(1).randn(12, 1).astype("float32")


def test_a_shared_layer_has_one_set_of_weights_which_both_uses_train() -> None:
    a, b, shared = keras.Input((4,)), keras.Input((4,)), L.Dense(1, use_bias=False)
    model = keras.Model([a, b], L.add([shared(a), shared(b)]))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    (w,) = model.get_weights()
    model.train_on_batch([X, Z], Y)
    error = (X + Z) @ w - Y
    np.testing.assert_allclose(
        model.get_weights()[0], w - 0.1 * 2 * (X + Z).T @ error / len(X), rtol=1e-5, atol=1e-6
    )


def test_a_siamese_model_trains_the_model_inside() -> None:
    base = keras.Sequential([L.Dense(5, input_shape=(4,), activation="tanh"), L.Dense(2)])
    a, b = keras.Input((4,)), keras.Input((4,))
    distance = L.Lambda(lambda t: K.sum(K.square(t[0] - t[1]), axis=1, keepdims=True))([base(a), base(b)])
    model = keras.Model([a, b], distance)
    model.compile("adam", "mse")
    before = base.get_weights()
    history = model.fit([X, Z], Y * 0, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert (before[0] != base.get_weights()[0]).any()
    assert len(model.weights) == len(base.weights) == 4
    found = ((base.predict(X) - base.predict(Z)) ** 2).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict([X, Z]), found, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("how", [{"name": "hidden"}, {"index": 1}])
def test_a_model_up_to_an_inner_layer_shares_its_weights(how: dict[str, Any]) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1)(L.Dense(3, name="hidden", activation="relu")(x)))
    part = keras.Model(model.input, model.get_layer(**how).output)
    w, b = model.get_layer("hidden").get_weights()
    np.testing.assert_allclose(part.predict(X), np.maximum(X @ w + b, 0), rtol=1e-5, atol=1e-6)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(X, Y, verbose=0)
    w, b = model.get_layer("hidden").get_weights()
    np.testing.assert_allclose(part.predict(X), np.maximum(X @ w + b, 0), rtol=1e-5, atol=1e-6)


def test_every_inner_output_can_be_an_output() -> None:
    model = keras.Sequential([L.Dense(3, input_shape=(4,)), L.Activation("relu"), L.Dense(2)])
    whole = keras.Model(model.inputs, [layer.output for layer in model.layers])
    first, second, third = whole.predict(X)
    np.testing.assert_array_equal(np.maximum(first, 0), second)
    np.testing.assert_array_equal(third, model.predict(X))


def test_nested_models_train_as_one() -> None:
    inner = keras.Sequential([L.Dense(3, input_shape=(4,)), L.Dropout(0.5)], name="inner")
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1)(inner(x)))
    model.compile("sgd", "mse")
    assert model.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    assert len({model.train_on_batch(X, Y) for _ in range(4)}) == 4
    assert model.get_layer("inner") is inner
    assert len(model.trainable_weights) == 4


def test_models_of_one_layer_over_the_same_input_do_not_disturb_each_other() -> None:
    x = keras.Input((4,))
    normal = L.BatchNormalization(momentum=0.5)
    middle = normal(x)
    first, second = keras.Model(x, L.Dense(1)(middle)), keras.Model(x, L.Dense(1)(middle))
    for model in (first, second):
        model.compile("sgd", "mse")
        before = normal.moving_mean.numpy()
        model.train_on_batch(X, Y)
        np.testing.assert_allclose(
            normal.moving_mean.numpy(), 0.5 * before + 0.5 * X.mean(0), rtol=1e-5, atol=1e-6
        )


def test_inputs_may_be_tensors_that_exist_already() -> None:
    constant = keras.Input(tensor=K.constant(X))
    fed = keras.Input((4,))
    model = keras.Model([constant, fed], L.subtract([constant, fed]))
    np.testing.assert_allclose(model.predict(X, batch_size=len(X)), X * 0)


def test_outputs_by_name_are_called_and_come_back_by_name() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, {"mean": L.Dense(1, name="d1")(x), "parts": L.Dense(2, name="d2")(x)})
    model.compile("sgd", {"mean": "mse", "parts": "mae"}, metrics={"mean": "mae"})
    assert model.metrics_names == ["loss", "mean_loss", "parts_loss", "mean_mae"]
    model.fit(X, {"parts": np.zeros((12, 2)), "mean": Y}, verbose=0)
    found = model.predict(X)
    assert {name: array.shape for name, array in found.items()} == {"mean": (12, 1), "parts": (12, 2)}
    assert list(model.predict_on_batch(X)) == ["mean", "parts"]
    np.testing.assert_allclose(found["mean"], X @ model.get_layer("d1").get_weights()[0], atol=0.1)


def test_an_output_may_have_no_axis_but_the_batch() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, L.Lambda(lambda t: K.sum(t, axis=-1))(x))
    model.compile("sgd", "mse", weighted_metrics=["mae"])
    errors, weights = X.sum(1) - Y[:, 0], np.arange(12.0)
    wanted = [(weights * errors**2).mean(), (weights * abs(errors)).sum() / weights.sum()]
    for y in (Y, Y[:, 0]):
        found = model.evaluate(X, y, sample_weight=weights, batch_size=5, verbose=0)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert model.predict(X).shape == (12,)


DISORDERS: dict[str, tuple[Callable[[], Any], str]] = {
    "disconnected": (
        lambda: keras.Model(keras.Input((3,), name="here"), L.Dense(1)(keras.Input((3,), name="there"))),
        "disconnected(.|\n)*here(.|\n)*there",
    ),
    "arrays": (lambda: keras.Model(X, Y), "outputs of layers"),
    "layers": (lambda: keras.Model(L.Dense(3), L.Dense(4)), "outputs of layers(.|\n)*Dense"),
    "no outputs": (lambda: keras.Model(keras.Input((3,))), "outputs of layers(.|\n)*None"),
    "input twice": (
        lambda: (lambda x: keras.Model([x, x], L.Dense(1)(x)))(keras.Input((3,), name="here")),
        "listed twice(.|\n)*here",
    ),
    "one name twice": (
        lambda: (lambda x: keras.Model(x, L.Dense(3, name="d")(L.Dense(3, name="d")(x))))(keras.Input((3,))),
        "'d' twice",
    ),
    "no such layer": (
        lambda: keras.Sequential([L.Dense(1, name="d")]).get_layer("e"),
        "no such layer(.|\n)*e",
    ),
    "no such index": (lambda: keras.Sequential([L.Dense(1)]).get_layer(index=4), "index(.|\n)*4"),
    "which layer": (lambda: keras.Sequential([L.Dense(1)]).get_layer(), "a name or an index"),
    "rank": (lambda: L.LSTM(3, name="rnn")(keras.Input((4,))), "rnn(.|\n)*rank 3(.|\n)*float32.batch, 4"),
    "two inputs": (
        lambda: L.Dense(3, name="one")([keras.Input((4,)), keras.Input((4,))]),
        "one: wrong number of inputs(.|\n)*1(.|\n)*2",
    ),
    "not a tensor": (lambda: L.Dense(3)("text"), "text"),
    "uncalled": (lambda: L.Dense(3, name="alone").output, "alone was never called"),
    "called twice": (
        lambda: (lambda d, x: (d(x), d(x), d.output))(L.Dense(3, name="busy"), keras.Input((4,))),
        "busy has 2",
    ),
}


@pytest.mark.parametrize("disorder", DISORDERS)
def test_a_graph_that_is_none_says_what_is_wrong_with_it(disorder: str) -> None:
    make, text = DISORDERS[disorder]
    with pytest.raises((ValueError, TypeError), match=text):
        make()
