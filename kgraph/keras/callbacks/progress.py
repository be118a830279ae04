"""`ProgbarLogger`: a progress bar, or one line per epoch."""

from __future__ import annotations

from typing import Any

from kgraph.keras.callbacks.base import Callback, Logs
from kgraph.keras.utils.progbar import Progbar


class ProgbarLogger(Callback):
    """Prints progress: `verbose` 1 a bar with the numbers so far, 2 one line per epoch."""

    def __init__(
        self, count_mode: str = "steps", stateful_metrics: Any = None, verbose: int | None = None
    ) -> None:
        super().__init__()
        self.count_mode, self.stateful_metrics, self.verbose = count_mode, stateful_metrics, verbose
        self._bar: Progbar | None = None
        self._trains = False

    def on_train_begin(self, logs: Logs = None) -> None:
        self._trains = True

    def on_train_end(self, logs: Logs = None) -> None:
        self._trains = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        epochs = self.params.get("epochs") or 1
        if epochs > 1 or self._level() == 2:
            print(f"Epoch {epoch + 1}/{epochs}")
        self._start()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._advance(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._finish(logs)

    # Validation during training has no bar of its own: its numbers come at the end of the epoch's.

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._trains:
            self._start()

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        if not self._trains:
            self._advance(batch, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._trains:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._start()

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._advance(batch, logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._finish({})

    def _level(self) -> int:
        return int(self.params.get("verbose", 1) if self.verbose is None else self.verbose)

    def _start(self) -> None:
        # All numbers are running means already, so the bar must not average them again.
        self._stateful = set(self.params.get("metrics", ()))
        self._done = 0
        self._bar = Progbar(self.params.get("steps"), verbose=self._level(), stateful_metrics=self._stateful)

    def _advance(self, batch: int, logs: Logs) -> None:
        # The last step is drawn by _finish, with the validation numbers.
        self._done = batch + 1
        if self._bar is not None and self._done != self.params.get("steps"):
            self._bar.update(self._done, _numbers(logs))

    def _finish(self, logs: Logs) -> None:
        if self._bar is not None:
            numbers = _numbers(logs)
            self._bar.stateful_metrics |= {name for name, _ in numbers}
            self._bar.update(self._done, numbers, finalize=True)
            self._bar = None


def _numbers(logs: Logs) -> list[tuple[str, float]]:
    return [(name, value) for name, value in (logs or {}).items() if name not in ("batch", "size")]
