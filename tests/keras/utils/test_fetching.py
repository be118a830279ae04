"""Batches fetched ahead: the same ones in the same order, whoever fetches them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import numpy as np
import pytest

from kgraph.keras.utils.fetching import Fetching

WAYS = {
    "asked for": Fetching(),
    "a thread": Fetching(1),
    "threads": Fetching(3, 4),
    "processes": Fetching(2, 4, processes=True),
}


class Squares:
    """Squares of numbers, the first of which take longest; who fetched them; random numbers."""

    def __getitem__(self, index: int) -> tuple[int, int, int, float]:
        time.sleep(0.01 * (3 - index % 4))
        return index**2, os.getpid(), threading.get_ident(), float(np.random.random())


@pytest.mark.parametrize("way", WAYS)
def test_the_order_is_the_one_asked_for(way: str) -> None:
    order = [5, 0, 3, 1, 2, 4, 9]
    found = list(WAYS[way].indexed(Squares(), order))
    assert [square for square, *_ in found] == [index**2 for index in order]
    mine = [(pid, thread) == (os.getpid(), threading.get_ident()) for _, pid, thread, _ in found]
    assert all(mine) if way == "asked for" else not any(mine)
    assert all(pid == os.getpid() for _, pid, *_ in found) == (way != "processes")


def test_processes_draw_numbers_that_depend_on_the_batch_and_not_on_the_process() -> None:
    def draws(workers: int) -> list[float]:
        np.random.seed(4)
        return [draw for *_, draw in Fetching(workers, 3, processes=True).indexed(Squares(), range(5))]

    first = draws(1)
    assert len(set(first)) == 5
    assert draws(2) == first


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_iterator_gives_all_in_order(workers: int) -> None:
    assert list(Fetching(workers, 2).iterated(iter("abcde"))) == list("abcde")
    assert list(Fetching(workers, 2).iterated(count(), 4)) == [0, 1, 2, 3]


@pytest.mark.parametrize(("workers", "ahead"), [(0, 0), (1, 3)])
def test_no_more_is_fetched_than_may_wait(workers: int, ahead: int) -> None:
    fetched: list[int] = []

    def noted() -> Iterator[int]:
        for number in count():
            fetched.append(number)
            yield number

    source = Fetching(workers, 3).iterated(noted())
    assert list(islice(source, 2)) == [0, 1]
    time.sleep(0.05)
    assert 2 <= len(fetched) <= 2 + ahead
    source.close()  # type: ignore[attr-defined]  # it is a generator
    seen = len(fetched)
    time.sleep(0.05)
    assert len(fetched) == seen, "a closed source fetches nothing"


def test_a_batch_is_fetched_while_the_one_before_is_used() -> None:
    begun = threading.Event()

    class Noted:
        def __getitem__(self, index: int) -> int:
            if index == 1:
                begun.set()
            return index

    source = Fetching(1).indexed(Noted(), range(3))
    assert next(source) == 0
    assert begun.wait(5)
    assert list(source) == [1, 2]


class Failing:
    def __getitem__(self, index: int) -> int:
        if index == 2:
            raise OSError("the disk is gone")
        return index


@pytest.mark.parametrize("way", WAYS)
def test_an_error_comes_when_the_turn_of_its_batch_does(way: str) -> None:
    source = WAYS[way].indexed(Failing(), range(5))
    assert list(islice(source, 2)) == [0, 1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(source)


@pytest.mark.parametrize("arguments", [{"workers": -1}, {"workers": 1.5}, {"workers": True}, {"waiting": 0}])
def test_numbers_that_make_no_sense_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an integer, "):
        Fetching(**arguments)
