"""`Fetching`: how batches are fetched, by whom and how many ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.keras.utils import workers


@dataclass(frozen=True)
class Fetching:
    """How batches are fetched: by how many `workers`, which are threads or `processes`, and how many may wait.

    Without workers each is fetched when it is asked for. Processes import the program anew, so what that does by itself
    must stand behind `if __name__ == "__main__":`. Raises ArgumentError for numbers that make no sense.
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
        """`batches[i]` for each i in the order. Raises DataError when processes cannot have the batches."""
        if not self.workers:
            return (batches[index] for index in order)
        fetch = workers.by_processes if self.processes else workers.by_threads
        return fetch(batches, order, self.workers, self.waiting)

    def iterated(self, batches: Iterator[Any], most: int | None = None) -> Iterator[Any]:
        """What an iterator gives, `most` at most. One thread draws from it, as many as the workers may be."""
        return workers.by_one_thread(batches, most, self.waiting) if self.workers else islice(batches, most)
