"""Tries damaged variants of model files, and reports those that do more than load or fail with one clear error.

    python -m tests.keras.saving.fuzz.campaign [--count 2000] [--seed 0] [--keep FOLDER] [FORMAT ...]

A failure is an exception that is not kgraph's own, a crash, more than `--seconds` for one variant, memory out of
proportion, or any sign of code that ran (see `watch`). With --keep the variants that failed are kept in a folder.
Exits with 1 when there are failures.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.house.layout import ROOT

FINE = (
    "loaded",
    "FileError",
    "UnsafeError",
    "ArgumentError",
    "ArgumentTypeError",
    "ShapeError",
    "DataError",
    "GraphError",
    "NotBuiltError",
    "UnsupportedError",
)
"""Outcomes that are no failures: the variant is sound, or one of kgraph's errors says what is wrong with it."""


@dataclass
class Result:
    """What came of the variants of one format."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0

    def add(self, number: int, outcome: str) -> None:
        kind = outcome.partition(" ")[0]
        self.counts[kind] += 1
        if kind not in FINE:
            self.failures[number] = outcome


def campaign(name: str, count: int, seed: int, seconds: float, keep: Path | None = None) -> Result:
    """Try `count` variants of a format, in processes of their own."""
    result = Result()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run([sys.executable, "-c", MAKE, name], cwd=folder, env=_environment(), check=True)
        first = 0
        while first < count:
            first = _run(name, folder, seed, first, count, seconds, result)
        if keep is not None:
            _keep(name, folder, seed, result, keep)
    return result


MAKE = """
import pathlib, sys
from tests.keras.saving.fuzz.formats import FORMATS, seed_model
data = FORMATS[sys.argv[1]].make(seed_model())
pathlib.Path("whole").write_bytes(data)
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}


def _run(name: str, folder: Path, seed: int, first: int, last: int, seconds: float, result: Result) -> int:
    """Try variants until one ends or blocks the process; the number of the next one."""
    command = [sys.executable, "-m", "tests.keras.saving.fuzz.worker", name, folder, seed, first, last]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        current, started, hangs = first - 1, False, False
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_pass_on, args=(process.stdout, lines))
        reader.start()
        while line := _next(lines, seconds if started else 120.0):
            number, _, rest = line.strip().partition(" ")
            current, started, hangs = int(number), True, not rest
            if rest:
                taken, _, outcome = rest.partition(" ")
                result.slowest = max(result.slowest, float(taken))
                result.add(current, outcome)
        hangs = hangs and line is None
        process.kill() if line is None else process.wait()
        reader.join()
        errors.seek(0)
        said = errors.read()
    if process.returncode == 0:
        return last
    if not started:
        raise RuntimeError(f"the worker does not start:\n{said}")
    result.add(current, f"HANG {seconds} s" if hangs else f"CRASH {process.returncode} {said[-300:]}")
    return current + 1


def _next(lines: queue.Queue[str], seconds: float) -> str | None:
    """The next line, "" at the end, None when there is none for so long."""
    try:
        return lines.get(timeout=seconds)
    except queue.Empty:
        return None


def _pass_on(stream: object, lines: queue.Queue[str]) -> None:
    for line in stream:  # type: ignore[attr-defined]
        lines.put(line)
    lines.put("")


def _keep(name: str, folder: Path, seed: int, result: Result, keep: Path) -> None:
    from tests.keras.saving.fuzz.formats import FORMATS

    keep.mkdir(parents=True, exist_ok=True)
    whole = (folder / "whole").read_bytes()
    for number in result.failures:
        made = FORMATS[name].vary(whole, random.Random(f"{seed} {number}"))
        (keep / f"{name.replace(' ', '_')}-{seed}-{number}").write_bytes(made)


def main() -> int:
    """Run the command line; 1 when there are failures."""
    from tests.keras.saving.fuzz.formats import FORMATS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("formats", nargs="*", default=list(FORMATS), metavar="FORMAT")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    failed = False
    for name in options.formats:
        result = campaign(name, options.count, options.seed, options.seconds, options.keep)
        print(f"{name}: {dict(result.counts)}, slowest {result.slowest:.2f} s", flush=True)
        for number, outcome in result.failures.items():
            print(f"  {number}: {outcome}")
        failed = failed or bool(result.failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
