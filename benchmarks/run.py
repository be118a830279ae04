"""The command line: `python -m benchmarks`. The README beside this file explains."""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import tempfile
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from benchmarks.environments import ROOT, Environment, advice, cores, cpu_name, examine
from benchmarks.frameworks import FRAMEWORKS
from benchmarks.models import WORKLOADS
from benchmarks.report import Machine, report
from benchmarks.schedule import Schedule, announced, say
from benchmarks.targets import TARGETS

README = ROOT / "benchmarks" / "README.md"
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"


def choice(known: Collection[str]) -> Callable[[str], list[str]]:
    """An argument type: comma-separated names out of `known`, in the order of `known`."""

    def names(text: str) -> list[str]:
        asked = text.split(",")
        unknown = [name for name in asked if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(known)}")
        return [name for name in known if name in asked]

    return names


def python_of(known: Collection[str], text: str) -> tuple[str, Path]:
    """An argument type: NAME=PATH with a name out of `known`, or PATH alone for all, whose name is then empty.

    The path is not resolved: the interpreter of a virtual environment is a link, and works by where it stands.
    """
    name, equals, path = text.rpartition("=")
    if equals and name not in known:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
    return name, Path(path).absolute()


def rounds(text: str) -> int:
    """An argument type: a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above zero, got {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmark kgraph and others.")
    parser.add_argument(
        "--only",
        type=choice(WORKLOADS),
        default=list(WORKLOADS),
        metavar="MODEL,…",
        help=", ".join(WORKLOADS),
    )
    parser.add_argument(
        "--frameworks",
        type=choice(FRAMEWORKS),
        default=list(FRAMEWORKS),
        metavar="NAME,…",
        help=", ".join(FRAMEWORKS),
    )
    parser.add_argument("--rounds", type=rounds, default=5, help="turns of each framework (default 5)")
    parser.add_argument("--quick", action="store_true", help="one round, one start")
    parser.add_argument(
        "--python",
        type=partial(python_of, FRAMEWORKS),
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="the interpreter of one framework, or of all that are not named",
    )
    parser.add_argument("--json", type=Path, help="write all samples to this file")
    parser.add_argument(
        "--readme", action="store_true", help=f"put the report into {README.relative_to(ROOT)}"
    )
    return parser


def machine(
    environments: Sequence[Environment], arguments: Sequence[str], program: str = "benchmarks"
) -> Machine:
    """This machine, with the versions of all that ran on it."""
    versions = {f"Python {platform.python_version()}"}
    for environment in environments:
        versions |= {f"{name} {version}" for name, version in environment.versions.items()}
    command = shlex.join(["python", "-m", program, *arguments])
    return Machine(cpu_name(), cores(), platform.system(), tuple(sorted(versions, key=str.lower)), command)


def put_between_marks(document: str, text: str) -> str:
    """`document` with `text` in place of what stands between its two marks. Raises ValueError without them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(
            f"expected {BEGIN.strip()} and, further down, {END.strip()}, each on a line of its own"
        )
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Runs the program; 1 if something that is installed did not run."""
    options = parser().parse_args(arguments)
    chosen = dict(options.python)
    examined = [examine(FRAMEWORKS[name], chosen) for name in options.frameworks]
    for environment in examined:
        if environment.missing:
            say(advice(environment))
    environments = [environment for environment in examined if not environment.missing]
    with tempfile.TemporaryDirectory(prefix="kgraph-benchmarks-") as home:
        schedule = Schedule(environments, 1 if options.quick else options.rounds, Path(home))
        with announced("imports"):
            schedule.imports()
        for name in options.only:
            with announced(name):
                schedule.workload(WORKLOADS[name], 1 if options.quick else WORKLOADS[name].starts)
    text = report(schedule.results, TARGETS, machine(environments, arguments))
    print(text)
    if options.json:
        flat = [[*key, samples] for key, samples in schedule.results.samples.items()]
        options.json.write_text(json.dumps(flat, indent=1))
    if options.readme and schedule.failures:
        say(f"{README.relative_to(ROOT)} stays as it is, because not everything ran")
    elif options.readme:
        README.write_text(put_between_marks(README.read_text(), text))
    return 1 if schedule.failures else 0
