"""The loops of fit, evaluate and predict over batches of arrays.

A step costs: copying the batch into the step's buffers, one call of the runtime, and the hooks of those callbacks that
have any. Everything else is done once per epoch.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import FrameType
from typing import Any

import numpy as np

from kgraph.ir.types import Array
from kgraph.keras.training.data import ArrayData
from kgraph.plugins.backend import Executable, Step

Logs = dict[str, float]


class Interrupt:
    """Ctrl-C, seen between steps: the step that runs is finished first, so the weights are those of a whole step."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt  # a second Ctrl-C does not wait
        self.asked = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if one was asked for."""
        if self.asked:
            self.asked = False
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Hold Ctrl-C back until `check`. Outside of the main thread signals are left alone."""
    interrupt = Interrupt()
    handled = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not handled:
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
    interrupt.check()


@dataclass(frozen=True)
class Run:
    """A compiled function by name, and the data to run it over."""

    executable: Executable
    name: str
    data: ArrayData

    def step(self, size: int) -> Step:
        """The function for batches of a size."""
        return self.executable.step(self.name, [(size, *array.shape[1:]) for array in self.data.arrays])


def run_epoch(
    run: Run,
    order: Array | None,
    interrupt: Interrupt,
    on_begin: Callable[[int, int], None] | None = None,
    on_end: Callable[[int, int, Array], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    first: int = 0,
) -> Array:
    """Run a function over all batches; the numbers that the last step reported.

    `order` permutes the samples. `on_begin(batch, size)` and `on_end(batch, size, numbers)` are called around
    each step. The batches before number `first` are left out.
    """
    size = -1
    for batch, (start, stop) in islice(enumerate(run.data.ranges()), first, None):
        if stop - start != size:
            size = stop - start
            step = run.step(size)
            pairs = list(zip(run.data.arrays, step.inputs, strict=True))
            numbers = step.outputs[0]
        if on_begin is not None:
            on_begin(batch, size)
        copy_batch(pairs, order, start, stop)
        step()
        if on_end is not None:
            on_end(batch, size, numbers)
        if interrupt.asked:
            interrupt.check()
        if should_stop():
            break
    return numbers


def copy_batch(pairs: Iterable[tuple[Any, Array]], order: Array | None, start: int, stop: int) -> None:
    """Copy samples from `start` to `stop`, in an order if there is one, from each source to its buffer."""
    if order is None:
        for source, buffer in pairs:
            np.copyto(buffer, source[start:stop])
        return
    picked = order[start:stop]
    for source, buffer in pairs:
        # "clip" because "raise" makes take() go through a second buffer; the indices are in range.
        source.take(picked, 0, buffer, "clip")


def run_once(run: Run) -> Array:
    """Run a function on all samples as one batch; the numbers it reports."""
    step = run.step(run.data.size)
    for buffer, array in zip(step.inputs, run.data.arrays, strict=True):
        np.copyto(buffer, array)
    step()
    return step.outputs[0]


def predict_batches(
    executable: Executable,
    name: str,
    arrays: Sequence[Array],
    size: int,
    batch_size: int,
    interrupt: Interrupt,
    on_begin: Callable[[int, int], None] | None = None,
    on_end: Callable[[int, int], None] | None = None,
) -> list[Array]:
    """Run a function over batches of its inputs; each output for all samples."""
    parts: list[list[Array]] = []
    for batch, start in enumerate(range(0, size, batch_size)):
        count = min(batch_size, size - start)
        if on_begin is not None:
            on_begin(batch, count)
        parts.append(executable.run(name, [array[start : start + batch_size] for array in arrays]))
        if on_end is not None:
            on_end(batch, count)
        interrupt.check()
    if len(parts) == 1:
        return parts[0]
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def as_logs(names: Sequence[str], numbers: Any) -> Logs:
    """Reported numbers by name, as Python floats."""
    return dict(zip(names, numbers.tolist(), strict=True))
