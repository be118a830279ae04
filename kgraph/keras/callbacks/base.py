"""`Callback`, the hooks that training calls, and `History`, what training returns."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentTypeError, describe

Logs = Mapping[str, Any] | None


class Callback:
    """What wants to be told about training. Override any hook; `model` and `params` are set before the first one.

    `on_batch_begin` and `on_batch_end` are the older names of `on_train_batch_begin` and `on_train_batch_end`.

    `remembers` names the attributes that training must find again when it goes on in another process: numbers, texts,
    None, arrays, and lists and dicts of them; `BackupAndRestore` keeps them. `acts_last` puts the calls to a callback
    after those to the ones that follow it in the list. `needs_state` says that `on_train_begin` needs every variable
    of the training to be there, so that the first batch must have been seen.
    """

    remembers: Sequence[str] = ()
    acts_last: bool = False
    needs_state: bool = False

    # Of the class, so that a subclass need not call this __init__.
    model: Any = None
    params: Mapping[str, Any] = MappingProxyType({})
    validation_data: Any = None
    peers: Sequence[Callback] = ()
    """All callbacks of the same training, in the order in which they are called."""

    def __init__(self) -> None: ...

    def set_params(self, params: Mapping[str, Any]) -> None:
        self.params = dict(params)

    def set_model(self, model: Any) -> None:
        self.model = model

    def on_train_begin(self, logs: Logs = None) -> None: ...

    def on_train_end(self, logs: Logs = None) -> None: ...

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None: ...

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None: ...

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_batch_end(self, batch: int, logs: Logs = None) -> None: ...

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs = None) -> None: ...

    def on_test_end(self, logs: Logs = None) -> None: ...

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None: ...

    def on_predict_begin(self, logs: Logs = None) -> None: ...

    def on_predict_end(self, logs: Logs = None) -> None: ...

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None: ...


class Record(dict[str, list[float]]):
    """Numbers of epochs by name. The learning rate is also found by its older name `lr`."""

    def __missing__(self, name: str) -> list[float]:
        if name != "lr" or "learning_rate" not in self:
            raise KeyError(name)
        warnings.warn("history['lr'] is now history['learning_rate']", DeprecationWarning, stacklevel=2)
        return self["learning_rate"]


class History(Callback):
    """Records the numbers of each epoch.

    `history["loss"]` is a list with one entry per epoch, `epoch` their numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = Record()

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        model.history = self

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch, self.history = [], Record()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


def overrides(callback: Callback, hook: str) -> bool:
    """Whether a callback has a hook of its own, as a method or an attribute."""
    return hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)


def flat_callbacks(callbacks: Any) -> list[Callback]:
    """Callbacks from one, a list or None. Raises ArgumentTypeError for anything that is none."""
    given = [] if callbacks is None else list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in given:
        if not isinstance(callback, Callback):
            raise ArgumentTypeError(
                describe(
                    "not a callback", expected="an instance of keras.callbacks.Callback", got=repr(callback)
                )
            )
    return given
