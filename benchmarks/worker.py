"""One process that measures one framework on one workload, seen from outside."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType

from benchmarks.environments import ROOT, Environment

Samples = dict[str, list[float]]


class WorkerError(Exception):
    """A measuring process ended without an answer; the message ends with its last words."""


class Worker:
    """A started process of `benchmarks.measure`. It does nothing between its turns.

    Its first `answer` are the samples of the start.
    """

    def __init__(self, environment: Environment, workload: str, home: Path) -> None:
        self.framework = environment.framework.name
        self.workload = workload
        self.log = home / f"{self.framework}-{workload}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [environment.python, "-m", "benchmarks.measure", self.framework, workload],
                cwd=ROOT,
                env=environment.variables(home),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )

    def turn(self) -> Samples:
        """Lets the process measure once."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        return self.answer()

    def answer(self) -> Samples:
        """Waits for the next samples. Raises WorkerError if the process ends without."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            last_words = "\n".join(self.log.read_text().splitlines()[-12:])
            status = self.process.returncode
            raise WorkerError(f"{self.framework} on {self.workload} ended with status {status}\n{last_words}")
        return json.loads(line)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()


def import_seconds(environment: Environment, home: Path) -> Samples:
    """Times the framework's import statements in a fresh interpreter. Raises WorkerError if they fail."""
    program = (
        "from time import perf_counter\n"
        "begun = perf_counter()\n"
        f"{environment.framework.imports}\n"
        "print(perf_counter() - begun)\n"
    )
    done = subprocess.run(
        [environment.python, "-c", program],
        env=environment.variables(home),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise WorkerError(f"{environment.framework.name} does not import\n{done.stderr}")
    return {"import_s": [float(done.stdout.splitlines()[-1])]}
