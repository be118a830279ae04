"""`Callback`, the hooks that training calls, and `CallbackList`, which calls them."""

from __future__ import annotations

import warnings
from collections.abc import Callable as Function
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

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch, self.history = [], Record()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class CallbackList:
    """Several callbacks as one. Batch hooks that nobody overrides are not called at all."""

    def __init__(self, callbacks: Any, model: Any, params: Mapping[str, Any]) -> None:
        self.callbacks = sorted(flat_callbacks(callbacks), key=lambda callback: callback.acts_last)
        for callback in self.callbacks:
            callback.peers = self.callbacks
            callback.set_params(params)
            callback.set_model(model)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._call("on_train_begin", logs)

    def on_train_end(self, logs: Logs = None) -> None:
        self._call("on_train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._call("on_epoch_begin", logs, epoch)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._call("on_epoch_end", logs, epoch)

    def on_test_begin(self, logs: Logs = None) -> None:
        self._call("on_test_begin", logs)

    def on_test_end(self, logs: Logs = None) -> None:
        self._call("on_test_end", logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._call("on_predict_begin", logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._call("on_predict_end", logs)

    def _call(self, hook: str, logs: Logs, *numbers: int) -> None:
        """Call a hook of each callback, in order, with one and the same logs: a callback may add to them."""
        shared = {} if logs is None else logs
        for callback in self.callbacks:
            getattr(callback, hook)(*numbers, shared)

    def batch_begin(self, phase: str) -> Function[[int, int], None] | None:
        """A function of batch number and size that calls the begin hooks of a phase; None when nobody has one."""
        hooks = self._hooks(f"on_{phase}_batch_begin", "on_batch_begin" if phase == "train" else "")
        if not hooks:
            return None

        def call(batch: int, size: int) -> None:
            logs = {"batch": batch, "size": size}
            for hook in hooks:
                hook(batch, logs)

        return call

    def batch_end(self, phase: str, names: Sequence[str] = ()) -> Function[..., None] | None:
        """A function of batch number, size and reported numbers that calls the end hooks; None when nobody has one."""
        hooks = self._hooks(f"on_{phase}_batch_end", "on_batch_end" if phase == "train" else "")
        if not hooks:
            return None

        def call(batch: int, size: int, numbers: Any = ()) -> None:
            values = numbers.tolist() if len(numbers) else ()
            logs = {"batch": batch, "size": size, **dict(zip(names, values, strict=False))}
            for hook in hooks:
                hook(batch, logs)

        return call

    def _hooks(self, name: str, old: str) -> list[Any]:
        return [getattr(c, name) for c in self.callbacks if overrides(c, name) or (old and overrides(c, old))]


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
