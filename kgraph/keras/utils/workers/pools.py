"""Pools of workers that fetch batches before they are asked for, without changing their order.

`waiting` is how many batches may be under way or ready while one is used.
"""

from __future__ import annotations

import multiprocessing
import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import count, islice, takewhile
from multiprocessing.reduction import ForkingPickler
from pickle import PicklingError
from typing import Any

import numpy as np

from kgraph.errors import DataError, describe

END = object()
"""What an iterator gives that has come to its end."""

NEEDED = {
    "expected": "batches that can be pickled and fetched there, in a program whose own work stands behind"
    ' if __name__ == "__main__":, or workers without use_multiprocessing'
}

# A plain fork would copy the locks of a process whose other threads, those of the runtime, may hold them.
_START = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)


def by_threads(batches: Any, order: Iterable[int], workers: int, waiting: int) -> Iterator[Any]:
    """`batches[i]` for each i in the order."""
    threads = ThreadPoolExecutor(workers)
    return _ahead(threads, lambda index: threads.submit(_item, batches, index), order, waiting)


def by_processes(batches: Any, order: Iterable[int], workers: int, waiting: int) -> Iterator[Any]:
    """`batches[i]` for each i in the order.

    The processes get a copy of `batches` at first. Before batch i they seed NumPy's and Python's own random numbers
    with i and a number that NumPy's generator gives here, so what they draw does not depend on which of them it is.
    Raises DataError when `batches` cannot be pickled, or a process dies.
    """
    seed = int(np.random.randint(1 << 31))
    _START.set_forkserver_preload(["__main__", __name__])  # what each would import for itself
    processes = ProcessPoolExecutor(workers, _START, _hold, (_pickled(batches),))
    try:
        yield from _ahead(processes, lambda index: processes.submit(_held, index, seed), order, waiting)
    except BrokenProcessPool:
        raise DataError(describe("a process that fetches batches is gone", **NEEDED)) from None


def by_one_thread(batches: Iterator[Any], most: int | None, waiting: int) -> Iterator[Any]:
    """What an iterator gives, `most` at most."""
    thread = ThreadPoolExecutor(1)
    numbers = count() if most is None else range(most)
    drawn = _ahead(thread, lambda _: thread.submit(next, batches, END), numbers, waiting)
    with closing(drawn):
        yield from takewhile(lambda batch: batch is not END, drawn)


def _ahead(
    pool: Executor, submit: Callable[[int], Future[Any]], numbers: Iterable[int], most: int
) -> Generator[Any]:
    """The results for all numbers in order.

    At the end, however it comes, what has not begun is dropped, and what has begun is waited for.
    """
    rest = iter(numbers)
    waiting: deque[Future[Any]] = deque()
    try:
        while True:
            waiting.extend(map(submit, islice(rest, most - len(waiting))))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _item(batches: Any, index: int) -> Any:
    return batches[index]


def _pickled(batches: Any) -> bytes:
    try:
        return bytes(ForkingPickler.dumps(batches))
    except (PicklingError, AttributeError, TypeError) as error:
        raise DataError(describe("batches for processes cannot be pickled", **NEEDED, got=error)) from None


_HELD: list[Any] = []
"""In a worker process: the batches it fetches from."""


def _hold(pickled: bytes) -> None:
    _HELD[:] = [ForkingPickler.loads(pickled)]


def _held(index: int, seed: int) -> Any:
    np.random.seed((seed + index) % (1 << 32))
    random.seed(seed + index)
    return _HELD[0][index]
