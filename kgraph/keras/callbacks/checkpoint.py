"""Callbacks that write files: `ModelCheckpoint` models to use, `BackupAndRestore` an interrupted training."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

from kgraph.errors import ArgumentError, FileError, describe
from kgraph.keras.callbacks.base import Callback, Logs
from kgraph.keras.callbacks.monitor import Monitor
from kgraph.keras.saving.atomic import SUFFIX
from kgraph.keras.saving.backup import read_tree, restore_variables, variables_of, write_tree


class ModelCheckpoint(Monitor):
    """Save the model, or with `save_weights_only` its weights, after every epoch or every `save_freq` batches.

    filepath    may hold `{epoch:02d}`, `{batch}` (both from 1) and reported numbers such as `{val_loss:.2f}`; folders
                are made
    save_freq   "epoch", or a number of batches; `period`, a number of epochs, is an older word
    initial_value_threshold  with `save_best_only` the value to improve on at first

    Saving is atomic: the file before is there until the new one is complete. With `save_best_only` only an improvement
    is saved. Raises ArgumentError for a `save_freq` that is neither, and for numbers in the path that nobody reports.
    """

    remembers = ("best", "_since_save")

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
        period: int | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq = frequency(save_freq, "ModelCheckpoint")
        if period is not None:
            warnings.warn(
                "period is an older word: save_freq counts epochs or batches",
                DeprecationWarning,
                stacklevel=2,
            )
        self.period = 1 if period is None else period
        if initial_value_threshold is not None:
            self.best = initial_value_threshold
        self._since_save = self._epoch = 0
        if self.save_freq != "epoch":
            # Of the instance: a step has a hook to call only where somebody wants it.
            self.on_train_batch_end = self._count_batch

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch" and self._is_due(self.period):
            self._save({**(logs or {}), "epoch": epoch + 1}, logs)

    def _count_batch(self, batch: int, logs: Logs = None) -> None:
        if self._is_due(self.save_freq):
            self._save({**(logs or {}), "epoch": self._epoch + 1, "batch": batch + 1}, logs)

    def _is_due(self, every: int) -> bool:
        self._since_save += 1
        if self._since_save < every:
            return False
        self._since_save = 0
        return True

    def _save(self, names: dict[str, Any], logs: Logs) -> None:
        path = self._path(names)
        if self.save_best_only:
            value = self.read(logs)
            if value is None:
                return
            if not self.improves(value):
                self._say(f"{self.monitor} did not improve from {self.best:.5f}")
                return
            self._say(f"{self.monitor} improved from {self.best:.5f} to {value:.5f}")
            self.best = value
        self._say(f"saving to {path}")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: {text}")

    def _path(self, names: dict[str, Any]) -> str:
        try:
            return self.filepath.format(**names)
        except (KeyError, IndexError) as error:
            raise ArgumentError(
                describe(
                    "ModelCheckpoint: the path names what is not reported",
                    expected=", ".join(names),
                    got=f"{error.args[0]!r} in {self.filepath}",
                )
            ) from None


class BackupAndRestore(Callback):
    """Keeps a backup of the training, from which the same program goes on when it is interrupted and started again.

    backup_dir         a folder for this training alone
    save_freq          "epoch" for a backup after each epoch, or a number of batches
    double_checkpoint  keep the backup before as well, for the case that the last one is damaged
    delete_checkpoint  delete the backup when training ends

    A backup holds every value that decides how training goes on: weights, optimizer, learning rate, random state (so
    shuffles and noise), states of layers, metrics, and what the other callbacks remember. So a training that was killed
    at any moment, and is started again with the same data and arguments, ends with the weights that it would have had,
    bit for bit on the same machine. History and logs begin where this process does.
    Raises ArgumentError for an empty folder name or another `save_freq`, FileError for the backup of another model, or
    a damaged one where there is no other.
    """

    acts_last = True
    needs_state = True

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ArgumentError(
                describe("BackupAndRestore: no backup_dir", expected="a folder", got=backup_dir)
            )
        self.backup_dir = Path(backup_dir)
        self.save_freq = frequency(save_freq, "BackupAndRestore")
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._latest, self._previous = self.backup_dir / "latest.npz", self.backup_dir / "previous.npz"
        self._since_save = self._epoch = 0
        self._within_epoch: dict[str, Any] | None = None
        if self.save_freq != "epoch":
            # Of the instance, as in ModelCheckpoint.
            self.on_train_batch_begin = self._begin_batch
            self.on_train_batch_end = self._end_batch

    # -- restoring

    def on_train_begin(self, logs: Logs = None) -> None:
        self._since_save, self._within_epoch = 0, None
        found = self._read()
        if found is None:
            return
        self._restore(found)
        epoch, batch = found["epoch"], found["batch"]
        if found["stopped_of"] == self.params["epochs"]:
            epoch = self.params["epochs"]
        if batch:
            # The order of the epoch is made from the state that it began with; all else follows at its first batch.
            self._within_epoch = found
            if found["shuffled_from"] is not None:
                self._training.rng.assign(found["shuffled_from"])
        self.model._starts_at = epoch, batch

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def _begin_batch(self, batch: int, logs: Logs = None) -> None:
        if self._within_epoch is not None:
            # Again: the beginning of the epoch has reset its metrics, and callbacks may have acted on it.
            self._restore(self._within_epoch)
            self._within_epoch = None

    def _read(self) -> dict[str, Any] | None:
        """The last backup that is whole; None where there is none."""
        damage: FileError | None = None
        for path in (self._latest, self._previous):
            try:
                return read_tree(path)
            except FileNotFoundError:
                continue
            except FileError as error:
                damage = damage or error
        if damage is not None:
            raise damage
        return None

    def _restore(self, found: dict[str, Any]) -> None:
        restore_variables(self._training, found["variables"], self.backup_dir)
        for callback, (kind, memory) in zip(self.peers, found["callbacks"], strict=False):
            if type(callback).__name__ == kind:
                vars(callback).update(memory)

    # -- saving

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch" or self._since_save >= self.save_freq:
            self._save(epoch + 1, 0)

    def _end_batch(self, batch: int, logs: Logs = None) -> None:
        self._since_save += 1
        # After the last batch the epoch is not over: validation and callbacks come first.
        if self._since_save >= self.save_freq and batch + 1 != self.params["steps"]:
            self._save(self._epoch, batch + 1)

    def _save(self, epoch: int, batch: int) -> None:
        self._since_save = 0
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint:
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._latest, self._previous)
        tree = {
            "epoch": epoch,
            "batch": batch,
            "stopped_of": self.params["epochs"] if self.model.stop_training else None,
            "shuffled_from": self._training.shuffled_from,
            "variables": variables_of(self._training),
            "callbacks": [
                (type(peer).__name__, {name: getattr(peer, name) for name in peer.remembers})
                for peer in self.peers
            ],
        }
        write_tree(self._latest, tree)

    def on_train_end(self, logs: Logs = None) -> None:
        if not self.delete_checkpoint or not self.backup_dir.is_dir():
            return
        unfinished = [
            p for p in self.backup_dir.glob(f".*{SUFFIX}") if p.name.startswith(f".{self._latest.name}.")
        ]
        for path in (self._previous, self._latest, *unfinished):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what others put there stays
            self.backup_dir.rmdir()

    @property
    def _training(self) -> Any:
        return self.model._prepare()


def frequency(save_freq: Any, where: str) -> Any:
    """ "epoch", or a number of batches. Raises ArgumentError for anything else."""
    if save_freq != "epoch" and (type(save_freq) is not int or save_freq < 1):
        raise ArgumentError(
            describe(
                f"{where}: bad save_freq", expected="'epoch' or a number of batches", got=repr(save_freq)
            )
        )
    return save_freq
