"""Small models and data that the tests of training share."""

from __future__ import annotations

from typing import Any

import numpy as np

from kgraph import keras
from kgraph.keras import layers as L

N = 30
_random = np.random.RandomState(0)
X = _random.randn(N, 4).astype("float32")
Z = _random.randn(N, 4).astype("float32")
Y = _random.randn(N, 1).astype("float32")
LABELS = _random.randint(0, 3, N)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
SERIES = _random.randn(N, 5, 4).astype("float32")
STEPS = _random.randn(N, 5, 1).astype("float32")


def regression(rate: float = 0.1, **arguments: Any) -> Any:
    """One dense layer, x [batch, 4] -> y [batch, 1], compiled for the mean squared error."""
    model = keras.Sequential([L.Dense(1, input_shape=(4,), name="out")])
    model.compile(keras.optimizers.SGD(rate), "mse", **arguments)
    return model


def classifier(loss: str = "categorical_crossentropy", **arguments: Any) -> Any:
    """x [batch, 4] -> three classes."""
    model = keras.Sequential([L.Dense(3, input_shape=(4,), activation="softmax", name="classes")])
    model.compile(keras.optimizers.SGD(0.1), loss, **arguments)
    return model


def series(mode: str | None = "temporal") -> Any:
    """x [batch, 5, 4] -> y [batch, 5, 1], with weights per step."""
    model = keras.Sequential([L.Dense(1, input_shape=(5, 4), name="steps")])
    model.compile(keras.optimizers.SGD(0.1), "mse", sample_weight_mode=mode)
    return model


def two_by_two(**arguments: Any) -> Any:
    """Inputs a and b [batch, 4] each, outputs p [batch, 1] and q (three classes)."""
    a, b, shared = keras.Input((4,), name="a"), keras.Input((4,), name="b"), L.Dense(3, name="shared")
    p = L.Dense(1, name="p")(L.concatenate([shared(a), shared(b)]))
    q = L.Dense(3, activation="softmax", name="q")(shared(b))
    model = keras.Model([a, b], [p, q])
    given = {"loss": ["mse", "categorical_crossentropy"], **arguments}
    model.compile(keras.optimizers.SGD(0.1), **given)
    return model


def stateful() -> Any:
    """A recurrent model for batches of five."""
    model = keras.Sequential(
        [L.SimpleRNN(3, stateful=True, batch_input_shape=(5, 2, 4), name="rnn"), L.Dense(1)]
    )
    model.compile("sgd", "mse")
    return model


def crossentropy(probabilities: np.ndarray) -> np.ndarray:
    """The loss of each sample against `LABELS`."""
    return -np.log(probabilities[np.arange(len(probabilities)), LABELS])
