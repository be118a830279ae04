"""Models of every kind that must go on from a file as if they had never stopped; `test_resume.py` trains them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kgraph import keras
from kgraph.keras import layers as L
from kgraph.keras import optimizers as O
from kgraph.keras.callbacks import LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau
from kgraph.keras.optimizers import schedules

N, BATCH = 32, 8
X = np.random.RandomState(0).rand(N, 4).astype("float32")
SEQUENCES = np.random.RandomState(1).rand(N, 5, 3).astype("float32")
IMAGES = np.random.RandomState(2).rand(N, 6, 6, 2).astype("float32")
Y = np.random.RandomState(3).rand(N, 1).astype("float32")

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: O.SGD(0.1),
    "momentum": lambda: O.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: O.RMSprop(0.01),
    "rmsprop centered": lambda: O.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: O.Adagrad(0.1),
    "adadelta": lambda: O.Adadelta(1.0),
    "adam": lambda: O.Adam(0.01),
    "amsgrad": lambda: O.Adam(0.01, amsgrad=True),
    "adamw": lambda: O.AdamW(0.01, weight_decay=0.01),
    "adamax": lambda: O.Adamax(0.01),
    "nadam": lambda: O.Nadam(0.01),
    "loss scale": lambda: O.LossScaleOptimizer(O.Adam(0.01), 16.0, dynamic_growth_steps=3),
    "decay": lambda: O.SGD(0.1, momentum=0.9, decay=0.05),
    "clipnorm": lambda: O.Adam(0.01, clipnorm=0.1),
    "exponential decay": lambda: O.Adam(schedules.ExponentialDecay(0.1, 3, 0.7)),
    "cosine decay": lambda: O.SGD(schedules.CosineDecay(0.1, 14), momentum=0.9),
    "piecewise": lambda: O.RMSprop(schedules.PiecewiseConstantDecay([5, 9], [0.1, 0.01, 0.001])),
}


def dense(*more: Any, optimizer: Any = "adam", **compiled: Any) -> Any:
    model = keras.Sequential([L.Dense(6, input_shape=(4,), activation="relu"), *more, L.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    return model


def functional() -> Any:
    a = keras.Input((4,), name="a")
    shared, drop = L.Dense(4, activation="tanh"), L.Dropout(0.3)
    x = L.concatenate([drop(shared(a)), drop(shared(shared(a))), L.GaussianNoise(0.2)(a)])
    inner = keras.Sequential([L.Dense(5, input_shape=(12,)), L.Dropout(0.2, seed=5), L.AlphaDropout(0.1)])
    x = inner(x)
    first, second = L.Dense(1, name="first")(x), L.Dense(1, name="second")(L.Dropout(0.5, seed=5)(x))
    model = keras.Model(a, [first, second])
    model.compile("nadam", "mse", loss_weights=[1.0, 0.5], metrics=["mae"])
    return model


def recurrent() -> Any:
    model = keras.Sequential(
        [
            L.Bidirectional(
                L.LSTM(3, return_sequences=True, stateful=True, dropout=0.2, recurrent_dropout=0.3),
                batch_input_shape=(BATCH, 5, 3),
            ),
            L.GRU(3, stateful=True),
            L.Dense(1),
        ]
    )
    model.compile("rmsprop", "mse")
    return model


def convolutional() -> Any:
    model = keras.Sequential(
        [
            L.Conv2D(4, 3, input_shape=(6, 6, 2)),
            L.BatchNormalization(momentum=0.9),
            L.Activation("relu"),
            L.SpatialDropout2D(0.3),
            L.GlobalAveragePooling2D(),
            L.Dense(1),
        ]
    )
    model.compile(O.SGD(0.05, momentum=0.9), "mse")
    return model


def frozen() -> Any:
    model = keras.Sequential([L.Dense(4, input_shape=(4,)), L.BatchNormalization(), L.Dense(1)])
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    return model


def halved(epoch: int, rate: float) -> float:
    return rate / 2


def on_plateau() -> ReduceLROnPlateau:
    """Lowers the rate in the first two epochs, to what it may not fall below."""
    return ReduceLROnPlateau(monitor="loss", patience=1, min_delta=100.0, factor=0.3, min_lr=0.003)


Case = tuple[Callable[[], Any], Any, list[Callable[[], Any]]]

CASES: dict[str, Case] = {
    **{name: (lambda make=make: dense(optimizer=make()), X, []) for name, make in OPTIMIZERS.items()},
    "dropout": (lambda: dense(L.Dropout(0.5), L.GaussianDropout(0.2)), X, []),
    "functional": (functional, X, []),
    "batch normalization": (convolutional, IMAGES, []),
    "stateful recurrence": (recurrent, SEQUENCES, []),
    "frozen": (frozen, X, []),
    "metrics": (lambda: dense(metrics=["mae", keras.metrics.RootMeanSquaredError()]), X, []),
    "rate of each epoch": (lambda: dense(optimizer=O.SGD(0.1)), X, [lambda: LearningRateScheduler(halved)]),
    "rate reduced on plateau": (lambda: dense(optimizer=O.Adam(0.01)), X, [on_plateau]),
}
"""By name: what makes the model, its input, and what makes its callbacks."""


def arguments(name: str, epochs: int) -> dict[str, Any]:
    make, x, _ = CASES[name]
    targets = 2 if make is functional else 1
    shuffle = "batch" if name == "metrics" else make is not recurrent
    y = [Y, Y * 2][:targets] if targets > 1 else Y
    return {"x": x, "y": y, "batch_size": BATCH, "epochs": epochs, "shuffle": shuffle, "verbose": 0}


def file_of(folder: Path, name: str, kind: str, epoch: Any = 2) -> Path:
    return folder / f"{name.replace(' ', '_')}-{epoch}{kind}"


def train_through(folder: Path, name: str, kinds: list[str]) -> dict[str, Any]:
    """Train for 4 epochs, saving after each; what comes out."""
    make, _, callbacks = CASES[name]
    keras.utils.set_random_seed(5)
    model = make()
    keep = [ModelCheckpoint(file_of(folder, name, kind, "{epoch}")) for kind in kinds]
    # Those of the case come first: what they do at the end of an epoch is in its file.
    history = model.fit(callbacks=[*(make() for make in callbacks), *keep], **arguments(name, 4))
    return outcome(model, history)


def go_on(folder: Path, name: str, kind: str) -> dict[str, Any]:
    """Load the file of epoch 2 and train for the other two; what comes out."""
    _, _, callbacks = CASES[name]
    model = keras.models.load_model(file_of(folder, name, kind))
    # Its own counting begins anew with each fit, in Keras too; what stays is the rate.
    more = [make() for make in callbacks if make is not on_plateau]
    return outcome(model, model.fit(initial_epoch=2, callbacks=more, **arguments(name, 4)))


def outcome(model: Any, history: Any) -> dict[str, Any]:
    """Everything that decides how training goes on, and the numbers of the last two epochs."""
    optimizer = model.optimizer
    # A decay comes back from an archive as a schedule, which has no variable; what must be equal is the rate.
    state = [v for v in optimizer.variables if not v.name.endswith("/learning_rate")]
    found = {f"weight {i}": weight.numpy() for i, weight in enumerate(model.weights)}
    found |= {f"state {i}": variable.numpy() for i, variable in enumerate(state)}
    found["rate"] = keras.backend.get_value(optimizer._present_rate())
    found["random state"] = model._random_state.numpy()
    numbers = {name: values[-2:] for name, values in history.history.items() if name != "learning_rate"}
    return found | {f"history {name}": np.array(values) for name, values in numbers.items()}


def main(folder: str, kinds: list[str]) -> None:
    for name in CASES:
        for kind in kinds:
            np.savez(file_of(Path(folder), name, f"{kind}.npz"), **go_on(Path(folder), name, kind))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
