"""Small callbacks: functions as hooks, stopping on NaN, averages, a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np

from kgraph.errors import ArgumentTypeError, describe
from kgraph.keras.callbacks.base import Callback, Logs


class LambdaCallback(Callback):
    """Hooks given as functions: `LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))`.

    Raises ArgumentTypeError for a name that is no hook.
    """

    def __init__(self, **hooks: Callable[..., Any] | None) -> None:
        super().__init__()
        for name, hook in hooks.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                known = [key for key in vars(Callback) if key.startswith("on_")]
                raise ArgumentTypeError(
                    describe("LambdaCallback: unknown hook", expected=", ".join(known), got=name)
                )
            if hook is not None:
                setattr(self, name, hook)


class TerminateOnNaN(Callback):
    """Stop training when the loss is not a finite number."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            print(f"Batch {batch}: the loss is {loss}; training stops")
            self.model.stop_training = True


class BaseLogger(Callback):
    """Averages the numbers of batches into those of an epoch, weighted by the sizes of the batches.

    For loops of one's own, with `params["metrics"]` as the names; of those in `stateful_metrics` the last number is
    taken. What the logs of an epoch have already stays: `fit` reports means that were computed in the graph.
    """

    def __init__(self, stateful_metrics: Any = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        self.seen, self.totals = 0, dict[str, float]()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.seen, self.totals = 0, {}

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        numbers = dict(logs or {})
        size = numbers.pop("size", 0)
        numbers.pop("batch", None)
        self.seen += size
        for name, value in numbers.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            else:
                self.totals[name] = self.totals.get(name, 0.0) + value * size

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if not isinstance(logs, dict):
            return
        for name in self.params.get("metrics", ()):
            if name in self.totals:
                total = self.totals[name]
                logs.setdefault(name, total if name in self.stateful_metrics else total / self.seen)


class CSVLogger(Callback):
    """Write the numbers of each epoch as a row of a CSV file; with `append` after what is there."""

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self._file: TextIO | None = None
        self._writer: csv.DictWriter[str] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        continues = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self._with_header = not continues
        self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115  # closed at the end of training

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        assert self._file is not None
        row = {"epoch": epoch, **(logs or {})}
        if self._writer is None:
            keys = ["epoch", *sorted(key for key in row if key != "epoch")]
            self._writer = csv.DictWriter(
                self._file, keys, delimiter=self.sep, extrasaction="ignore", restval="NA"
            )
            if self._with_header:
                self._writer.writeheader()
        self._writer.writerow(row)
        self._file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None
