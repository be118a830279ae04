"""Fetching batches before they are asked for, on other threads or in other processes, without changing their order."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice, takewhile
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe

END = object()
"""What an iterator gives that has come to its end."""


@dataclass(frozen=True)
class Fetching:
    """How batches are fetched: by how many `workers`, which are threads or `processes`, and how many may wait.

    Without workers each is fetched when it is asked for. Raises ArgumentError for numbers that make no sense.
    """

    workers: int = 0
    waiting: int = 10
    processes: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("workers", self.workers, 0), ("max_queue_size", self.waiting, 1)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ArgumentError(
                    describe(f"bad {name}", expected=f"an integer, {least} or more", got=repr(value))
                )

    def indexed(self, batches: Any, order: Iterable[int]) -> Iterator[Any]:
        """`batches[i]` for each i in the order, which several workers fetch.

        Processes get a copy of `batches` at first. Their random numbers (NumPy's and Python's own) depend on a draw
        from NumPy's generator here and on i, not on which of them fetches it.
        """
        if not self.workers:
            yield from (batches[index] for index in order)
        elif self.processes:
            seed = int(np.random.randint(1 << 31))
            processes = ProcessPoolExecutor(self.workers, initializer=_hold, initargs=(batches,))
            yield from self._ahead(processes, lambda index: processes.submit(_held, index, seed), order)
        else:
            threads = ThreadPoolExecutor(self.workers)
            yield from self._ahead(threads, lambda index: threads.submit(_item, batches, index), order)

    def iterated(self, batches: Iterator[Any], most: int | None = None) -> Iterator[Any]:
        """What an iterator gives, `most` at most. One thread draws from it, as many as the workers may be."""
        if not self.workers:
            yield from islice(batches, most)
            return
        numbers = count() if most is None else range(most)
        thread = ThreadPoolExecutor(1)
        drawn = self._ahead(thread, lambda _: thread.submit(next, batches, END), numbers)
        with closing(drawn):
            yield from takewhile(lambda batch: batch is not END, drawn)

    def _ahead(
        self, pool: Executor, submit: Callable[[int], Future[Any]], numbers: Iterable[int]
    ) -> Generator[Any]:
        """The results for all numbers in order. As many as may wait are under way while one is used.

        At the end, however it comes, what has not begun is dropped, and what has begun is waited for.
        """
        rest = iter(numbers)
        waiting: deque[Future[Any]] = deque()
        try:
            while True:
                waiting.extend(map(submit, islice(rest, self.waiting - len(waiting))))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _item(batches: Any, index: int) -> Any:
    return batches[index]


_HELD: list[Any] = []
"""In a worker process: the batches it fetches from."""


def _hold(batches: Any) -> None:
    _HELD[:] = [batches]


def _held(index: int, seed: int) -> Any:
    np.random.seed((seed + index) % (1 << 32))
    random.seed(seed + index)
    return _HELD[0][index]
