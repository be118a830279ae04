"""`CallbackList`: several callbacks as one."""

from __future__ import annotations

from collections.abc import Callable as Function
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kgraph.keras.callbacks.base import Callback, History, Logs, flat_callbacks, overrides
from kgraph.keras.callbacks.progress import ProgbarLogger


class CallbackList:
    """Several callbacks as one, for `fit` and for loops of one's own.

    A `History` is added with `add_history`, a progress bar with `add_progbar`; `params` are what callbacks find in
    their `params`. The batch hooks of all callbacks are called; `fit` asks `batch_begin` and `batch_end` once for a
    function that calls only those that somebody overrides.
    Raises ArgumentTypeError for what is no callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks: list[Callback] = []
        self.params: Mapping[str, Any] = params
        self.model = model
        bar, history = [ProgbarLogger()] if add_progbar else [], [History()] if add_history else []
        for callback in [*flat_callbacks(callbacks), *bar, *history]:
            self.append(callback)

    def append(self, callback: Callback) -> None:
        """One more callback, with the model and the params that the others have."""
        self.callbacks += flat_callbacks([callback])
        self.callbacks.sort(key=lambda each: each.acts_last)
        callback.peers = self.callbacks
        callback.set_params(self.params)
        if self.model is not None:
            callback.set_model(self.model)

    def __iter__(self) -> Iterator[Callback]:
        return iter(self.callbacks)

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Give all callbacks other `params`."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Give all callbacks another model. Its `history` is then the `History` among them."""
        self.model = model
        for callback in self.callbacks:
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

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._call("on_train_batch_begin", logs, batch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._call("on_train_batch_end", logs, batch)

    on_batch_begin, on_batch_end = on_train_batch_begin, on_train_batch_end

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._call("on_test_batch_begin", logs, batch)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._call("on_test_batch_end", logs, batch)

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._call("on_predict_batch_begin", logs, batch)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._call("on_predict_batch_end", logs, batch)

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
