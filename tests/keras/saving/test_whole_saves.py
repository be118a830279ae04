"""Whatever happens during a save, the file before is there, whole."""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import ArgumentError, FileError
from kgraph.keras import layers as L
from kgraph.keras.callbacks import ModelCheckpoint
from kgraph.keras.saving import atomic

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["h5py", "kgraph.keras"])
NAMES = ["model.h5", "model.keras", "model.weights.h5", "weights.h5"]
X = np.random.RandomState(0).rand(20, 3).astype("float32")
Y = np.random.RandomState(1).rand(20, 1).astype("float32")


def model_of(units: int) -> Any:
    model = keras.Sequential([L.Dense(units, input_shape=(3,)), L.Dense(1)])
    model.compile("adam", "mse")
    return model


def save(model: Any, path: Path) -> None:
    if "weights" in path.name:
        model.save_weights(path)
    else:
        model.save(path)


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


# -- the disk is full


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk(tmp_path: Path, name: str) -> None:
    """The limit on the size of files stands for the disk: both make a write fail."""
    path = tmp_path / name
    save(model_of(2), path)
    before = path.read_bytes()
    larger = model_of(30_000)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    limit_files(1 << 17)
    try:
        with pytest.raises(OSError, match=r"file|File"):
            save(larger, path)
    finally:
        limit_files(unlimited)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]
    save(larger, path)
    assert len(path.read_bytes()) > 1 << 17


@pytest.mark.parametrize("name", NAMES)
def test_a_file_object_that_fails(name: str) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError("no space left")

    model = model_of(2)
    write = (
        model.save_weights if "weights" in name else partial(model.save, save_format=Path(name).suffix[1:])
    )
    with pytest.raises(OSError, match="no space left"):
        write(Full())


# -- an exception of the user's own code


class Broken(L.Dense):
    def get_config(self) -> dict[str, Any]:
        raise RuntimeError("not today")


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_an_exception_in_a_configuration(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save(model_of(2), path)
    before = path.read_bytes()
    model = keras.Sequential([L.Dense(2, input_shape=(3,)), Broken(1)])
    with pytest.raises(RuntimeError, match="not today"):
        model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


# -- SIGKILL


def dying(real: Callable[..., Any], calls: int, after: bool = False) -> Callable[..., Any]:
    """A function in whose last call the process is killed."""
    left = [calls]

    def call(*arguments: Any, **keywords: Any) -> Any:
        left[0] -= 1
        if left[0]:
            return real(*arguments, **keywords)
        if after:
            real(*arguments, **keywords)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    return call


def save_and_die(path: Path, moment: str) -> None:
    model = model_of(50)
    if moment == "between the weights":
        h5py.Group.create_dataset = dying(h5py.Group.create_dataset, 3)
    elif moment == "before it takes its place":
        atomic.os.replace = dying(os.replace, 1)  # type: ignore[attr-defined]
    else:
        atomic.os.replace = dying(os.replace, 1, after=True)  # type: ignore[attr-defined]
    save(model, path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "moment", ["between the weights", "before it takes its place", "when it has taken its place"]
)
def test_killed(tmp_path: Path, name: str, moment: str) -> None:
    path = tmp_path / name
    save(model_of(2), path)
    before = path.read_bytes()
    process = PROCESSES.Process(target=save_and_die, args=(path, moment))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    if moment == "when it has taken its place":
        assert os.listdir(tmp_path) == [name]
        model_of(50).load_weights(path)
        return
    assert path.read_bytes() == before
    (left,) = {*os.listdir(tmp_path)} - {name}
    assert left.startswith(".")
    assert left.endswith(".tmp")
    if moment == "between the weights":
        with pytest.raises((FileError, OSError)):
            model_of(50).load_weights(tmp_path / left)


# -- checkpoints


def test_checkpoints_of_batches_epochs_and_the_best(tmp_path: Path) -> None:
    model = model_of(2)
    model.fit(
        X,
        Y,
        batch_size=5,
        epochs=2,
        verbose=0,
        callbacks=[
            ModelCheckpoint(tmp_path / "new" / "e{epoch:02d}b{batch}.keras", save_freq=3),
            ModelCheckpoint(tmp_path / "{epoch}-{loss:.2f}.weights.h5", save_weights_only=True),
            ModelCheckpoint(tmp_path / "best.h5", "loss", save_best_only=True, initial_value_threshold=-1.0),
        ],
    )
    losses = [f"{loss:.2f}" for loss in model.history.history["loss"]]
    assert sorted(os.listdir(tmp_path / "new")) == ["e01b3.keras", "e02b2.keras"]
    assert sorted(os.listdir(tmp_path)) == [f"1-{losses[0]}.weights.h5", f"2-{losses[1]}.weights.h5", "new"]
    other = model_of(2)
    other.load_weights(tmp_path / f"2-{losses[1]}.weights.h5")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    early = keras.models.load_model(tmp_path / "new" / "e02b2.keras")
    assert int(early.optimizer.iterations.numpy()) == 6


def test_a_path_that_names_what_is_not_reported(tmp_path: Path) -> None:
    keep = ModelCheckpoint(tmp_path / "{val_loss}.h5")
    with pytest.raises(ArgumentError, match=r"not reported(.|\n)*loss(.|\n)*'val_loss'"):
        model_of(2).fit(X, Y, verbose=0, callbacks=keep)


def test_a_checkpoint_is_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        model_of(2).fit(X, Y, verbose=0, callbacks=ModelCheckpoint(tmp_path))


def test_a_checkpoint_says_what_it_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep = ModelCheckpoint(tmp_path / "m.h5", "loss", verbose=1, save_best_only=True)
    keep.set_model(model_of(2))
    for epoch, loss in enumerate([0.5, 0.7]):
        keep.on_epoch_begin(epoch)
        keep.on_epoch_end(epoch, {"loss": loss})
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 1: loss improved from inf to 0.50000",
        f"Epoch 1: saving to {tmp_path / 'm.h5'}",
        "Epoch 2: loss did not improve from 0.50000",
    ]
