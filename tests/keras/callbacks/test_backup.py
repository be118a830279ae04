"""A training that is killed and started again ends where it would have ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import ArgumentError, FileError
from kgraph.keras.callbacks import BackupAndRestore, Callback, EarlyStopping
from kgraph.keras.saving.backup import read_tree, write_tree
from tests.keras.callbacks import interrupted
from tests.keras.callbacks.interrupted import BATCH, EPOCHS, STEPS, X, Y, make_model

# A server that has imported everything once and forks: a process for each training, without the second an import takes.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.keras.callbacks.interrupted"])


def started(folder: Path, seed: int, death: tuple[Any, ...] = (), **arguments: Any) -> Any:
    process = PROCESSES.Process(target=interrupted.train, args=(folder, seed, death), kwargs=arguments)
    process.start()
    return process


def run(folder: Path, seed: int, death: tuple[Any, ...] = (), **arguments: Any) -> int:
    """Train in a process of its own; how it ended."""
    process = started(folder, seed, death, **arguments)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def result(folder: Path) -> Mapping[str, Any]:
    with np.load(folder / "result.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(folder, seed=1) == 0
    assert os.listdir(folder) == ["result.npz"], "a training that ended has no backup"
    return result(folder)


def check_same(folder: Path, wanted: Mapping[str, Any], first_epoch: int) -> None:
    found = result(folder)
    assert found["epochs"].tolist() == list(range(first_epoch, EPOCHS))
    np.testing.assert_array_equal(found["loss"], wanted["loss"][first_epoch:])
    assert found.keys() == wanted.keys()
    for name in wanted.keys() - {"epochs", "loss"}:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    assert sorted(os.listdir(folder)) == ["result.npz"]


MOMENTS = {
    "before the first epoch ends": (("hook", "on_train_batch_end", 0, STEPS - 1), 0),
    "in the middle of an epoch": (("hook", "on_train_batch_begin", 2, 1), 2),
    "after the last step of an epoch": (("hook", "on_epoch_end", 3), 3),
    "when half of the backup is written": (("middle", 3), 2),
    "before the backup takes its place": (("save", "_flush", 3, True), 2),
    "when the backup has taken its place": (("save", "_flush_folder", 3, False), 3),
    "when all is done but the end": (("save", "_flush_folder", EPOCHS, True), EPOCHS),
}
"""When the process is killed, and from which epoch it must go on."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(tmp_path: Path, uninterrupted: Mapping[str, Any], moment: str) -> None:
    death, goes_on_from = MOMENTS[moment]
    assert run(tmp_path, seed=1, death=death) == -signal.SIGKILL
    if not goes_on_from:
        assert not (tmp_path / "backup" / "latest.npz").exists()
    assert run(tmp_path, seed=2 if goes_on_from else 1) == 0
    check_same(tmp_path, uninterrupted, goes_on_from)


def test_killed_again_and_again(tmp_path: Path, uninterrupted: Mapping[str, Any]) -> None:
    for epoch in (1, 2, 4):
        assert run(tmp_path, seed=epoch, death=("hook", "on_train_batch_end", epoch, 2)) == -signal.SIGKILL
    assert run(tmp_path, seed=7) == 0
    check_same(tmp_path, uninterrupted, 4)


