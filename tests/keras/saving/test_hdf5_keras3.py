"""HDF5 files between kgraph and real Keras 3: predictions and the state of optimizers, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from tests.oracle import keras as real_keras
from tests.oracle import needs_keras

# Keras reads its own variables in a way that NumPy warns of.
pytestmark = [needs_keras, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


def dense(k: Any) -> Any:
    L = k.layers
    return k.Sequential([k.Input((6,)), L.Dense(4, activation="relu"), L.BatchNormalization(), L.Dense(2)])


def nested(k: Any) -> Any:
    L = k.layers
    x, y = k.Input((4,)), k.Input((6,))
    inner = k.Model(x, L.Dense(3)(L.BatchNormalization()(L.Dense(4)(x))), name="inner")
    shared = L.Dense(4, name="shared")
    joined = L.Concatenate()([inner(shared(y)), inner(shared(L.Activation("tanh")(y)))])
    return k.Model(y, [L.Dense(2)(joined), joined])


def frozen(k: Any) -> Any:
    model = nested(k)
    model.get_layer("inner").layers[1].trainable = False
    model.get_layer("shared").trainable = False
    return model


def recurrent(k: Any) -> Any:
    L = k.layers
    x = k.Input((5, 6))
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    y = L.GRU(4, reset_after=False, return_sequences=True)(y)
    y = L.TimeDistributed(L.Dense(3))(L.GRU(4, return_sequences=True)(y))
    return k.Model(x, L.RNN([L.LSTMCell(3), L.GRUCell(4), L.SimpleRNNCell(2)])(y))


def convolutional(k: Any) -> Any:
    L = k.layers
    x = k.Input((8, 8, 3))
    y = L.SeparableConv2D(4, 3)(L.DepthwiseConv2D(2)(L.Conv2D(3, 3)(x)))
    return k.Model(x, L.PReLU(shared_axes=[1, 2])(L.Conv2DTranspose(2, 3)(y)))


def text(k: Any) -> Any:
    L = k.layers
    return k.Sequential([k.Input((7,)), L.Embedding(10, 4, mask_zero=True), L.LSTM(3), L.Dense(1)])


MODELS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "dense": (dense, (3, 6)),
    "nested": (nested, (3, 6)),
    "frozen": (frozen, (3, 6)),
    "recurrent": (recurrent, (2, 5, 6)),
    "convolutional": (convolutional, (2, 8, 8, 3)),
    "text": (text, (3, 7)),
}


def sample(name: str) -> Any:
    rng, shape = np.random.default_rng(0), MODELS[name][1]
    return rng.integers(0, 10, shape) if name == "text" else rng.normal(size=shape).astype("float32")


def scrambled(model: Any) -> Any:
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    return model


def predictions(model: Any, x: Any) -> list[Any]:
    found = model.predict(x, verbose=0)
    return found if isinstance(found, list) else [found]


def assert_same(a: list[Any], b: list[Any]) -> None:
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_keras_loads_here(name: str, tmp_path: Path) -> None:
    theirs, x = scrambled(MODELS[name][0](real_keras())), sample(name)
    theirs.save(tmp_path / "m.h5")
    ours = keras.models.load_model(tmp_path / "m.h5", compile=False)
    assert_same(predictions(ours, x), predictions(theirs, x))
    fresh = MODELS[name][0](keras)
    fresh.load_weights(tmp_path / "m.h5")
    assert_same(predictions(fresh, x), predictions(theirs, x))


@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_ours_loads_in_keras(name: str, tmp_path: Path) -> None:
    ours, x = scrambled(MODELS[name][0](keras)), sample(name)
    ours.save(tmp_path / "m.h5")
    theirs = real_keras().models.load_model(tmp_path / "m.h5", compile=False)
    assert_same(predictions(theirs, x), predictions(ours, x))
    ours.save_weights(tmp_path / "w.h5")
    fresh = MODELS[name][0](real_keras())
    fresh.load_weights(tmp_path / "w.h5")
    assert_same(predictions(fresh, x), predictions(ours, x))


OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("Nadam", {}),
]


def pair(k: Any, name: str, arguments: dict[str, Any]) -> tuple[Any, Any]:
    model, optimizer = dense(k), getattr(k.optimizers, name)(**arguments)
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(2)
    for variable in optimizer.variables[1:]:
        variable.assign(rng.uniform(size=variable.shape))
    optimizer.variables[0].assign(7)
    return model, optimizer


@pytest.mark.parametrize(("name", "arguments"), OPTIMIZERS)
def test_keras_compiles_a_file_of_ours(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    model, ours = pair(keras, name, arguments)
    model.save(tmp_path / "m.h5")
    theirs = real_keras().models.load_model(tmp_path / "m.h5").optimizer
    assert type(theirs).__name__ == name
    assert float(np.asarray(theirs.learning_rate)) == float(ours.learning_rate.numpy())


@pytest.mark.parametrize(("name", "arguments"), OPTIMIZERS)
def test_optimizers_of_keras_go_on_here(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    model, theirs = pair(real_keras(), name, arguments)
    model.save(tmp_path / "m.h5")
    ours = keras.models.load_model(tmp_path / "m.h5").optimizer
    assert type(ours).__name__ == name
    for mine, variable in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), np.asarray(variable))
