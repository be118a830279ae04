"""The command line: `python -m benchmarks.convert`. The README beside this file explains."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.convert.contenders import CONTENDERS, SUBJECT
from benchmarks.convert.graphs import operators, race
from benchmarks.convert.report import FORMS, report
from benchmarks.convert.worker import converted, run
from benchmarks.convert.zoo import SPECIMENS
from benchmarks.environments import Environment, advice, cores, examine
from benchmarks.run import choice, machine, put_between_marks, python_of, rounds
from benchmarks.schedule import Schedule, announced, say

README = Path(__file__).parent / "README.md"
LARGE = "resnet50"
HEATS = 5


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convert", description=__doc__)
    parser.add_argument(
        "--only",
        type=choice(SPECIMENS),
        default=list(SPECIMENS),
        metavar="MODEL,…",
        help=", ".join(SPECIMENS),
    )
    parser.add_argument("--rounds", type=rounds, default=3, help=f"conversions of {LARGE} (default 3)")
    parser.add_argument("--threads", type=rounds, default=cores(), help="of onnxruntime (default: all cores)")
    parser.add_argument(
        "--python",
        type=partial(python_of, CONTENDERS),
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="the interpreter of one contender, or of all that are not named",
    )
    parser.add_argument(
        "--readme", action="store_true", help="put the report into the README beside this file"
    )
    return parser


class Conversions(Schedule):
    """Files made, converted by everyone and run, with what was found in them."""

    def __init__(self, environments: Sequence[Environment], rounds: int, home: Path) -> None:
        super().__init__(environments, rounds, home)
        self.operators: dict[tuple[str, str], Counter[str]] = {}

    def specimen(self, name: str, threads: int) -> None:
        """Everything about one model. Only of the large one both forms of file are converted, and several times."""
        forms = FORMS if name == LARGE else FORMS[-1:]
        sources = [self.home / f"{name}.{form}" for form in forms]
        run(self.environments[-1], self.home, "make", name, *map(str, sources))
        written: dict[str, Path] = {}
        for _ in range(self.rounds if name == LARGE else 1):
            for source in sources:
                for environment in self.environments:
                    contender = environment.framework.name
                    target = self.home / f"{name}.{contender}.onnx"
                    measure = partial(converted, environment, source, target, self.home)
                    if self.collect(source.name, contender, measure):
                        written[contender] = target
        self.operators |= {(name, contender): operators(path) for contender, path in written.items()}
        for contender, times in race(written, SPECIMENS[name].inputs(), HEATS, threads).items():
            self.results.add(name, contender, {"run_ms": times})


def main(arguments: Sequence[str]) -> int:
    """Runs the program; 1 if something that is installed did not run."""
    options = parser().parse_args(arguments)
    examined = [examine(framework, dict(options.python)) for framework in CONTENDERS.values()]
    for environment in examined:
        if environment.missing:
            say(advice(environment))
    environments = [environment for environment in examined if not environment.missing]
    if SUBJECT not in (environment.framework.name for environment in environments):
        return 1
    with tempfile.TemporaryDirectory(prefix="kgraph-conversions-") as home:
        work = Conversions(environments, options.rounds, Path(home))
        for name in options.only:
            with announced(name):
                work.specimen(name, options.threads)
    text = report(work.results, work.operators, LARGE, machine(environments, arguments, "benchmarks.convert"))
    print(text)
    if options.readme and not work.failures:
        README.write_text(put_between_marks(README.read_text(), text))
    return 1 if work.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