def test_killed_by_the_clock(tmp_path: Path, uninterrupted: Mapping[str, Any]) -> None:
    """Wherever it happens to be: later each time, until it is through."""
    for attempt in range(40):
        process = started(tmp_path, seed=1)
        process.join(0.3 + 0.15 * attempt)
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        if process.exitcode == 0:
            break
    found = result(tmp_path)
    check_same(tmp_path, uninterrupted, EPOCHS - len(found["epochs"]))


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_killed_between_backups_of_batches(
    tmp_path: Path, uninterrupted: Mapping[str, Any], batch: int
) -> None:
    """With a backup every 3 steps: at the end of steps 3, 6, 9, … of 4 an epoch."""
    death = ("hook", "on_train_batch_end", 2, batch)
    assert run(tmp_path, seed=1, death=death, save_freq=3) == -signal.SIGKILL
    done = (
        (2 * STEPS + batch) // 3 * 3
    )  # what the killed process had counted when it was about to end this step
    kept = read_tree(tmp_path / "backup" / "latest.npz")
    assert kept["epoch"] * STEPS + kept["batch"] == done
    assert run(tmp_path, seed=2, save_freq=3) == 0
    found = result(tmp_path)
    assert found["loss"][0] == uninterrupted["loss"][done // STEPS], "the mean of the whole epoch"
    check_same(tmp_path, uninterrupted, done // STEPS)


def test_a_damaged_backup_is_an_error_or_the_one_before_is_taken(
    tmp_path: Path, uninterrupted: Mapping[str, Any]
) -> None:
    assert run(tmp_path, seed=1, death=("hook", "on_epoch_end", 3), double_checkpoint=True) == -signal.SIGKILL
    latest, previous = tmp_path / "backup" / "latest.npz", tmp_path / "backup" / "previous.npz"
    whole = latest.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        flipped(whole),
        *map(said_compressed, [whole] * 3, (8, 12, 14)),
    ):
        latest.write_bytes(damaged)
        with pytest.raises(FileError, match="damaged"):
            read_tree(latest)
    assert previous.exists()
    assert run(tmp_path, seed=2, double_checkpoint=True) == 0
    check_same(tmp_path, uninterrupted, 2)


def said_compressed(data: bytes, method: int) -> bytes:
    """A zip archive whose stored entries claim to be compressed: 8 is deflate, 12 bzip2, 14 LZMA."""
    for header, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        before, *parts = data.split(header)
        at = place - len(header)
        data = header.join([before, *(part[:at] + bytes([method, 0]) + part[at + 2 :] for part in parts)])
    return data


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


class Stop(Callback):
    """Ends the training of this process in a way that leaves no time for goodbyes."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_training_that_was_stopped_early_stays_stopped(tmp_path: Path) -> None:
    def fit(*more: Callback, epochs: int = 6) -> Any:
        stop = EarlyStopping(monitor="loss", patience=1, min_delta=100.0)
        keep = BackupAndRestore(tmp_path, delete_checkpoint=False)
        return make_model(3).fit(
            X, Y, batch_size=BATCH, epochs=epochs, callbacks=[keep, stop, *more], verbose=0
        )

    assert fit().epoch == [0, 1]
    assert fit().epoch == []
    assert fit(epochs=7).epoch == [2], "more epochs are another wish"


def test_it_acts_after_all_others_and_remembers_what_they_do(tmp_path: Path) -> None:
    class Counts(Callback):
        remembers = ("count", "seen")
        count, seen = 0, None

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.count += 1
            self.seen = {"epochs": [epoch], "array": np.full(3, epoch, "float32")}

    counts = Counts()
    with pytest.raises(KeyboardInterrupt):
        make_model(3).fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(tmp_path), counts, Stop(2)])
    again = Counts()
    make_model(4).fit(X, Y, epochs=2, verbose=0, callbacks=[BackupAndRestore(tmp_path), again, Stop(2)])
    assert again.count == 2
    assert again.seen is not None
    assert again.seen["epochs"] == [1]
    np.testing.assert_array_equal(again.seen["array"], np.ones(3))


def test_backups_of_other_models_are_refused(tmp_path: Path) -> None:
    make_model(3).fit(X, Y, verbose=0, callbacks=BackupAndRestore(tmp_path, delete_checkpoint=False))
    other = keras.Sequential([keras.layers.Dense(1, input_shape=(4,))])
    other.compile("adam", "mse")
    before = other.get_weights()
    with pytest.raises(FileError, match=r"another model(.|\n)*dense"):
        other.fit(X, Y, epochs=2, verbose=0, callbacks=BackupAndRestore(tmp_path))
    for mine, old in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_only_its_own_files_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".latest.npz.0123.tmp").write_text("left by a process that was killed")
    make_model(3).fit(X, Y, epochs=2, verbose=0, callbacks=BackupAndRestore(tmp_path, double_checkpoint=True))
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_steps_pay_nothing_for_backups_of_epochs() -> None:
    hooks = keras.callbacks.CallbackList([BackupAndRestore("b"), keras.callbacks.ModelCheckpoint("m.h5")])
    assert hooks.batch_begin("train") is None
    assert hooks.batch_end("train") is None


@pytest.mark.parametrize("save_freq", ["batch", 0, -1, 2.5, True, None])
def test_bad_arguments(save_freq: Any) -> None:
    with pytest.raises(ArgumentError, match="save_freq"):
        BackupAndRestore("folder", save_freq=save_freq)
    with pytest.raises(ArgumentError, match="save_freq"):
        keras.callbacks.ModelCheckpoint("m.h5", save_freq=save_freq)
    with pytest.raises(ArgumentError, match="backup_dir"):
        BackupAndRestore("")


def test_trees_come_back_as_they_were(tmp_path: Path) -> None:
    tree = {
        "numbers": [1, -2.5, float("inf"), None, True],
        "text": "ü",
        "array": {"array": np.arange(3, dtype="uint32"), "dict": {}},
        "empty": np.zeros((0, 2), "float16"),
        "scalar": np.float32(0.1),
    }
    write_tree(tmp_path / "t", tree)
    back = read_tree(tmp_path / "t")
    assert back["numbers"] == tree["numbers"]
    assert (back["text"], back["scalar"]) == ("ü", float(np.float32(0.1)))
    np.testing.assert_array_equal(back["array"]["array"], np.arange(3))
    assert back["array"]["array"].dtype == "uint32"
    assert back["array"]["dict"] == {}
    assert back["empty"].shape == (0, 2)


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    with open(tmp_path / "t", "wb") as file:
        np.savez(file, manifest=np.array([{}], dtype=object))
    with pytest.raises(FileError, match="damaged"):
        read_tree(tmp_path / "t")
