"""A training that can be killed at a chosen moment; `test_backup.py` runs it in processes of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kgraph import keras
from kgraph.keras import layers as L
from kgraph.keras.callbacks import BackupAndRestore, Callback, EarlyStopping, ReduceLROnPlateau
from kgraph.keras.saving import atomic, backup

EPOCHS, BATCH, STEPS = 6, 8, 4
X = np.random.RandomState(0).rand(BATCH * STEPS, 4).astype("float32")
Y = np.random.RandomState(1).rand(BATCH * STEPS, 1).astype("float32")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DieAt(Callback):
    """Kills the process in a hook, when its number is `at` in epoch `epoch`."""

    def __init__(self, hook: str, epoch: int, at: int | None = None) -> None:
        super().__init__()
        self.epoch, self.wanted = 0, (epoch, at)
        setattr(self, hook, self.reach)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def reach(self, number: int, logs: Any = None) -> None:
        epoch, at = self.wanted
        if self.epoch == epoch and at in (None, number):
            die()


def die_while_saving(function: str, times: int, after: bool) -> None:
    """Have the process killed at the `times`th call of a function that saving needs, before or after it."""
    module = backup if hasattr(backup, function) else atomic
    real: Callable[..., Any] = getattr(module, function)
    calls = []

    def call(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) < times:
            return real(*arguments)
        if after:
            real(*arguments)
        die()

    setattr(module, function, call)


def die_in_the_middle(times: int) -> None:
    """Have the process killed when half of the `times`th file is written."""
    real = np.savez
    calls = []

    def savez(file: Any, **arrays: Any) -> None:
        calls.append(file)
        real(file, **arrays)
        if len(calls) == times:
            file.truncate(file.tell() // 2)
            file.flush()
            die()

    backup.np.savez = savez  # type: ignore[attr-defined]


def make_model(seed: int) -> Any:
    """Different seeds give other weights, masks and orders; only what is restored can make them equal."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            L.Dense(8, input_shape=(4,), activation="relu"),
            L.BatchNormalization(),
            L.Dropout(0.4),
            L.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    return model


def train(folder: Path, seed: int, death: tuple[Any, ...] = (), **arguments: Any) -> None:
    """Train in `folder` with a backup; what comes out is in `result.npz`."""
    more: list[Any] = []
    if death:
        kind, *rest = death
        if kind == "hook":
            more.append(DieAt(*rest))
        elif kind == "middle":
            die_in_the_middle(*rest)
        else:
            die_while_saving(*rest)
    model = make_model(seed)
    callbacks = [
        BackupAndRestore(folder / "backup", **arguments),
        ReduceLROnPlateau(monitor="mae", factor=0.5, patience=1, min_delta=0.02, cooldown=1),
        EarlyStopping(monitor="loss", patience=20, restore_best_weights=True),
        *more,
    ]
    history = model.fit(
        X, Y, batch_size=BATCH, epochs=EPOCHS, callbacks=callbacks, validation_split=0.0, verbose=0
    )
    weights = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables), model._random_state]
    np.savez(
        folder / "result.npz",
        epochs=np.array(history.epoch, "int64"),
        loss=np.array(history.history.get("loss", ())),
        **{f"w{i:02d}": np.asarray(w) for i, w in enumerate(weights)},
    )
