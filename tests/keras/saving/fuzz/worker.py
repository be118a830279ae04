"""Loads variants one after the other, within limits, and says for each what came of it.

    python -m tests.keras.saving.fuzz.worker FORMAT FOLDER SEED FIRST LAST

Each variant follows from the seed and its number alone. A line "NUMBER" goes out before it is loaded, and
"NUMBER OUTCOME DETAIL" after; the one that reads them knows by a missing line which one ended or blocked the process.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

from kgraph.errors import KgraphError
from tests.keras.saving.fuzz.formats import FORMATS, seed_model
from tests.keras.saving.fuzz.watch import watched

MEMORY = 1 << 30
"""Bytes of addresses that loading a variant may take."""
PEAK = 256 << 20
"""Bytes of memory by which a variant may raise the peak of the process."""


def main(name: str, folder: Path, seed: int, first: int, last: int) -> None:
    """Load the variants from `first` to before `last`."""
    warnings.simplefilter("ignore")
    kind = FORMATS[name]
    whole = (folder / "whole").read_bytes()
    path, model = folder / "variant", seed_model(trained=False)
    path.write_bytes(whole)
    kind.load(path, model)  # what is imported late is imported now
    _limit_memory()
    for number in range(first, last):
        path.write_bytes(kind.vary(whole, random.Random(f"{seed} {number}")))
        print(number, flush=True)
        peak, start = _peak(), time.perf_counter()
        caught: BaseException | None = None
        with watched(path) as seen:
            try:
                kind.load(path, model)
            except Exception as error:  # noqa: BLE001 - what is no error of kgraph's is what is looked for
                caught = error
        outcome = f"RAN {seen}" if seen else _outcome(caught)
        if _peak() - peak > PEAK:
            outcome = f"MEMORY {(_peak() - peak) >> 20} MiB, {outcome}"
        print(number, f"{time.perf_counter() - start:.3f}", ascii(outcome)[1:-1], flush=True)


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "loaded"
    if isinstance(error, KgraphError):
        return f"{type(error).__name__} {error!s:.300}"
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    return f"ESCAPED {type(error).__name__} {error!s:.200} {where}"


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
