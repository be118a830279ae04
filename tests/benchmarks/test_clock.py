"""The clock that leaves out some calls."""

from __future__ import annotations

import time

import pytest

from benchmarks.clock import clock_without


class Runtime:
    def run(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def fail(self) -> None:
        raise RuntimeError("no")


def test_the_clock_stands_still_while_the_method_runs() -> None:
    original = Runtime.run
    with clock_without((Runtime, "run")) as clock:
        begun, wall = clock(), time.perf_counter()
        assert Runtime().run(0.05) == 0.05
        assert (time.perf_counter() - wall) - (clock() - begun) >= 0.05
    assert Runtime.run is original


def test_the_method_is_put_back_after_an_error() -> None:
    original = Runtime.fail
    with pytest.raises(RuntimeError, match="no"), clock_without((Runtime, "fail")):
        Runtime().fail()
    assert Runtime.fail is original
