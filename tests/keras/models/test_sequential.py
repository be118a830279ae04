"""Sequential models: built at once or late, grown, popped, and unharmed by layers that refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import layers as L

X = np.random.RandomState(0).randn(12, 4).astype("float32")
Y = np.random.RandomState(1).randn(12, 1).astype("float32")

FIRST_LAYERS = {
    "input_shape": lambda: [L.Dense(3, input_shape=(4,))],
    "batch_input_shape": lambda: [L.Dense(3, batch_input_shape=(None, 4))],
    "input_dim": lambda: [L.Dense(3, input_dim=4)],
    "Input": lambda: [keras.Input((4,)), L.Dense(3)],
    "InputLayer": lambda: [L.InputLayer(input_shape=(4,)), L.Dense(3)],
    "model": lambda: [keras.Sequential([L.Dense(3, input_shape=(4,))])],
}


@pytest.mark.parametrize("first", FIRST_LAYERS)
def test_each_way_to_give_the_input_shape_builds_at_once(first: str) -> None:
    model = keras.Sequential([*FIRST_LAYERS[first](), L.Dense(1)])
    assert model.built
    assert model.input_shape == (None, 4)
    assert model.output_shape == (None, 1)
    assert model.predict(X).shape == (12, 1)


def test_embedding_takes_its_length_from_input_length() -> None:
    model = keras.Sequential([L.Embedding(9, 3, input_length=5), L.Flatten()])
    assert (model.input_shape, model.output_shape) == ((None, 5), (None, 15))


@pytest.mark.parametrize("start", ["fit", "predict", "train_on_batch", "call", "build"])
def test_without_an_input_shape_the_first_data_builds(start: str) -> None:
    model = keras.Sequential([L.Dense(3), L.Dense(1)])
    assert not model.built
    assert model.weights == []
    model.compile("sgd", "mse")
    starts: dict[str, Any] = {
        "fit": lambda: model.fit(X, Y, verbose=0),
        "predict": lambda: model.predict(X),
        "train_on_batch": lambda: model.train_on_batch(X, Y),
        "call": lambda: model(X),
        "build": lambda: model.build((None, 4)),
    }
    starts[start]()
    assert model.built
    assert [w.shape for w in model.weights] == [(4, 3), (3,), (3, 1), (1,)]
    assert model.fit(X, Y, verbose=0, epochs=2).epoch == [0, 1]


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float64"])
def test_late_models_take_data_of_any_number_type(dtype: str) -> None:
    model = keras.Sequential([L.Dense(3), L.Dense(1)])
    assert model.predict(X.astype(dtype)).dtype == np.float32


def test_late_models_take_indices() -> None:
    model = keras.Sequential([L.Embedding(7, 3), L.GlobalAveragePooling1D(), L.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.random.randint(0, 7, (12, 5)), Y, verbose=0)


def test_a_late_model_that_cannot_be_built_says_why_each_time_and_can_be_mended() -> None:
    model = keras.Sequential([L.Dense(3), L.Conv2D(3, 3, name="picture")])
    model.compile("sgd", "mse")
    for _ in range(2):
        with pytest.raises(ValueError, match="picture"):
            model.fit(X, Y, verbose=0)
    model.pop()
    model.add(L.Dense(1))
    model.fit(X, Y, verbose=0)


def test_pop_takes_the_top_layer_away_and_leaves_one_node_per_layer() -> None:
    model = keras.Sequential([L.Dense(3, input_shape=(4,)), L.Dense(2), L.Dense(1)])
    whole = model.predict(X)
    weights = [w.numpy() for w in model.layers[1].weights]
    model.pop()
    assert model.output_shape == (None, 2)
    assert model.layers[1].output_shape == (None, 2)
    assert all(len(layer._inbound_nodes) == 1 for layer in model.layers)
    assert model.layers[1]._outbound_nodes == []
    for before, after in zip(weights, model.layers[1].get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    model.add(L.Dense(1))
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert whole.shape == model.predict(X).shape


def test_pop_empties_a_model_which_then_starts_anew() -> None:
    model = keras.Sequential([L.Dense(3, input_shape=(4,))])
    model.pop()
    assert (model.layers, model.weights) == ([], [])
    with pytest.raises(TypeError, match="no layer to pop"):
        model.pop()
    model.add(L.Dense(2, input_shape=(5,)))
    assert model.input_shape == (None, 5)


def test_pop_leaves_other_uses_of_a_layer_alone() -> None:
    shared = L.Dense(2)
    model = keras.Sequential([L.Dense(3, input_shape=(4,)), shared])
    other = keras.Input((3,))
    branch = keras.Model(other, shared(other))
    model.pop()
    assert model.output_shape == (None, 3)
    assert branch.predict(X[:, :3]).shape == (12, 2)


@pytest.mark.parametrize(
    ("layer", "error"),
    [
        (L.Conv2D(3, 3, name="picture"), "picture"),
        (L.Dense(3, name="taken"), "'taken' twice"),
        ("Dense", "only layers can be added"),
        (L.Dense, "only layers can be added"),
    ],
)
def test_a_layer_that_does_not_fit_is_refused_and_the_model_stays_as_it_was(layer: Any, error: str) -> None:
    model = keras.Sequential([L.Dense(3, input_shape=(4,), name="taken")])
    model.compile("sgd", "mse")
    before = model.predict(X)
    with pytest.raises((ValueError, TypeError), match=error):
        model.add(layer)
    assert [la.name for la in model.layers] == ["taken"]
    np.testing.assert_array_equal(model.predict(X), before)
    model.add(L.Dense(1))
    model.fit(X, Y, verbose=0)


def test_an_empty_model_says_that_it_has_no_layers() -> None:
    model = keras.Sequential()
    model.compile("sgd", "mse")
    for attempt in (lambda: model.predict(X), lambda: model.fit(X, Y, verbose=0), lambda: model(X)):
        with pytest.raises(ValueError, match="has no layers"):
            attempt()
