"""CuDNNGRU and CuDNNLSTM are GRU and LSTM, with the weights that Keras 2.3 had for NVIDIA's library."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph.errors import KgraphError
from kgraph.keras.layers import GRU, LSTM, Bidirectional, CuDNNGRU, CuDNNLSTM, Input
from kgraph.keras.models import Model, Sequential
from kgraph.keras.saving.dialects import read_model

Array = np.ndarray[Any, Any]

PAIRS = [(CuDNNGRU, GRU), (CuDNNLSTM, LSTM)]
each_pair = pytest.mark.parametrize(("fused", "plain"), PAIRS)
X = np.random.default_rng(0).normal(size=(4, 6, 5)).astype("float32")
UNITS = 3


def model_of(layer: Any) -> Sequential:
    """A model of the layer, with weights in general position."""
    model = Sequential([Input((None, 5)), layer])
    random = np.random.default_rng(1)
    model.set_weights([random.uniform(-0.8, 0.8, weight.shape) for weight in model.get_weights()])
    return model


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def matrices(weight: Array, gates: int) -> list[Array]:
    """What the library multiplies by from the left: the numbers of each gate as they lie, as [units, n]."""
    return [part.ravel().reshape(UNITS, -1) for part in np.split(weight.astype("float64"), gates, axis=1)]


def lstm(weights: list[Array], x: Array) -> Array:
    """The last output, as the documentation of cuDNN has it."""
    w, r = matrices(weights[0], 4), matrices(weights[1], 4)
    bw, br = weights[2].astype("float64").reshape(2, 4, UNITS)
    h = c = np.zeros((len(x), UNITS))
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ w[k].T + h @ r[k].T + bw[k] + br[k] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(weights: list[Array], x: Array) -> Array:
    """The last output, as the documentation of cuDNN has it."""
    w, r = matrices(weights[0], 3), matrices(weights[1], 3)
    bw, br = weights[2].astype("float64").reshape(2, 3, UNITS)
    h = np.zeros((len(x), UNITS))
    for t in range(x.shape[1]):
        z, reset = (sigmoid(x[:, t] @ w[k].T + h @ r[k].T + bw[k] + br[k]) for k in range(2))
        g = np.tanh(x[:, t] @ w[2].T + bw[2] + reset * (h @ r[2].T + br[2]))
        h = (1 - z) * g + z * h
    return h


@pytest.mark.parametrize(("layer_class", "defined", "gates"), [(CuDNNGRU, gru, 3), (CuDNNLSTM, lstm, 4)])
def test_it_is_what_the_library_defines(layer_class: Any, defined: Any, gates: int) -> None:
    model = model_of(layer_class(UNITS))
    weights = model.get_weights()
    assert [w.shape for w in weights] == [(5, gates * UNITS), (UNITS, gates * UNITS), (2 * gates * UNITS,)]
    np.testing.assert_allclose(model.predict(X), defined(weights, X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["h5", "weights.h5"])
@each_pair
def test_weights_go_to_the_plain_layer_and_back(fused: Any, plain: Any, kind: str, tmp_path: Path) -> None:
    first = model_of(fused(UNITS, name="rnn"))
    second = Sequential([Input((None, 5)), plain(UNITS, name="rnn")])
    third = Sequential([Input((None, 5)), fused(UNITS, name="rnn")])
    if kind == "h5":
        first.save(tmp_path / "first.h5")
        second.load_weights(tmp_path / "first.h5")
        second.save(tmp_path / "second.h5")
        third.load_weights(tmp_path / "second.h5")
    else:
        first.save_weights(tmp_path / "first.h5")
        second.load_weights(tmp_path / "first.h5", by_name=True)
        second.save_weights(tmp_path / "second.h5")
        third.load_weights(tmp_path / "second.h5", by_name=True)
    for other in (second, third):
        np.testing.assert_allclose(other.predict(X), first.predict(X), rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(third.get_weights()[:2], first.get_weights()[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@each_pair
def test_a_layer_of_keras_2_is_read_as_what_it_was(fused: Any, plain: Any) -> None:
    config: dict[str, Any] = {
        "name": "rnn",
        "trainable": True,
        "return_sequences": True,
        "return_state": False,
        "go_backwards": False,
        "stateful": False,
        "units": UNITS,
        "kernel_regularizer": None,
        "batch_input_shape": [None, None, 5],
    }
    entry = {"class_name": fused.__name__, "config": config}
    read = read_model({"class_name": "Sequential", "config": [entry]}, keras_version="2.3.1")
    (layer,) = Sequential.from_config(read["config"]).layers
    assert type(layer) is fused
    for key in config.keys() - {"batch_input_shape"}:
        assert layer.get_config()[key] == config[key]


@each_pair
def test_a_masked_step_is_as_if_it_were_not_there(fused: Any, plain: Any) -> None:
    mask = np.array([[1, 1, 1, 1, 0, 0], [0, 1, 1, 0, 1, 1], [1, 0, 1, 0, 1, 0], [1, 1, 1, 1, 1, 1]], bool)
    inputs, valid = Input((6, 5)), Input((6,), dtype="bool")
    layer = fused(UNITS)
    masked = Model([inputs, valid], layer(inputs, mask=valid))
    whole = Sequential([Input((None, 5)), layer])
    made = masked.predict([X, mask])
    for row in range(len(X)):
        wanted = whole.predict(X[row : row + 1, mask[row]])
        np.testing.assert_allclose(made[row], wanted[0], rtol=1e-5, atol=1e-6)


@each_pair
def test_it_trains_as_the_plain_layer_does(fused: Any, plain: Any, tmp_path: Path) -> None:
    """What differs is the layout: a step down the slope of the kernels ends in the same place."""
    first = model_of(Bidirectional(fused(UNITS, name="rnn"), name="both"))
    second = Sequential([Input((None, 5)), Bidirectional(plain(UNITS, name="rnn"), name="both")])
    first.save_weights(tmp_path / "first.h5")
    second.load_weights(tmp_path / "first.h5")
    target = np.random.default_rng(2).normal(size=(4, 2 * UNITS)).astype("float32")
    for model in (first, second):
        model.compile("sgd", "mse")
        model.train_on_batch(X, target)
    first.save_weights(tmp_path / "trained.h5")
    again = Sequential([Input((None, 5)), Bidirectional(plain(UNITS, name="rnn"), name="both")])
    again.load_weights(tmp_path / "trained.h5")
    names = [weight.name for weight in second.weights]
    for name, ours, theirs in zip(names, again.get_weights(), second.get_weights(), strict=True):
        if fused is CuDNNGRU or "bias" not in name:  # of an LSTM either bias takes the whole step
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_forget_gate_starts_open() -> None:
    layer = CuDNNLSTM(2)
    layer.build((None, None, 5))
    np.testing.assert_array_equal(layer.get_weights()[2], [0] * 10 + [1, 1] + [0] * 4)
    closed = CuDNNLSTM(2, unit_forget_bias=False)
    closed.build((None, None, 5))
    assert not closed.get_weights()[2].any()


@each_pair
def test_it_takes_the_arguments_of_keras_2(fused: Any, plain: Any) -> None:
    taken = set(inspect.signature(fused).parameters)
    assert not taken & {"activation", "recurrent_activation", "use_bias", "dropout", "implementation"}
    made = fused(
        UNITS, kernel_initializer="ones", recurrent_regularizer="l2", bias_constraint="non_neg", stateful=True
    )
    again = fused.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    for unknown in ({"dropout": 0.5}, {"activation": "relu"}):
        with pytest.raises((KgraphError, TypeError), match=next(iter(unknown))):
            fused(UNITS, **unknown)
