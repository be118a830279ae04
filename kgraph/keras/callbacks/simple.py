"""Small callbacks: functions as hooks, stopping on NaN, averages, a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import Any

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
    """Write the numbers of each epoch as a row of a CSV file; with `append` after what is there.

    The file is open only while a row is written: training may end at any moment.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self._keys: list[str] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self._keys = []
        with open(self.filename, "a" if self.append else "w", encoding="utf-8") as file:
            self._with_header = file.tell() == 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        row = {"epoch": epoch, **(logs or {})}
        begins = not self._keys
        self._keys = self._keys or ["epoch", *sorted(key for key in row if key != "epoch")]
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._keys, delimiter=self.sep, extrasaction="ignore", restval="NA")
            if begins and self._with_header:
                writer.writeheader()
            writer.writerow(row)
