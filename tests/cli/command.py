"""Running commands and making files for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kgraph import keras
from kgraph.cli import main
from kgraph.keras import layers


class Done(NamedTuple):
    """What a command left: its exit status, what it said and what it complained about."""

    status: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Done:
    status = main([str(argument) for argument in arguments])
    return Done(status, *capsys.readouterr())


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a command that fails."""
    done = run(capsys, *arguments)
    assert done.status == 1
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"kgraph {arguments[0]}: ")
    return done.err


def trained() -> Any:
    """A small compiled model with a layer of most kinds that a converter changes."""
    stack = [layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 3)), layers.BatchNormalization()]
    stack += [layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.5)]
    model = keras.Sequential([*stack, layers.Dense(3, activation="softmax", name="kind")], name="pictures")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    random = np.random.RandomState(0)
    model.fit(random.rand(16, 8, 8, 3), random.randint(0, 3, 16), verbose=0)
    return model


def saved(folder: Path, suffix: str = ".h5") -> tuple[Any, Path]:
    """A model and the file it was saved in."""
    model, path = trained(), folder / f"model{suffix}"
    model.save(path)
    return model, path


def pictures(count: int) -> np.ndarray:
    return np.random.RandomState(1).rand(count, 8, 8, 3).astype("float32")
