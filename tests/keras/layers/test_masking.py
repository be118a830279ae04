"""Masks through whole models: made by one layer, carried by others, used by the last; and where they end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import layers
from kgraph.keras.layers import (
    GRU,
    LSTM,
    Activation,
    Bidirectional,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Input,
    Masking,
    TimeDistributed,
)
from kgraph.keras.models import Model, Sequential

WORDS = np.array([[3, 1, 4, 0, 0], [2, 5, 0, 0, 0], [1, 2, 3, 4, 5]])


@pytest.mark.parametrize("last", [LSTM(3), GRU(3), Bidirectional(LSTM(3)), layers.GlobalAveragePooling1D()])
def test_padding_changes_nothing(last: Any) -> None:
    model = Sequential(
        [Embedding(6, 4, mask_zero=True), Dropout(0.5), Dense(4, activation="tanh"), Activation("elu"), last]
    )
    padded = model.predict(WORDS)
    for row, wanted in zip(WORDS, padded, strict=True):
        np.testing.assert_allclose(model.predict(row[row > 0][None])[0], wanted, rtol=1e-5, atol=1e-6)


def test_masking_masks_steps_of_one_value() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    x[0, 3:] = -1.0
    model = Sequential([Masking(-1.0, input_shape=(None, 3)), LSTM(4)])
    np.testing.assert_allclose(model.predict(x[:1]), model.predict(x[:1, :3]), rtol=1e-5)


def test_nested_and_time_distributed_models_carry_masks() -> None:
    inner = Sequential([TimeDistributed(Dense(4)), Activation("tanh")])
    x = Input((5,))
    embedded = Embedding(6, 4, mask_zero=True)(x)
    assert inner(embedded)._keras_mask is not None
    model = Model(x, LSTM(3)(inner(embedded)))
    np.testing.assert_allclose(model.predict(WORDS)[0], model.predict(WORDS[:1])[0], rtol=1e-5)
    assert LSTM(3)(embedded)._keras_mask is None
    sequence, *states = LSTM(3, return_sequences=True, return_state=True)(embedded)
    assert sequence._keras_mask is not None
    assert [state._keras_mask for state in states] == [None, None]


def test_sentences_of_words_mask_both_ways() -> None:
    x = Input((2, 5))
    words = TimeDistributed(Embedding(6, 4, mask_zero=True))(x)
    assert words._keras_mask is not None
    assert words._keras_mask.shape == (None, 2, 5)
    sentences = TimeDistributed(LSTM(3))(words)
    assert sentences._keras_mask.shape == (None, 2)
    model = Model(x, LSTM(2)(sentences))
    text = np.zeros((1, 2, 5), "int32")
    text[0, 0, :3] = [1, 2, 3]
    shorter = Model(y := Input((1, 3)), model.layers[-1](model.layers[-2](model.layers[-3](y))))
    np.testing.assert_allclose(model.predict(text), shorter.predict(text[:, :1, :3]), rtol=1e-5)


def test_a_mask_along_the_concatenated_axis_is_concatenated() -> None:
    a = Embedding(6, 4, mask_zero=True)(Input((5,)))
    b = Input((3, 4))
    assert Concatenate(axis=1)([a, b])._keras_mask.shape == (None, 8)
    assert Concatenate()([a, Input((5, 2))])._keras_mask is None


@pytest.mark.parametrize(
    "layer", [layers.Flatten(), layers.Conv1D(2, 3), layers.MaxPooling1D(), layers.Reshape((20,))]
)
def test_a_mask_ends_with_a_warning_where_it_has_no_meaning(layer: Any) -> None:
    x = Embedding(6, 4, mask_zero=True)(Input((5,)))
    with pytest.warns(UserWarning, match=f"{layer.name} .*does not support masking") as caught:
        assert layer(x)._keras_mask is None
    assert caught[0].filename == __file__
