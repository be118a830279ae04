"""Data that come batch by batch: generators, Sequences and whatever else can be iterated over."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from kgraph.errors import DataError, describe
from kgraph.ir.types import Array
from kgraph.keras.utils.fetching import Fetching
from kgraph.keras.utils.sequence import PyDataset


def is_numbered(data: Any) -> bool:
    """Whether something gives batches by their numbers, as a `keras.utils.Sequence` does."""
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and hasattr(data, "on_epoch_end")


def is_batches(data: Any) -> bool:
    """Whether something gives batches: a generator, a Sequence, or an iterable that is no array, list or dict."""
    if is_numbered(data) or isinstance(data, Iterator):
        return True
    is_array = any(hasattr(data, name) for name in ("shape", "__array__", "to_numpy"))
    return isinstance(data, Iterable) and not is_array and not isinstance(data, Sequence | Mapping | set)


def unpack_batch(batch: Any, what: str) -> tuple[Any, Any, Any]:
    """x, y and sample weights of a batch, None for what it does not have. Raises DataError for longer tuples."""
    parts = tuple(batch) if isinstance(batch, list | tuple) else (batch,)
    if not 1 <= len(parts) <= 3:
        raise DataError(
            describe(
                f"a batch of {what} has too many parts" if parts else f"a batch of {what} is empty",
                expected="x, (x, y) or (x, y, sample_weight)",
                got=f"{type(batch).__name__} of {len(parts)}",
            )
        )
    x, y, weights = (*parts, None, None)[:3]
    return x, y, weights


class Batches(ABC):
    """Passes over data, cut into epochs: an epoch is a whole pass, or `limit` batches, fewer where a pass ends."""

    limit: int | None
    _pass: Iterator[Any] | None = None
    _left: int | None = None
    """How many batches are left of the pass, None when that is not known."""

    @property
    @abstractmethod
    def length(self) -> int | None:
        """How many batches a pass has, None when that is not known."""

    @abstractmethod
    def begin_pass(self) -> Iterator[Any]:
        """The batches from the beginning."""

    @property
    def steps(self) -> int | None:
        """How many batches an epoch has, None when that is not known."""
        return self.limit or self.length

    def epoch(self) -> Iterator[Any]:
        """The batches of the next epoch. Warns when there are fewer than were asked for."""
        if self._pass is None or self.limit is None:
            self._begin()
        assert self._pass is not None
        done = 0
        for batch in self.upcoming(self._pass):
            done += 1
            yield batch
        if self._left is not None:
            self._left -= done
        if self.limit is not None and 0 < done < self.limit:
            warn_short(self.limit, done)
        if self._left == 0 or done != self.limit:
            self.close()

    def upcoming(self, rest: Iterator[Any]) -> Iterator[Any]:
        """The batches of an epoch, of what is left of the pass."""
        return islice(rest, self.limit)

    def rewind(self) -> None:
        """Begin the next epoch with a new pass, where there is another beginning."""
        self.close()

    def close(self) -> None:
        """Give up the rest of a pass, and the workers that fetch it."""
        if isinstance(self._pass, Generator):
            self._pass.close()
        self._pass = None

    def _begin(self) -> None:
        self.close()
        self._pass, self._left = self.begin_pass(), self.length


class NumberedBatches(Batches):
    """A Sequence. `order` permutes that many batches for one pass, or is None.

    A pass is the numbers of its batches. Those of one epoch alone are fetched ahead: the Sequence may change all others
    when the epoch ends.
    """

    _fetched: Iterator[Any] | None = None

    def __init__(
        self,
        sequence: Any,
        limit: int | None,
        fetching: Fetching,
        order: Callable[[int], Array | None] = lambda count: None,
    ) -> None:
        self.sequence, self.limit, self.fetching, self.order = sequence, limit, fetching, order

    @property
    def length(self) -> int:
        return len(self.sequence)

    def begin_pass(self) -> Iterator[Any]:
        order = self.order(self.length)
        return iter(range(self.length) if order is None else order.tolist())

    def upcoming(self, rest: Iterator[Any]) -> Iterator[Any]:
        self._fetched = self.fetching.indexed(self.sequence, list(super().upcoming(rest)))
        return self._fetched

    def epoch(self) -> Iterator[Any]:
        if isinstance(self.sequence, PyDataset):
            self.sequence.on_epoch_begin()
        yield from super().epoch()
        self.sequence.on_epoch_end()

    def close(self) -> None:
        if isinstance(self._fetched, Generator):
            self._fetched.close()
        self._fetched = None
        super().close()


class IteratedBatches(Batches):
    """What can be iterated over. An iterator, which has no other beginning, goes on where it was.

    No more than `most` batches are drawn from it.
    """

    def __init__(self, source: Any, limit: int | None, fetching: Fetching, most: int | None = None) -> None:
        self.source, self.limit, self.fetching, self.most = source, limit, fetching, most

    @property
    def length(self) -> int | None:
        if not isinstance(self.source, Iterator):
            with suppress(TypeError):
                return len(self.source)
        return None

    def begin_pass(self) -> Iterator[Any]:
        return self.fetching.iterated(iter(self.source), self.most)

    def rewind(self) -> None:
        if not isinstance(self.source, Iterator):
            self.close()


def make_batches(
    data: Any,
    limit: int | None,
    fetching: Fetching,
    order: Callable[[int], Array | None] = lambda count: None,
    most: int | None = None,
) -> Batches:
    """The batches of a generator, a Sequence or another iterable; the arguments are those of the classes."""
    if is_numbered(data):
        own = data.fetching if isinstance(data, PyDataset) else fetching
        return NumberedBatches(data, limit, own, order)
    return IteratedBatches(data, limit, fetching, most)


def peek(data: Any) -> tuple[Any, Any]:
    """The first batch, and the data with that batch still to come. Raises DataError when there is none."""
    if is_numbered(data):
        return data[0], data
    batches = iter(data)
    first = next(batches, None)
    if first is None:
        raise no_batches(type(data).__name__)
    return first, chain([first], batches) if isinstance(data, Iterator) else data


def no_batches(kind: str) -> DataError:
    """The error for data of a kind without a single batch."""
    return DataError(
        describe(
            "there are no batches",
            expected="at least one; a generator has no second beginning, so say how many an epoch takes",
            got=f"an empty {kind}",
        )
    )


def warn_short(wanted: int, found: int) -> None:
    """Warn that an epoch has fewer batches than were asked for."""
    warnings.warn(
        f"the data ended after {found} of {wanted} batches, and the epoch with it",
        UserWarning,
        stacklevel=2,
    )
