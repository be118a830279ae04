"""Batches fetched ahead in the background, for loops of one's own.

enqueuer = OrderedEnqueuer(sequence)
enqueuer.start(workers=2, max_queue_size=10)
batches = enqueuer.get()
for step in range(100):
    x, y = next(batches)
enqueuer.stop()
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Any

from kgraph.errors import ArgumentTypeError, DataError, describe
from kgraph.keras.utils.fetching import Fetching
from kgraph.keras.utils.sequence import Sequence
from kgraph.keras.utils.warn import warn_user

END = object()
"""What is taken when nothing more comes."""


class Handover:
    """One item at a time from a thread to those who take it.

    As a context it belongs to the thread: at its end, nothing more comes, and an error goes to who takes next.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._items: list[Any] = []
        self._ended = False
        self._error: BaseException | None = None

    def put(self, item: Any) -> bool:
        """Give an item, and wait until it is taken. False when nobody wants more."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended or not self._items)
            return not self._ended

    def take(self) -> Any:
        """The next item, or END. Raises what ended the thread."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._items)
            if self._ended:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return END
            self._changed.notify_all()
            return self._items.pop()

    def end(self, error: BaseException | None = None) -> None:
        """Let both sides go."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def __enter__(self) -> Handover:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not self._ended:
            self.end(error)
        return True


class SequenceEnqueuer(ABC):
    """What both enqueuers share. A subclass says in `_batches` where the batches come from.

    sequence             what has the batches
    use_multiprocessing  whether processes fetch, in the place of threads
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        self.sequence = sequence
        self.use_multiprocessing = use_multiprocessing
        self._handover: Handover | None = None
        self._thread: Thread | None = None

    @abstractmethod
    def _batches(self, fetching: Fetching) -> Iterator[Any]:
        """The batches in order."""

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Begin to fetch, with that many workers and that many batches ahead. Raises ArgumentError for bad numbers."""
        fetching = Fetching(workers, max_queue_size, self.use_multiprocessing)
        self.stop()
        self._handover = Handover()
        self._thread = Thread(target=self._run, args=(self._handover, fetching), daemon=True)
        self._thread.start()

    def _run(self, handover: Handover, fetching: Fetching) -> None:
        with handover, closing(_generated(self._batches(fetching))) as batches:
            for batch in batches:
                if not handover.put(batch):
                    return

    def get(self) -> Iterator[Any]:
        """The batches, until there are no more or `stop` is called. An error in fetching one is raised here."""
        while self.is_running() and self._handover is not None:
            try:
                batch = self._handover.take()
            except BaseException:
                self.stop()
                raise
            if batch is END:
                return
            yield batch

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._handover is not None

    def stop(self, timeout: float | None = None) -> None:
        """Fetch no more, and wait, `timeout` seconds at most, until those that have begun are done."""
        handover, thread = self._handover, self._thread
        self._handover = self._thread = None
        if handover is not None and thread is not None:
            handover.end()
            thread.join(timeout)


class OrderedEnqueuer(SequenceEnqueuer):
    """The batches of a `Sequence`, in order, epoch after epoch.

    shuffle  each epoch in an order of its own, drawn by Python's `random`

    `on_epoch_end` is called when all batches of an epoch have been taken. `get` raises DataError for a Sequence without
    any.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle
        self._epoch_ended = Event()

    def _batches(self, fetching: Fetching) -> Iterator[Any]:
        while True:
            order = list(range(len(self.sequence)))
            if not order:
                raise DataError(
                    describe("a Sequence without batches", expected="a length of 1 or more", got=0)
                )
            if self.shuffle:
                random.shuffle(order)
            yield from fetching.indexed(self.sequence, order)
            self.sequence.on_epoch_end()
            self._epoch_ended.set()

    def stop(self, timeout: float | None = None) -> None:
        super().stop(timeout)
        self._epoch_ended.set()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        super().start(workers, max_queue_size)
        self._epoch_ended.clear()

    def join_end_of_epoch(self) -> None:
        """Wait until others have taken all batches of this epoch, or `stop` was called."""
        self._epoch_ended.wait()
        self._epoch_ended.clear()


class GeneratorEnqueuer(SequenceEnqueuer):
    """What a generator gives, until its end. One thread draws from it, as many as the workers may be.

    A generator can't be pickled, so there are no processes. `wait_time` and `random_seed` mean nothing any more.
    Raises ArgumentTypeError for a `Sequence`.
    """

    def __init__(
        self,
        sequence: Any,
        use_multiprocessing: bool = False,
        wait_time: float | None = None,
        random_seed: int | None = None,
    ) -> None:
        super().__init__(sequence, use_multiprocessing)
        for name, value in (("wait_time", wait_time), ("random_seed", random_seed)):
            if value is not None:
                warn_user(f"GeneratorEnqueuer: {name} is not used any more", DeprecationWarning)
        if isinstance(sequence, Sequence):
            raise ArgumentTypeError(
                describe(
                    "GeneratorEnqueuer is for generators",
                    expected="OrderedEnqueuer for a Sequence",
                    got=sequence,
                )
            )

    def _batches(self, fetching: Fetching) -> Iterator[Any]:
        return fetching.iterated(iter(self.sequence))


def _generated(batches: Iterator[Any]) -> Any:
    """An iterator that can be closed."""
    yield from batches
