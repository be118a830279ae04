"""The loops of fit, evaluate and predict over batches.

A step costs: copying the batch into the step's buffers, one call of the runtime, and the hooks of those callbacks that
have any. Everything else is done once per epoch; batches that come one by one are checked one by one, too.
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


@dataclass(frozen=True)
class Around:
    """What happens around the steps of an epoch.

    `on_begin(batch, size)` and `on_end(batch, size, numbers)` are called before and after each, with the numbers that
    it reported; after a step that makes `should_stop` true there is none.
    """

    interrupt: Interrupt
    on_begin: Callable[[int, int], None] | None = None
    on_end: Callable[[int, int, Any], None] | None = None
    should_stop: Callable[[], bool] = lambda: False


def run_ranges(
    run: Run, order: Array | None, ranges: Iterable[tuple[int, int]], around: Around, first: int = 0
) -> Array:
    """Run a function over ranges of samples, which `order` permutes; the numbers that the last step reported.

    The ranges before number `first` are left out.
    """
    on_begin, on_end, interrupt, should_stop = (
        around.on_begin,
        around.on_end,
        around.interrupt,
        around.should_stop,
    )
    size = -1
    for batch, (start, stop) in islice(enumerate(ranges), first, None):
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


def run_each(
    batches: Iterable[Any], bind: Callable[[Any], Run], around: Around, first: int = 0
) -> Array | None:
    """Run each batch as the function it is bound to; the numbers that the last step reported, None without any.

    The batches before number `first` are left out.
    """
    numbers = None
    for number, batch in islice(enumerate(batches), first, None):
        around.interrupt.check()
        run = bind(batch)
        if around.on_begin is not None:
            around.on_begin(number, run.data.size)
        numbers = run_once(run)
        if around.on_end is not None:
            around.on_end(number, run.data.size, numbers)
        around.interrupt.check()
        if around.should_stop():
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


def predict_each(
    batches: Iterable[tuple[Sequence[Array], int]],
    predict: Callable[[Sequence[Array]], list[Array]],
    around: Around,
) -> list[Array]:
    """Predict for batches, each the arrays of the inputs and their size; each output for all samples."""
    parts: list[list[Array]] = []
    for number, (arrays, size) in enumerate(batches):
        if around.on_begin is not None:
            around.on_begin(number, size)
        parts.append(predict(arrays))
        if around.on_end is not None:
            around.on_end(number, size, ())
        around.interrupt.check()
    if len(parts) == 1:
        return parts[0]
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def as_logs(names: Sequence[str], numbers: Any) -> Logs:
    """Reported numbers by name, as Python floats."""
    return dict(zip(names, numbers.tolist(), strict=True))
