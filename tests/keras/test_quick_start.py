"""The models of the Keras quick-start page, written as the page writes them: they build, learn and export.

Only the page's slips of typing and its import lines are put right, and the sizes of data and vocabulary are
made smaller where that changes nothing but the time. Its images are channels first: one line of configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import kgraph
from kgraph import keras
from kgraph.keras import backend as K
from kgraph.keras.layers import (
    GRU,
    LSTM,
    Activation,
    Convolution2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    MaxPooling2D,
    Merge,
    RepeatVector,
    TimeDistributed,
)
from kgraph.keras.models import Sequential
from kgraph.keras.optimizers import SGD
from kgraph.keras.utils.np_utils import to_categorical
from tests.exported import complaints

# The page is Keras 1: each older spelling says what it is called now.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _channels_first() -> Iterator[None]:
    before = K.image_data_format()
    keras.utils.set_random_seed(3)
    K.set_image_data_format("channels_first")
    yield
    K.set_image_data_format(before)


def learns(
    model: Any, x: Any, y: Any, path: Path, epochs: int = 4, batch_size: int = 32, **kwargs: Any
) -> Any:
    """Train with falling loss, export, and compare a bare onnxruntime session with predict."""
    history = model.fit(x, y, nb_epoch=epochs, batch_size=batch_size, verbose=0, **kwargs)
    loss = history.history["loss"]
    assert np.isfinite(loss).all()
    assert loss[-1] < loss[0], loss
    model.reset_states()
    file = kgraph.export(model, path / "model.onnx")
    assert not complaints(file)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    arrays = [array[:batch_size] for array in (x if isinstance(x, list) else [x])]
    feeds = {
        leaf.name: array.astype("float32" if "float" in leaf.type else "int32")
        for leaf, array in zip(session.get_inputs(), arrays, strict=False)
    }
    for leaf in session.get_inputs()[len(arrays) :]:  # the states of stateful layers
        feeds[leaf.name] = np.zeros(leaf.shape, "float32")
    found = session.run(None, feeds)[0]
    wanted = model.predict(x, batch_size=batch_size)[:batch_size]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    return history


def vectors(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around ten centres, and which centre each belongs to."""
    random = np.random.RandomState(0)
    labels = random.randint(10, size=(count, 1))
    return random.randn(10, size)[labels[:, 0]] * 0.5 + random.random((count, size)), labels


def sequences(count: int, timesteps: int = 8, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Random sequences whose targets depend on them, summing to one."""
    random = np.random.RandomState(0)
    x = random.random((count, timesteps, size))
    y = np.exp(4 * x.mean(1)[:, :10])
    return x, y / y.sum(1, keepdims=True)


def test_binary_classifier(tmp_path: Path) -> None:
    def mean_pred(y_true: Any, y_pred: Any) -> Any:
        return K.mean(y_pred)

    def false_rates(y_true: Any, y_pred: Any) -> Any:
        positive = K.cast(y_pred > 0.5, "float32")
        return {
            "false_neg": K.mean(y_true * (1 - positive)),
            "false_pos": K.mean((1 - y_true) * positive),
        }

    model = Sequential()
    model.add(Dense(1, input_dim=784, activation="sigmoid"))
    model.compile(
        optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy", mean_pred, false_rates]
    )
    x, labels = vectors(320, 784)
    history = learns(model, x, labels > 4, tmp_path)
    assert model.metrics_names == ["loss", "accuracy", "mean_pred", "false_neg", "false_pos"]
    wrong = history.history["false_neg"][-1] + history.history["false_pos"][-1]
    assert wrong == pytest.approx(1 - history.history["accuracy"][-1], abs=1e-5)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", lambda x: x[0] - x[1]])
def test_two_branches(tmp_path: Path, mode: Any) -> None:
    left_branch = Sequential()
    left_branch.add(Dense(32, input_dim=784))

    right_branch = Sequential()
    right_branch.add(Dense(32, input_dim=784))

    merged = Merge([left_branch, right_branch], mode=mode)

    model = Sequential()
    model.add(merged)
    model.add(Dense(10, activation="softmax"))
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    x, labels = vectors(320, 784)
    learns(model, [x, x[:, ::-1]], to_categorical(labels, 10), tmp_path)


def test_mlp_for_softmax(tmp_path: Path) -> None:
    model = Sequential()
    model.add(Dense(64, input_dim=20, init="uniform"))
    model.add(Activation("tanh"))
    model.add(Dropout(0.5))
    model.add(Dense(64, init="uniform"))
    model.add(Activation("tanh"))
    model.add(Dropout(0.5))
    model.add(Dense(10, init="uniform"))
    model.add(Activation("softmax"))

    sgd = SGD(lr=0.1, decay=1e-6, momentum=0.9, nesterov=True)
    model.compile(loss="categorical_crossentropy", optimizer=sgd, metrics=["accuracy"])
    x, labels = vectors(320, 20)
    y = to_categorical(labels, 10)
    learns(model, x, y, tmp_path, batch_size=16)
    score = model.evaluate(x, y, batch_size=16, verbose=0)
    assert len(score) == 2


def test_another_mlp(tmp_path: Path) -> None:
    model = Sequential()
    model.add(Dense(64, input_dim=20, activation="relu"))
    model.add(Dropout(0.5))
    model.add(Dense(64, activation="relu"))
    model.add(Dropout(0.5))
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
    x, labels = vectors(640, 20)
    learns(model, x, to_categorical(labels, 10), tmp_path, epochs=40)


def test_mlp_for_two_classes(tmp_path: Path) -> None:
    model = Sequential()
    model.add(Dense(64, input_dim=20, init="uniform", activation="relu"))
    model.add(Dropout(0.5))
    model.add(Dense(64, activation="relu"))
    model.add(Dropout(0.5))
    model.add(Dense(1, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    x, labels = vectors(640, 20)
    learns(model, x, labels > 4, tmp_path)


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Faint noise around zero whose brightness depends on the class: the page's learning rate of 0.1 is a large one."""
    random = np.random.RandomState(0)
    labels = random.randint(10, size=count)
    return random.random((count, 3, 100, 100)) * 0.02 + (labels[:, None, None, None] - 4.5) / 50, labels


def test_convolutional_network_like_vgg(tmp_path: Path) -> None:
    model = Sequential()
    model.add(Convolution2D(32, 3, 3, border_mode="valid", input_shape=(3, 100, 100)))
    model.add(Activation("relu"))
    model.add(Convolution2D(32, 3, 3))
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.25))

    model.add(Convolution2D(64, 3, 3, border_mode="valid"))
    model.add(Activation("relu"))
    model.add(Convolution2D(64, 3, 3))
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.25))

    model.add(Flatten())
    model.add(Dense(256))
    model.add(Activation("relu"))
    model.add(Dropout(0.5))

    model.add(Dense(10))
    model.add(Activation("softmax"))

    sgd = SGD(lr=0.1, decay=1e-6, momentum=0.9, nesterov=True)
    model.compile(loss="categorical_crossentropy", optimizer=sgd)
    x, labels = images(32)
    learns(model, x, to_categorical(labels, 10), tmp_path, epochs=3, batch_size=16)


