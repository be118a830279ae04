"""The state beyond the weights, as plain data."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import FileError
from kgraph.keras.saving.state import decode_array, encode_array, extra_state, restore_extra_state

X = np.random.RandomState(0).rand(8, 4, 3).astype("float32")
Y = np.random.RandomState(1).rand(8, 2).astype("float32")


def stateful_model(batch: int = 4) -> Any:
    model = keras.Sequential(
        [
            keras.layers.Dropout(0.5, batch_input_shape=(batch, 4, 3)),
            keras.layers.Bidirectional(
                keras.layers.LSTM(3, stateful=True, return_sequences=True, dropout=0.3)
            ),
            keras.Sequential([keras.layers.GRU(2, stateful=True)]),
        ]
    )
    model.compile("adam", "mse")
    return model


def test_random_state_and_layer_states_come_back() -> None:
    first, second = stateful_model(), stateful_model()
    first.fit(X, Y, batch_size=4, verbose=0)
    second.set_weights(first.get_weights())
    second.optimizer.build(second.trainable_weights)
    second.optimizer.set_weights(first.optimizer.get_weights())
    restore_extra_state(second, json.loads(json.dumps(extra_state(first))))
    assert extra_state(second) == extra_state(first)
    assert len(extra_state(first)["layer_states"]) == 5
    for model in (first, second):
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert extra_state(second) == extra_state(first)


def test_a_model_with_nothing_to_say() -> None:
    model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    assert extra_state(model) == {}
    restore_extra_state(model, {})


def test_states_of_another_batch_size_are_left_out() -> None:
    large, small = stateful_model(4), stateful_model(2)
    large.predict(X[:4], batch_size=4)
    before = extra_state(small)["layer_states"]
    restore_extra_state(small, extra_state(large))
    assert extra_state(small)["layer_states"] == before
    assert extra_state(small)["random_state"] == extra_state(large)["random_state"]


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_arrays_as_plain_data(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.random.RandomState(2).rand(*shape) * 100).astype(dtype)
    back = decode_array(json.loads(json.dumps(encode_array(array))))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


ARRAY = encode_array(np.zeros((2, 3), "float32"))


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "object"},
        {"dtype": "U4"},
        {"dtype": "V4"},
        {"dtype": "nonsense"},
        {"dtype": None},
        {"shape": [2, -3]},
        {"shape": [1 << 40, 1 << 40]},
        {"shape": [2.0, 3.0]},
        {"shape": 6},
        {"data": "%%%"},
        {"data": "AAAA"},
        {"data": 5},
    ],
)
def test_arrays_that_are_none(change: dict[str, Any]) -> None:
    with pytest.raises(FileError):
        decode_array({**ARRAY, **change})


@pytest.mark.parametrize(
    "state",
    [
        "text",
        [1],
        {"format": 2},
        {"format": 1, "random_state": [1]},
        {"format": 1, "random_state": [1, 1 << 32]},
        {"format": 1, "random_state": [True, False]},
        {"format": 1, "random_state": {"0": 1}},
        {"format": 1, "layer_states": {}},
        {"format": 1, "layer_states": [7]},
    ],
)
def test_states_that_are_none(state: Any) -> None:
    model = stateful_model()
    before = extra_state(model)
    with pytest.raises(FileError, match="state of training"):
        restore_extra_state(model, state)
    assert extra_state(model) == before
