"""The progress bar of Keras: what `fit` shows while it works.

12/45 [=======>......................] - ETA: 3s - loss: 0.4129 - accuracy: 0.8750
45/45 [==============================] - 1s 27ms/step - loss: 0.2004 - accuracy: 0.9427
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

NARROWEST_BAR = 10
"""Where the terminal is too narrow for the line, the bar gives way first, down to this width."""


class Progbar:
    """Shows how far a loop has come, how long it will take, and averages of what it measures.

    target            how many steps there are; None when that is not known
    width             of the bar, in characters
    verbose           0 shows nothing, 1 the bar, 2 one line at the end
    interval          the shortest time between two looks of the bar, in seconds
    stateful_metrics  names whose values are shown as they come; others are averaged over the steps so far
    unit_name         what a step is called: "step" or "sample"

    On a terminal and in a notebook the line is drawn over itself and kept within the terminal's width, except for
    the last, whole one. Elsewhere, in a log file for instance, every look is a line of its own.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.stateful_metrics = frozenset(stateful_metrics or ())
        self.unit_name = unit_name
        self._is_terminal = hasattr(sys.stdout, "isatty") and sys.stdout.isatty()
        self._redraws = self._is_terminal or "ipykernel" in sys.modules
        self._seen = 0
        self._measured: dict[str, tuple[float, int]] = {}  # name -> weighted sum, weight
        self._start = time.perf_counter()
        self._first: tuple[float, int] | None = None  # when the first update came, and how far it was
        self._last_look = -float("inf")
        self._line_length = 0

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, float | NDArray[Any]]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Say that `current` steps are done, and what they measured, as (name, value) pairs.

        A value counts for the steps since the last update. `finalize` says that this is the end; by default the end
        is where `target` is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._measure(name, value, max(current - self._seen, 1))
        self._seen = current
        if self.verbose not in (1, 2):
            return
        now = time.perf_counter()
        if self.verbose == 1 and (finalize or now - self._last_look >= self.interval):
            self._last_look = now
            self._draw(now, finalize)
        elif self.verbose == 2 and finalize:
            self._write(f" - {now - self._start:.0f}s{self._measurements()}\n")
        if self._first is None:
            self._first = now, current

    def add(self, n: int, values: Iterable[tuple[str, float | NDArray[Any]]] | None = None) -> None:
        """Say that `n` more steps are done; `values` as in `update`."""
        self.update(self._seen + n, values)

    def _measure(self, name: str, value: float | NDArray[Any], weight: int) -> None:
        # np.mean takes microseconds, and this runs after every step: plain numbers go without it.
        number = float(value) if isinstance(value, int | float | np.generic) else float(np.mean(value))
        total, weights = (0.0, 0) if name in self.stateful_metrics else self._measured.get(name, (0.0, 0))
        self._measured[name] = (total + number * weight, weights + weight)

    def _draw(self, now: float, finalize: bool) -> None:
        text = self._timing(now, finalize) + self._measurements()
        line = self._bar(self.width) + text
        if self._is_terminal and not finalize:
            room = shutil.get_terminal_size().columns - 1
            narrower = max(self.width - max(len(line) - room, 0), min(NARROWEST_BAR, self.width))
            line = (self._bar(narrower) + text)[:room]
        # Going back by \b and \r both is for notebooks, which know only one of them.
        before = "\b" * self._line_length + "\r" if self._redraws else "\n"
        rest = " " * (self._line_length - len(line)) if self._redraws else ""
        self._line_length = len(line)
        self._write(before + line + rest + ("\n" if finalize else ""))

    def _bar(self, width: int) -> str:
        if self.target is None:
            return f"{self._seen:7d}/Unknown"
        digits = len(str(self.target))
        done = width if self._seen >= self.target else width * self._seen // self.target
        head = "" if done == 0 else "=" if self._seen >= self.target else ">"
        return f"{self._seen:{digits}d}/{self.target} [{'=' * (done - 1)}{head}{'.' * (width - done)}]"

    def _timing(self, now: float, finalize: bool) -> str:
        if self.target is not None and not finalize:
            return f" - ETA: {_duration(self._time_per_step(now) * (self.target - self._seen))}"
        return f" - {now - self._start:.0f}s {_short_duration(self._time_per_step(now))}/{self.unit_name}"

    def _time_per_step(self, now: float) -> float:
        """Without the steps before the first update, when there are others: those include compiling."""
        since, done = (self._start, 0) if self._first is None else self._first
        if self._seen <= done:
            since, done = self._start, 0
        return (now - since) / (self._seen - done) if self._seen > done else 0.0

    def _measurements(self) -> str:
        averages = {name: total / weight for name, (total, weight) in self._measured.items()}
        return "".join(
            f" - {name}: {average:.4f}" if abs(average) > 1e-3 else f" - {name}: {average:.4e}"
            for name, average in averages.items()
        )

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _duration(seconds: float) -> str:
    """7s, 3:07 or 1:03:07."""
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


def _short_duration(seconds: float) -> str:
    """2s, 27ms or 350us."""
    if seconds >= 1:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"