def test_sequence_classifier(tmp_path: Path) -> None:
    max_features, maxlen = 500, 20
    model = Sequential()
    model.add(Embedding(max_features, 256, input_length=maxlen))
    model.add(LSTM(output_dim=128, activation="sigmoid", inner_activation="hard_sigmoid"))
    model.add(Dropout(0.5))
    model.add(Dense(1))
    model.add(Activation("sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    random = np.random.RandomState(0)
    x = random.randint(max_features, size=(96, maxlen))
    learns(model, x, (x[:, -1:] > max_features // 2), tmp_path, epochs=6, batch_size=16)


def test_image_captions(tmp_path: Path) -> None:
    max_caption_len, vocab_size = 16, 200

    image_model = Sequential()
    image_model.add(Convolution2D(32, 3, 3, border_mode="valid", input_shape=(3, 100, 100)))
    image_model.add(Activation("relu"))
    image_model.add(Convolution2D(32, 3, 3))
    image_model.add(Activation("relu"))
    image_model.add(MaxPooling2D(pool_size=(2, 2)))

    image_model.add(Convolution2D(64, 3, 3, border_mode="valid"))
    image_model.add(Activation("relu"))
    image_model.add(Convolution2D(64, 3, 3))
    image_model.add(Activation("relu"))
    image_model.add(MaxPooling2D(pool_size=(2, 2)))

    image_model.add(Flatten())
    image_model.add(Dense(128))

    language_model = Sequential()
    language_model.add(Embedding(vocab_size, 256, input_length=max_caption_len))
    language_model.add(GRU(output_dim=128, return_sequences=True))
    language_model.add(TimeDistributed(Dense(128)))

    image_model.add(RepeatVector(max_caption_len))

    model = Sequential()
    model.add(Merge([image_model, language_model], mode="concat", concat_axis=-1))
    model.add(GRU(256, return_sequences=False))
    model.add(Dense(vocab_size))
    model.add(Activation("softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop")

    pictures, labels = images(16)
    partial_captions = np.random.RandomState(1).randint(vocab_size, size=(16, max_caption_len))
    next_words = to_categorical(labels, vocab_size)
    learns(model, [pictures, partial_captions], next_words, tmp_path, epochs=3, batch_size=16)


def test_stacked_lstm(tmp_path: Path) -> None:
    model = Sequential()
    model.add(LSTM(32, return_sequences=True, input_shape=(8, 16)))
    model.add(LSTM(32, return_sequences=True))
    model.add(LSTM(32))
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    x, y = sequences(320)
    history = learns(model, x, y, tmp_path, batch_size=64, validation_data=sequences(64))
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_stateful_stacked_lstm(tmp_path: Path) -> None:
    batch_size = 32
    model = Sequential()
    model.add(LSTM(32, return_sequences=True, stateful=True, batch_input_shape=(batch_size, 8, 16)))
    model.add(LSTM(32, return_sequences=True, stateful=True))
    model.add(LSTM(32, stateful=True))
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    x, y = sequences(batch_size * 10)
    learns(model, x, y, tmp_path, batch_size=batch_size, validation_data=sequences(batch_size * 3))


def test_two_encoders(tmp_path: Path) -> None:
    encoder_a = Sequential()
    encoder_a.add(LSTM(32, input_shape=(8, 16)))

    encoder_b = Sequential()
    encoder_b.add(LSTM(32, input_shape=(8, 16)))

    decoder = Sequential()
    decoder.add(Merge([encoder_a, encoder_b], mode="concat"))
    decoder.add(Dense(32, activation="relu"))
    decoder.add(Dense(10, activation="softmax"))
    decoder.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    x, y = sequences(320)
    values = ([x[:64], x[64:128]], y[:64])
    learns(decoder, [x, x[:, ::-1]], y, tmp_path, batch_size=64, validation_data=values)
