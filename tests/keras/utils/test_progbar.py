"""The progress bar, look by look, on a clock that the tests move."""

from __future__ import annotations

import io
import os
import re
import shutil
from contextlib import redirect_stdout

import numpy as np
import pytest

from kgraph.keras.utils import Progbar
from kgraph.keras.utils import progbar as module


class Clock:
    """A time that only passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Terminal(io.StringIO):
    """A text stream that says it is a terminal; `look` takes what was written since the last look."""

    def isatty(self) -> bool:
        return True

    def look(self) -> str:
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terminals have 60 columns."""
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 24)))


def test_the_looks_of_one_epoch_in_a_file(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progbar(30)
    for step in range(1, 31):
        clock.now += 0.25
        bar.update(step, [("loss", 1.0 / step)])
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == ""
    assert lines[1] == " 1/30 [>.............................] - ETA: 7s - loss: 1.0000"
    assert lines[15] == "15/30 [==============>...............] - ETA: 3s - loss: 0.2212"
    assert lines[30] == "30/30 [==============================] - 8s 250ms/step - loss: 0.1332"
    assert lines[31:] == [""]


def test_nothing_done_yet(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    Progbar(5, width=10).update(0)
    assert capsys.readouterr().out == "\n0/5 [..........] - ETA: 0s"


def test_the_bar_is_drawn_at_intervals_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = Progbar(100, interval=1)
    for _ in range(100):
        clock.now += 0.25
        bar.add(1)
    assert re.findall(r"(\d+)/100", capsys.readouterr().out) == [str(n) for n in [*range(1, 101, 4), 100]]


def test_an_unknown_number_of_steps(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progbar(None)
    clock.now += 2
    bar.update(3, [("loss", 2.0)])
    bar.update(3, [("val_loss", 3.0)], finalize=True)
    assert capsys.readouterr().out.split("\n") == [
        "",
        "      3/Unknown - 2s 667ms/step - loss: 2.0000",
        "      3/Unknown - 2s 667ms/step - loss: 2.0000 - val_loss: 3.0000",
        "",
    ]


def test_values_are_averaged_over_steps_unless_they_are_stateful(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = Progbar(4, verbose=2, stateful_metrics=["acc"])
    bar.update(1, [("loss", 1.0), ("acc", 0.5)])
    bar.update(4, [("loss", np.float32(5.0)), ("acc", 0.75), ("vector", np.array([1.0, 3.0]))])
    assert capsys.readouterr().out == " - 0s - loss: 4.0000 - acc: 0.7500 - vector: 2.0000\n"


def test_small_and_negative_numbers(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    Progbar(1, verbose=2).update(1, [("a", 1e-3), ("b", -0.5), ("c", -1e-5), ("d", float("nan")), ("e", 0)])
    assert capsys.readouterr().out == (
        " - 0s - a: 1.0000e-03 - b: -0.5000 - c: -1.0000e-05 - d: nan - e: 0.0000e+00\n"
    )


def test_verbose_2_is_silent_until_the_end_and_verbose_0_always(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    for verbose, expected in ((0, ""), (2, " - 3s\n")):
        bar = Progbar(2, verbose=verbose)
        bar.add(1)
        assert capsys.readouterr().out == ""
        clock.now += 3
        bar.add(1)
        assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("seconds", "eta"),
    [(0.5, "0s"), (60, "60s"), (61, "1:01"), (3600, "60:00"), (3601, "1:00:01"), (7384, "2:03:04")],
)
def test_the_time_that_is_left(
    clock: Clock, capsys: pytest.CaptureFixture[str], seconds: float, eta: str
) -> None:
    bar = Progbar(2)
    clock.now += seconds
    bar.update(1)
    assert f" - ETA: {eta}" in capsys.readouterr().out


@pytest.mark.parametrize(("step", "text"), [(2.0, "2s/step"), (0.027, "27ms/step"), (0.00035, "350us/step")])
def test_the_time_of_a_step_leaves_the_first_one_out(
    clock: Clock, capsys: pytest.CaptureFixture[str], step: float, text: str
) -> None:
    bar = Progbar(11)
    clock.now += 500
    bar.update(1)
    for _ in range(10):
        clock.now += step
        bar.add(1)
    assert f" {text}" in capsys.readouterr().out


def test_steps_can_be_samples(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progbar(64, unit_name="sample")
    clock.now += 0.128
    bar.update(64)
    assert "64/64 [==============================] - 0s 2ms/sample\n" in capsys.readouterr().out


def test_a_terminal_line_is_drawn_over_itself(clock: Clock, size: None) -> None:
    with redirect_stdout(Terminal()) as screen:
        bar = Progbar(2, width=4)
        bar.update(1, [("a", 1e-9)])
        first = "1/2 [=>..] - ETA: 0s - a: 1.0000e-09"
        assert screen.look() == "\r" + first
        bar.update(2, [("a", 1.0)])
        last = "2/2 [====] - 0s 0us/step - a: 0.5000"
        assert screen.look() == "\b" * len(first) + "\r" + last + " " * (len(first) - len(last)) + "\n"


def test_a_terminal_line_stays_within_the_terminal_except_for_the_last(clock: Clock, size: None) -> None:
    with redirect_stdout(Terminal()) as screen:
        Progbar(2).update(1, [("loss", 1.0)])
        assert screen.look() == "\r1/2 [=============>..............] - ETA: 0s - loss: 1.0000"
        values = [(f"metric_{i}", 0.5) for i in range(5)]
        bar = Progbar(2)
        bar.update(1, values)
        line = screen.look().lstrip("\r")
        assert line.startswith("1/2 [====>.....] - ETA: 0s - metric_0: 0.5000")
        assert len(line) == 59
        bar.update(2, values)
        assert "[==============================]" in (last := screen.look())
        assert last.endswith("metric_4: 0.5000\n")
