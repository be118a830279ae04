"""The workloads: each model written once, as ordinary Keras code over whichever `keras` module is handed in.

Shapes are channels last. Labels are random, because speed does not depend on them; every array is made from one seed,
so all frameworks train on the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Keras: TypeAlias = Any
"""A module with Keras's public names. The modules share no type, only their spelling, which is the point."""

SEED = 20_231


@dataclass(frozen=True)
class Workload:
    """One model with its training configuration and the size of an epoch.

    An epoch is `steps` batches. `starts` is how many fresh processes measure the first step.
    `build(keras)` gives the uncompiled model, `training(keras)` the arguments of `compile`, and
    `data(generator, samples)` the inputs and the targets.
    """

    name: str
    title: str
    batch: int
    steps: int
    build: Callable[[Keras], Any]
    training: Callable[[Keras], dict[str, Any]]
    data: Callable[[np.random.Generator, int], tuple[Array, Array]]
    starts: int = 1

    def arrays(self) -> tuple[Array, Array]:
        """Inputs and targets of one epoch: whole batches only, so that nobody compiles a partial one."""
        return self.data(np.random.default_rng(SEED), self.batch * self.steps)


def mlp(keras: Keras, hidden: int) -> Any:
    """Two hidden layers with dropout, for 28x28 images as flat vectors."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(hidden, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(hidden, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )


def mnist_cnn(keras: Keras) -> Any:
    """Two convolutions and a dense layer, the usual first network for MNIST."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def vgg_like(keras: Keras) -> Any:
    """The VGG-like network of the Keras guide, for 100x100 colour images."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((100, 100, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lstm_text(keras: Keras) -> Any:
    """A text classifier: word vectors, one LSTM, one probability."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((80,), dtype="int32"),
            layers.Embedding(20_000, 128),
            layers.LSTM(128),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def stacked_lstm(keras: Keras) -> Any:
    """Three small LSTMs on top of each other over short sequences, as the Keras guide has them."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 16)),
            layers.LSTM(32, return_sequences=True),
            layers.LSTM(32, return_sequences=True),
            layers.LSTM(32),
            layers.Dense(10, activation="softmax"),
        ]
    )


def classified(generator: np.random.Generator, samples: int, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """float32[samples, *shape] in [0, 1) with one-hot float32[samples, 10]."""
    labels = generator.integers(10, size=samples)
    return generator.random((samples, *shape), dtype=np.float32), np.eye(10, dtype=np.float32)[labels]


def texts(generator: np.random.Generator, samples: int) -> tuple[Array, Array]:
    """Word numbers int32[samples, 80] with float32[samples, 1] of zeros and ones."""
    words = generator.integers(20_000, size=(samples, 80), dtype=np.int32)
    return words, generator.integers(2, size=(samples, 1)).astype(np.float32)


def categorical(keras: Keras, optimizer: Callable[[Keras], Any]) -> dict[str, Any]:
    """The arguments of `compile` for ten classes, with the accuracy that most people watch."""
    return {"optimizer": optimizer(keras), "loss": "categorical_crossentropy", "metrics": ["accuracy"]}


def rmsprop(keras: Keras) -> Any:
    """RMSprop as Keras sets it up."""
    return keras.optimizers.RMSprop()


def adadelta(keras: Keras) -> Any:
    """Adadelta with the rate of its paper."""
    return keras.optimizers.Adadelta(learning_rate=1.0)


def nesterov(keras: Keras) -> Any:
    """The guide's SGD, with the learning rate that keeps this network from diverging."""
    return keras.optimizers.SGD(learning_rate=0.01, momentum=0.9, nesterov=True)


def binary_adam(keras: Keras) -> dict[str, Any]:
    """The arguments of `compile` for one probability."""
    return {"optimizer": keras.optimizers.Adam(), "loss": "binary_crossentropy", "metrics": ["accuracy"]}


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            name="mlp",
            title="MLP 784-512-512-10, dropout 0.2, RMSprop, batch 128",
            batch=128,
            steps=100,
            build=partial(mlp, hidden=512),
            training=partial(categorical, optimizer=rmsprop),
            data=partial(classified, shape=(784,)),
            starts=3,
        ),
        Workload(
            name="mlp_small",
            title="MLP 784-64-64-10, dropout 0.2, RMSprop, batch 32",
            batch=32,
            steps=300,
            build=partial(mlp, hidden=64),
            training=partial(categorical, optimizer=rmsprop),
            data=partial(classified, shape=(784,)),
        ),
        Workload(
            name="mnist_cnn",
            title="mnist_cnn 28x28x1, Adadelta, batch 128",
            batch=128,
            steps=10,
            build=mnist_cnn,
            training=partial(categorical, optimizer=adadelta),
            data=partial(classified, shape=(28, 28, 1)),
        ),
        Workload(
            name="vgg_like",
            title="VGG-like of the guide 100x100x3, SGD with Nesterov momentum, batch 32",
            batch=32,
            steps=3,
            build=vgg_like,
            training=partial(categorical, optimizer=nesterov),
            data=partial(classified, shape=(100, 100, 3)),
        ),
        Workload(
            name="lstm_text",
            title="LSTM text classifier, Embedding 20000x128, LSTM 128, T=80, Adam, batch 32",
            batch=32,
            steps=20,
            build=lstm_text,
            training=binary_adam,
            data=texts,
        ),
        Workload(
            name="stacked_lstm",
            title="Three stacked LSTM(32), T=8, 16 features, RMSprop, batch 64",
            batch=64,
            steps=60,
            build=stacked_lstm,
            training=partial(categorical, optimizer=rmsprop),
            data=partial(classified, shape=(8, 16)),
        ),
    )
}
