"""Batches fetched ahead: the same ones in the same order, whoever fetches them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from itertools import count, islice
from pathlib import Path
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
    if isinstance(source, Generator):
        source.close()
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


def test_what_processes_cannot_get_is_refused() -> None:
    class Local:
        def __getitem__(self, index: int) -> int:
            return index

    with pytest.raises(
        ValueError, match=r"cannot be pickled\n(.|\n)*without use_multiprocessing(.|\n)*Local"
    ):
        next(WAYS["processes"].indexed(Local(), range(3)))


PROGRAM = """
from kgraph.keras.utils.fetching import Fetching

class Numbers:
    def __getitem__(self, index):
        return index

print(list(Fetching(2, processes=True).indexed(Numbers(), range(3))))
"""


@pytest.mark.parametrize("guarded", [True, False])
def test_a_program_that_starts_processes_stands_behind_a_guard(tmp_path: Path, guarded: bool) -> None:
    head, _, work = PROGRAM.rpartition("\n\n")
    guard = 'if __name__ == "__main__":\n    ' if guarded else ""
    (tmp_path / "program.py").write_text(f"{head}\n\n{guard}{work}")
    command = [sys.executable, str(tmp_path / "program.py")]
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": root}
    )
    if guarded:
        assert (done.returncode, done.stdout) == (0, "[0, 1, 2]\n"), done.stderr
    else:
        assert done.returncode == 1
        assert "DataError: a process that fetches batches is gone\n" in done.stderr
        assert "  expected: " in done.stderr
        assert "__main__" in done.stderr


@pytest.mark.parametrize("arguments", [{"workers": -1}, {"workers": 1.5}, {"workers": True}, {"waiting": 0}])
def test_numbers_that_make_no_sense_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an integer, "):
        Fetching(**arguments)
