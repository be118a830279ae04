"""Training on batches that come one by one, written once for any module that has Keras's names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_random = np.random.RandomState(3)
X = _random.randn(18, 4).astype("float32")
Y = _random.randn(18, 2).astype("float32")
WEIGHTS = _random.uniform(0.5, 2, 18).astype("float32")
START = [_random.randn(4, 2).astype("float32"), _random.randn(2).astype("float32")]
SIZE = 4  # so that the last of the five batches is smaller


def batch(number: int, weighted: bool = False) -> tuple[Array, ...]:
    """x, y and, if asked for, weights of one batch."""
    rows = slice(number * SIZE, (number + 1) * SIZE)
    return (X[rows], Y[rows], WEIGHTS[rows]) if weighted else (X[rows], Y[rows])


def generated(count: int | None = None, weighted: bool = False) -> Iterator[tuple[Array, ...]]:
    """The batches again and again, or so many of them."""
    number = 0
    while count is None or number < count:
        yield batch(number % 5, weighted)
        number += 1


def sequence(keras: Any) -> Any:
    """The five batches by their numbers."""

    base: Any = keras.utils.Sequence

    class Numbered(base):
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> tuple[Array, ...]:
            return batch(index)

    return Numbered()


CASES: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "generator": lambda keras: {"x": generated(), "steps_per_epoch": 3, "epochs": 4},
    "weighted generator": lambda keras: {"x": generated(None, True), "steps_per_epoch": 3, "epochs": 2},
    "generator with an end": lambda keras: {"x": generated(7), "epochs": 1},
    "sequence": lambda keras: {"x": sequence(keras), "shuffle": False, "epochs": 3},
    "parts of a sequence": lambda keras: {
        "x": sequence(keras), "shuffle": False, "steps_per_epoch": 2, "epochs": 5,
    },
    "parts of arrays": lambda keras: {
        "x": X, "y": Y, "batch_size": SIZE, "shuffle": False, "steps_per_epoch": 2, "epochs": 5,
    },
    "held out sequence": lambda keras: {
        "x": X, "y": Y, "batch_size": 18, "validation_data": sequence(keras), "epochs": 3,
    },
    "part of held out arrays": lambda keras: {
        "x": X, "y": Y, "batch_size": 18, "validation_data": (X, Y), "validation_batch_size": 4,
        "validation_steps": 2, "epochs": 1,
    },
    "class weights": lambda keras: {
        "x": sequence(keras), "shuffle": False, "class_weight": {0: 0.5, 1: 2.0}, "epochs": 1,
    },
}  # fmt: skip


def train(keras: Any, case: str) -> list[Array]:
    """The losses of each epoch, the held out ones, the weights after all."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.set_weights(START)
    loss = "categorical_crossentropy" if case == "class weights" else "mse"
    model.compile(keras.optimizers.SGD(0.1), loss)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of epochs that end before their last step
        history = model.fit(**CASES[case](keras), verbose=0).history
    found = [np.asarray(history["loss"]), np.asarray(history.get("val_loss", ()))]
    return [*found, *map(np.asarray, model.get_weights())]
