"""Who measures when: fresh processes for starts, then turns in alternation."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.environments import Environment
from benchmarks.models import Workload
from benchmarks.report import Results
from benchmarks.targets import EVERY
from benchmarks.worker import Samples, Worker, WorkerError, import_seconds


def say(text: str) -> None:
    """Progress and complaints go to standard error, apart from the report."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Says how long something took."""
    begun = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - begun:.0f} s")


class Schedule:
    """Fills `results` from processes of the given environments, and keeps a list of `failures`.

    A process that fails is reported and left out; the others go on. `home` is a folder for what processes write.
    """

    def __init__(self, environments: Sequence[Environment], rounds: int, home: Path) -> None:
        self.environments = environments
        self.rounds = rounds
        self.home = home
        self.results = Results()
        self.failures: list[str] = []

    def collect(self, workload: str, framework: str, measure: Callable[[], Samples]) -> bool:
        """Adds what `measure` gives, or notes why it gave nothing; whether it worked."""
        try:
            samples = measure()
        except WorkerError as failure:
            say(str(failure))
            self.failures.append(str(failure))
            return False
        self.results.add(workload, framework, samples)
        return True

    def imports(self) -> None:
        """Times the imports, in turn. They vary little: three rounds will do."""
        for _ in range(min(self.rounds, 3)):
            for environment in self.environments:
                measure = partial(import_seconds, environment, self.home)
                self.collect(EVERY, environment.framework.name, measure)

    def workload(self, workload: Workload, starts: int) -> None:
        """Measures one workload under each framework.

        The processes of the last start live side by side and take turns, A B A B, so that a machine which slows
        down does so for all of them. Those that have no turn sleep.
        """
        for _ in range(starts - 1):
            for environment in self.environments:
                with Worker(environment, workload.name, self.home) as worker:
                    self.collect(workload.name, environment.framework.name, worker.answer)
        with ExitStack() as processes:
            workers: list[Worker] = []
            for environment in self.environments:
                worker = processes.enter_context(Worker(environment, workload.name, self.home))
                if self.collect(workload.name, environment.framework.name, worker.answer):
                    workers.append(worker)
            for _ in range(self.rounds):
                workers = [w for w in workers if self.collect(workload.name, w.framework, w.turn)]
