"""One conversion, or the making of a model, in a process of its own.

    python -m benchmarks.convert.worker CONTENDER convert SOURCE TARGET
    python -m benchmarks.convert.worker CONTENDER make SPECIMEN TARGET …

`convert` prints a JSON object of its samples. Time starts before the imports, which are a part of every conversion.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import time
from pathlib import Path

from benchmarks.convert.contenders import CONTENDERS
from benchmarks.environments import ROOT, Environment
from benchmarks.measure import peak_megabytes, private_stdout
from benchmarks.worker import Samples, WorkerError


def run(environment: Environment, home: Path, *arguments: str) -> str:
    """What a process of a contender prints. Raises WorkerError with its last words if it fails."""
    done = subprocess.run(
        [environment.python, "-m", "benchmarks.convert.worker", environment.framework.name, *arguments],
        cwd=ROOT,
        env=environment.variables(home),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last_words = "\n".join(done.stderr.splitlines()[-12:])
        raise WorkerError(
            f"{environment.framework.name} {' '.join(arguments)} ended with status {done.returncode}\n{last_words}"
        )
    return done.stdout


def converted(environment: Environment, source: Path, target: Path, home: Path) -> Samples:
    """The samples of one conversion."""
    return json.loads(run(environment, home, "convert", str(source), str(target)))


def measure(driver: str, source: Path, target: Path) -> Samples:
    """Converts; seconds until the end of each part, and the largest resident size."""
    begun = time.perf_counter()
    tool = importlib.import_module(driver)
    imported = time.perf_counter()
    model = tool.load(source)
    loaded = time.perf_counter()
    tool.convert(model, target)
    ended = time.perf_counter()
    return {
        "import_s": [imported - begun],
        "load_s": [loaded - imported],
        "convert_s": [ended - loaded],
        "total_s": [ended - begun],
        "peak_mb": [peak_megabytes()],
    }


def main() -> None:
    """Does what the command line names."""
    parser = argparse.ArgumentParser(description="Convert a file, or make one.")
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("action", choices=("convert", "make"))
    parser.add_argument("source")
    parser.add_argument("targets", nargs="+", type=Path)
    chosen = parser.parse_args()
    driver = CONTENDERS[chosen.contender].driver
    answers = private_stdout()
    if chosen.action == "convert":
        print(json.dumps(measure(driver, Path(chosen.source), *chosen.targets)), file=answers)
    else:
        specimen = importlib.import_module("benchmarks.convert.zoo").SPECIMENS[chosen.source]
        importlib.import_module(driver).make(specimen, chosen.targets)


if __name__ == "__main__":
    main()
