"""`LearningRateScheduler`: a learning rate for each epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ArgumentTypeError, describe
from kgraph.keras.callbacks.base import Callback, Logs
from kgraph.keras.callbacks.monitor import learning_rate, set_learning_rate


class LearningRateScheduler(Callback):
    """Set the learning rate at the start of each epoch to `schedule(epoch, lr)`, or `schedule(epoch)`.

    Raises ArgumentTypeError for a schedule that cannot be called, ArgumentError when it gives no number.
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise ArgumentTypeError(
                describe("bad schedule", expected="a function of the epoch", got=repr(schedule))
            )
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        rate = learning_rate(self.model)
        takes_rate = _takes_two(self.schedule)
        value = self.schedule(epoch, rate) if takes_rate else self.schedule(epoch)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise ArgumentError(
                describe("the schedule must give a number", expected="a float", got=repr(value))
            )
        set_learning_rate(self.model, float(value))
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {float(value):g}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if isinstance(logs, dict):
            logs["learning_rate"] = learning_rate(self.model)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    return True
