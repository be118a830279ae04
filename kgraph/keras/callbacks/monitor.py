"""Callbacks that watch one number: stopping early, lowering the learning rate."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.keras.callbacks.base import Callback, Logs

_MODES = ("auto", "min", "max")


class Monitor(Callback):
    """A callback that compares a reported number with the best one so far.

    `mode` says what better means; "auto" takes "max" for accuracies and the like, "min" otherwise. A change of
    less than `min_delta` is none.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ArgumentError(
                describe(f"bad mode of {type(self).__name__}", expected=_MODES, got=repr(mode))
            )
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        grows = mode == "max" or (mode == "auto" and _is_score(monitor))
        self._sign = 1.0 if grows else -1.0
        self.best = -math.inf * self._sign

    def forget(self) -> None:
        """Start comparing anew."""
        self.best = -math.inf * self._sign

    def improves(self, value: float) -> bool:
        """Whether a number is better than the best one by more than `min_delta`."""
        return self.beats(value, self.best)

    def beats(self, value: float, other: float) -> bool:
        """Whether a number is better than another one by more than `min_delta`."""
        return (value - other) * self._sign > self.min_delta

    def read(self, logs: Logs) -> float | None:
        """The watched number; None, with a warning, when it was not reported."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not reported; "
                f"available: {', '.join(logs or {})}",
                RuntimeWarning,
                stacklevel=3,
            )
        return value


def _is_score(name: str) -> bool:
    words = ("acc", "auc", "precision", "recall", "f1", "fmeasure", "iou")
    return any(word in name.lower() for word in words)


class EarlyStopping(Monitor):
    """Stop when the watched number has not improved for `patience` epochs.

    With a `baseline` an improvement counts only when it beats that as well, though training goes on while the number
    improves. `restore_best_weights` puts the weights of the best epoch back. Nothing is watched before
    `start_from_epoch`.
    """

    remembers = ("best", "wait", "stopped_epoch", "best_epoch", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights = None
        self.forget()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        value = self.read(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.improves(value):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.beats(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when the watched number has not improved for `patience` epochs.

    After a reduction `cooldown` epochs pass before counting goes on; the rate stays above `min_lr`.
    Raises ArgumentError for a factor of 1 or more.
    """

    remembers = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(monitor, mode, kwargs.pop("epsilon", min_delta))
        if factor >= 1.0:
            raise ArgumentError(describe("ReduceLROnPlateau must reduce", expected="factor < 1", got=factor))
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.cooldown_counter = self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether a reduction was too recent to count."""
        return self.cooldown_counter > 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self.forget()
        self.cooldown_counter = self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if isinstance(logs, dict):
            logs["learning_rate"] = learning_rate(self.model)
        value = self.read(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value):
            self.best, self.wait = value, 0
            return
        if self.in_cooldown():
            return
        self.wait += 1
        rate = learning_rate(self.model)
        if self.wait >= self.patience and rate > np.float32(self.min_lr):
            set_learning_rate(self.model, max(rate * self.factor, self.min_lr))
            if self.verbose:
                print(f"Epoch {epoch + 1}: the learning rate is reduced to {learning_rate(self.model):g}")
            self.cooldown_counter, self.wait = self.cooldown, 0


def learning_rate(model: Any) -> float:
    """The learning rate that a model's optimizer has now; with a schedule, what that says."""
    return float(np.asarray(model.optimizer.learning_rate))


def set_learning_rate(model: Any, rate: float) -> None:
    """Give a model's optimizer another learning rate; it takes the place of a schedule."""
    model.optimizer.learning_rate = rate
