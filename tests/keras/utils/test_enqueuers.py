"""Enqueuers: batches in order and ahead, epochs that end when they are over, errors where they are due."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError
from kgraph.keras.utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence, SequenceEnqueuer


class Numbers(Sequence):
    """Batch i is i, and 100 more in each later epoch."""

    def __init__(self, count: int = 4) -> None:
        self.count, self.epoch, self.asked = count, 0, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        self.asked += 1
        if index == 13:
            raise OSError("the disk is gone")
        return 100 * self.epoch + index

    def on_epoch_end(self) -> None:
        self.epoch += 1


def taken(enqueuer: SequenceEnqueuer, count: int, **start: Any) -> list[Any]:
    enqueuer.start(**start)
    assert enqueuer.is_running()
    found = list(islice(enqueuer.get(), count))
    enqueuer.stop()
    assert not enqueuer.is_running()
    return found


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_epoch_after_epoch(workers: int) -> None:
    found = taken(OrderedEnqueuer(Numbers()), 10, workers=workers, max_queue_size=3)
    assert found == [0, 1, 2, 3, 100, 101, 102, 103, 200, 201]


def test_processes() -> None:
    assert taken(OrderedEnqueuer(Numbers(), use_multiprocessing=True), 6) == [0, 1, 2, 3, 100, 101]


def test_each_epoch_in_an_order_of_its_own() -> None:
    found = taken(OrderedEnqueuer(Numbers(13), shuffle=True), 26)
    first, second = found[:13], [number - 100 for number in found[13:]]
    assert sorted(first) == sorted(second) == list(range(13))
    assert first != second


def test_batches_are_fetched_before_they_are_asked_for() -> None:
    numbers = Numbers(12)
    enqueuer = OrderedEnqueuer(numbers)
    enqueuer.start(max_queue_size=5)
    deadline = time.monotonic() + 5
    while numbers.asked < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.03)
    assert 5 <= numbers.asked <= 7
    enqueuer.stop()
    seen = numbers.asked
    time.sleep(0.03)
    assert numbers.asked == seen


def test_the_end_of_an_epoch_can_be_waited_for() -> None:
    numbers = Numbers()
    enqueuer = OrderedEnqueuer(numbers)
    enqueuer.start()
    batches = enqueuer.get()
    reader = threading.Thread(target=lambda: list(islice(batches, 4)))
    reader.start()
    enqueuer.join_end_of_epoch()
    assert numbers.epoch == 1
    reader.join()
    assert next(batches) == 100
    enqueuer.stop()


def test_an_error_is_raised_when_its_batch_is_due() -> None:
    enqueuer = OrderedEnqueuer(Numbers(20))
    enqueuer.start(workers=2)
    found: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        found.extend(enqueuer.get())
    assert not enqueuer.is_running()
    with pytest.raises(DataError, match="without batches"):
        taken(OrderedEnqueuer(Numbers(0)), 1)


def test_a_reader_that_waits_is_let_go() -> None:
    hold = threading.Event()

    def slow() -> Iterator[int]:
        hold.wait(5)
        yield 1

    enqueuer = GeneratorEnqueuer(slow())
    enqueuer.start()
    found: list[list[int]] = []
    reader = threading.Thread(target=lambda: found.append(list(enqueuer.get())))
    reader.start()
    time.sleep(0.02)
    enqueuer.stop(timeout=0.01)
    reader.join(5)
    hold.set()
    assert found == [[]]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_generator_comes_to_its_end(workers: int) -> None:
    assert taken(GeneratorEnqueuer(iter("abc")), 10, workers=workers) == ["a", "b", "c"]


def test_what_makes_no_sense() -> None:
    with pytest.raises(ArgumentTypeError, match="OrderedEnqueuer"):
        GeneratorEnqueuer(Numbers())
    with pytest.warns(DeprecationWarning, match="wait_time"):
        GeneratorEnqueuer(iter("abc"), wait_time=0.1)
    with pytest.raises(ArgumentError, match="max_queue_size"):
        OrderedEnqueuer(Numbers()).start(max_queue_size=0)
    assert list(OrderedEnqueuer(Numbers()).get()) == []
