"""What the epochs of `fit` and `evaluate` run over: arrays that are all there, single batches, or tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import islice
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.ir.types import Array
from kgraph.keras.training.batches import Batches, warn_short
from kgraph.keras.training.loop import Around, Run, run_each, run_ranges


class Source(ABC):
    """Data for one epoch after the other."""

    kind: str
    """The type of what the data come from, for messages."""
    samples: int | None = None
    batch_size: int | None = None

    @property
    @abstractmethod
    def steps(self) -> int | None:
        """How many steps an epoch has; like the other numbers None when that is not known."""

    @abstractmethod
    def run_epoch(self, around: Around, first: int = 0) -> Array | None:
        """Run the next epoch from batch number `first`; the last numbers reported, None if there are no batches."""

    @abstractmethod
    def rewind(self) -> None:
        """Begin the next epoch at the beginning of the data, if they have another beginning."""

    def close(self) -> None:
        """Give up what was prepared for epochs to come."""
        self.rewind()


class ArraySource(Source):
    """Arrays. An epoch is a pass over them, in an order that is made for each pass, or the next `limit` batches of one.

    Where a pass ends, so does the epoch.
    """

    kind = "array"

    def __init__(
        self, run: Run, limit: int | None = None, order: Callable[[], Array | None] = lambda: None
    ) -> None:
        self.run, self.limit, self.order = run, limit, order
        self.samples, self.batch_size = run.data.size, run.data.batch_size
        self._done = 0

    @property
    def steps(self) -> int:
        return self.limit or self.run.data.steps

    def rewind(self) -> None:
        self._done = 0

    def run_epoch(self, around: Around, first: int = 0) -> Array:
        of_pass = self.run.data.steps
        if self.limit is None or self._done % of_pass == 0:
            self._done, self._order = 0, self.order()
        begin, end = self._done, min(self._done + (self.limit or of_pass), of_pass)
        if self.limit is not None and end - begin < self.limit:
            warn_short(self.limit, end - begin)
        self._done = end
        return run_ranges(self.run, self._order, islice(self.run.data.ranges(), begin, end), around, first)


class TensorSource(Source):
    """Tensors of the graph, which every step computes anew: an epoch is a number of steps.

    Raises ArgumentError when that is not given.
    """

    kind = "tensor"

    def __init__(self, run: Run, steps: int | None) -> None:
        if steps is None:
            raise ArgumentError(
                describe(
                    "data that come from tensors have no end",
                    expected="steps_per_epoch, validation_steps for held-out data, steps to evaluate",
                    got="None",
                )
            )
        self.run, self._steps, self.batch_size = run, steps, run.data.size

    @property
    def steps(self) -> int:
        return self._steps

    def rewind(self) -> None: ...

    def run_epoch(self, around: Around, first: int = 0) -> Array | None:
        return run_each(range(self._steps), lambda _: self.run, around, first)


class BatchSource(Source):
    """Batches, each of which `bind` checks and binds to a step."""

    def __init__(self, kind: str, batches: Batches, bind: Callable[[Any], Run]) -> None:
        self.kind, self.batches, self.bind = kind, batches, bind

    @property
    def steps(self) -> int | None:
        return self.batches.steps

    def rewind(self) -> None:
        self.batches.rewind()

    def close(self) -> None:
        self.batches.close()

    def run_epoch(self, around: Around, first: int = 0) -> Array | None:
        return run_each(self.batches.epoch(), self.bind, around, first)
