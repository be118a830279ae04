"""The models whose training is compared with real Keras: written once, for any module that has Keras's names."""

from __future__ import annotations

from typing import Any

import numpy as np

BATCH, STEPS = 16, 20
MODELS = ("dense", "convolutional", "lstm", "gru")
OPTIMIZERS = ("sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam", "adamw")


def build(keras: Any, model: str) -> Any:
    """A small model without random layers."""
    layers = keras.layers
    stacks = {
        "dense": lambda: [
            keras.Input((12,)),
            layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)),
            layers.BatchNormalization(),
            layers.Dense(8, activation="tanh"),
            layers.Dense(5, activation="softmax"),
        ],
        "convolutional": lambda: [
            keras.Input((9, 9, 3)),
            layers.Conv2D(6, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.Activation("relu"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ],
        "lstm": lambda: [
            keras.Input((7, 4)),
            layers.LSTM(6, return_sequences=True),
            layers.LSTM(5),
            layers.Dense(5, activation="softmax"),
        ],
        "gru": lambda: [
            keras.Input((7, 4)),
            layers.GRU(6, return_sequences=True, reset_after=True),
            layers.GRU(5, reset_after=False, go_backwards=True),
            layers.Dense(5, activation="softmax"),
        ],
    }
    return keras.Sequential(stacks[model]())


def make_optimizer(keras: Any, name: str) -> Any:
    """The optimizer with a rate at which twenty steps move the weights well."""
    rates = {"sgd": 0.1, "adadelta": 1.0, "adagrad": 0.1}
    classes = {name.lower(): name for name in vars(keras.optimizers)}
    arguments = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    return getattr(keras.optimizers, classes[name])(learning_rate=rates.get(name, 0.01), **arguments)


def data(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Three batches of inputs and one-hot targets."""
    random = np.random.RandomState(7)
    shape = {"dense": (12,), "convolutional": (9, 9, 3), "lstm": (7, 4), "gru": (7, 4)}[model]
    x = random.randn(3 * BATCH, *shape).astype("float32")
    y = np.eye(5, dtype="float32")[random.randint(0, 5, 3 * BATCH)]
    return x, y


def start(shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """The weights to begin with, the same everywhere."""
    random = np.random.RandomState(11)
    weights = [(random.randn(*shape) * 0.3).astype("float32") for shape in shapes]
    return [np.abs(w) + 0.5 if w.ndim == 1 else w for w in weights]


def train(keras: Any, model: str, optimizer: str) -> list[np.ndarray]:
    """Twenty steps; the losses, then the weights."""
    built = build(keras, model)
    built.set_weights(start([tuple(w.shape) for w in built.get_weights()]))
    built.compile(optimizer=make_optimizer(keras, optimizer), loss="categorical_crossentropy")
    x, y = data(model)
    losses = []
    for step in range(STEPS):
        at = step % 3 * BATCH
        losses.append(float(np.asarray(built.train_on_batch(x[at : at + BATCH], y[at : at + BATCH]))))
    return [np.asarray(losses), *built.get_weights()]
