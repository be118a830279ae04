"""From the samples of a run to Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.convert.contenders import CONTENDERS, OTHER, SUBJECT
from benchmarks.convert.zoo import SPECIMENS
from benchmarks.report import Machine, Results, number, table

COLUMNS = {
    "import_s": "import, s",
    "load_s": "load, s",
    "convert_s": "convert, s",
    "total_s": "all, s",
    "peak_mb": "peak memory, MB",
}
FORMS = ("h5", "keras")


@dataclass(frozen=True)
class Limit:
    """kgraph's `metric` for files of a `form` is at most `limit`, of what the other has if `relative`."""

    metric: str
    limit: float
    relative: bool


LIMITS = (
    Limit("total_s", 0.2, relative=True),
    Limit("peak_mb", 0.3, relative=True),
    Limit("load_s", 2, relative=False),
    Limit("convert_s", 5, relative=False),
)
SLACK = 1.05
"""What counts as equally fast: two runs of one file differ by a few percent."""

Operators = Mapping[tuple[str, str], Counter[str]]


def least(results: Results, specimen: str, contender: str) -> float | None:
    """The shortest run: what the file takes when nothing else is in the way."""
    values = results.samples.get((specimen, contender), {}).get("run_ms")
    return min(values) if values else None


def limits_table(results: Results, specimen: str) -> str:
    """Each limit with what this run has to say about it."""

    def row(form: str, limit: Limit) -> list[str]:
        key = f"{specimen}.{form}"
        value = results.median(key, SUBJECT, limit.metric)
        if limit.relative:
            value = results.ratio(key, limit.metric, SUBJECT, OTHER)
        verdict = "not measured" if value is None else "met" if value <= limit.limit else "**missed**"
        against = f" of {CONTENDERS[OTHER].title}" if limit.relative else ""
        return [f"`.{form}`", COLUMNS[limit.metric], f"≤ {limit.limit:g}{against}", number(value), verdict]

    rows = [row(form, limit) for form in FORMS for limit in LIMITS]
    return table(["file", "metric", "target", "measured", ""], rows)


def conversion_table(results: Results, specimen: str) -> str:
    """The parts of a conversion."""
    rows = [
        [
            f"{contender.title}, `.{form}`",
            *(number(results.median(f"{specimen}.{form}", name, metric)) for metric in COLUMNS),
        ]
        for form in FORMS
        for name, contender in CONTENDERS.items()
        if (f"{specimen}.{form}", name) in results.samples
    ]
    return table(["", *COLUMNS.values()], rows)


def graph_table(results: Results, operators: Operators, specimens: Iterable[str]) -> str:
    """Nodes, loops and run times of the files, side by side."""

    def row(specimen: str) -> list[str]:
        ours, theirs = (operators.get((specimen, name)) for name in (SUBJECT, OTHER))
        mine, other = (least(results, specimen, name) for name in (SUBJECT, OTHER))
        ratio = mine / other if mine is not None and other else None
        fewer = ours is None or theirs is None or ours.total() <= theirs.total()
        verdict = "met" if fewer and (ratio is None or ratio <= SLACK) else "**missed**"
        counts = ["n/a" if found is None else str(found.total()) for found in (ours, theirs)]
        return [f"`{specimen}`", *counts, number(mine), number(other), number(ratio), verdict]

    header = ["model", "nodes", "nodes, tf2onnx", "run, ms", "run, ms, tf2onnx", "run, ratio", ""]
    return table(header, map(row, specimens))


def report(results: Results, operators: Operators, large: str, machine: Machine) -> str:
    """The whole report, in Markdown."""
    graphs = [name for name in SPECIMENS if any(key[0] == name for key in operators)]
    parts = [
        f"Made by `{machine.command}` on {machine.cores} cores of {machine.cpu}, {machine.system}.",
        f"With {', '.join(machine.versions)}.",
    ]
    if any((f"{large}.{form}", SUBJECT) in results.samples for form in FORMS):
        parts += [
            f"### Converting {SPECIMENS[large].title}",
            limits_table(results, large),
            conversion_table(results, large),
        ]
    parts += ["### What comes out", graph_table(results, operators, graphs)]
    return "\n\n".join(parts) + "\n"
