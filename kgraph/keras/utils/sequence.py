"""Data that comes batch by batch, by number, so that several workers can fetch it and none comes twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from kgraph.keras.utils.fetching import Fetching


class Sequence(ABC):
    """A data set as numbered batches. A subclass says how many there are and makes the one asked for.

    >>> import numpy as np
    >>> class Squares(Sequence):
    ...     def __len__(self):
    ...         return 3
    ...
    ...     def __getitem__(self, index):
    ...         x = np.arange(2) + 2 * index
    ...         return x, x**2
    >>> [y.tolist() for x, y in Squares()]
    [[0, 1], [4, 9], [16, 25]]
    """

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """The batch with this number: x, (x, y) or (x, y, sample_weight), each as `fit` takes it."""

    @abstractmethod
    def __len__(self) -> int:
        """How many batches an epoch has."""

    def on_epoch_end(self) -> None:  # noqa: B027 - a hook: doing nothing is the usual thing to do
        """Called after each epoch, for instance to shuffle."""

    def __iter__(self) -> Iterator[Any]:
        """The batches of one epoch, in order."""
        return (self[index] for index in range(len(self)))


class PyDataset(Sequence):
    """A `Sequence` in the spelling of Keras 3, which says itself how it wants its batches fetched.

    `fit`, `evaluate` and `predict` then ignore their arguments of the same names. `on_epoch_begin` is called before
    each epoch. Raises ArgumentError for numbers that make no sense.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.fetching = Fetching(workers, max_queue_size, use_multiprocessing)

    @property
    def workers(self) -> int:
        return self.fetching.workers

    @property
    def use_multiprocessing(self) -> bool:
        return self.fetching.processes

    @property
    def max_queue_size(self) -> int:
        return self.fetching.waiting

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""
