"""Data that comes batch by batch, by number, so that several workers can fetch it and none comes twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any


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
