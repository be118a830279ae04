"""Measures one framework on one workload, in a process of its own.

    python -m benchmarks.measure FRAMEWORK WORKLOAD

prints a JSON object of samples by metric for the start, and one more for each line that it reads from standard
input: a turn. So several such processes can be held at once and be given turns in alternation.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import TextIO

from benchmarks.frameworks import FRAMEWORKS
from benchmarks.models import WORKLOADS, Workload
from benchmarks.subject import Subject

Samples = dict[str, list[float]]

TURN_SECONDS = 0.3
"""How long each turn repeats a bare step, and a prediction."""


def milliseconds(call: Callable[[], object], seconds: float) -> list[float]:
    """Times of single calls, for about so many seconds and at least one call."""
    times: list[float] = []
    stop = time.perf_counter() + seconds
    while not times or time.perf_counter() < stop:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def peak_megabytes() -> float:
    """The largest resident size of this process so far. Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def start(subject: Subject) -> Samples:
    """From an uncompiled model to the end of its first step; then all that the turns measure is warmed up."""
    begun = time.perf_counter()
    subject.first_step()
    first = time.perf_counter() - begun
    subject.fit()
    subject.step()
    trained = peak_megabytes()
    subject.predict()
    return {"first_step_s": [first], "peak_mb": [trained]}


def turn(subject: Subject, workload: Workload) -> Samples:
    """One turn."""
    return {
        "fit_ms": [subject.fit() / workload.steps * 1e3],
        "step_ms": milliseconds(subject.step, TURN_SECONDS),
        "predict_ms": milliseconds(subject.predict, TURN_SECONDS),
        **subject.extras(),
    }


def private_stdout() -> TextIO:
    """Standard output for our answers alone: what a framework prints goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def main() -> None:
    """Measures what the command line names."""
    parser = argparse.ArgumentParser(description="Measure one framework on one workload.")
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("workload", choices=WORKLOADS)
    chosen = parser.parse_args()
    framework, workload = FRAMEWORKS[chosen.framework], WORKLOADS[chosen.workload]
    answers = private_stdout()
    subject: Subject = importlib.import_module(framework.driver).subject(framework, workload)
    print(json.dumps(start(subject)), file=answers)
    for _ in sys.stdin:
        print(json.dumps(turn(subject, workload)), file=answers)


if __name__ == "__main__":
    main()
