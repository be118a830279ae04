"""From samples to medians, ratios, and a Markdown report."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.frameworks import FRAMEWORKS
from benchmarks.models import WORKLOADS
from benchmarks.targets import EVERY, Target

Key = tuple[str, str]
"""(workload, framework)"""

METRICS = {
    "fit_ms": "`fit`, ms/step",
    "step_ms": "bare step, ms",
    "first_step_s": "first step, s",
    "import_s": "import, s",
    "peak_mb": "peak memory, MB",
    "predict_ms": "`predict` of 1, ms",
    "predict_overhead_us": "`predict` of 1 over bare `session.run`, µs",
    "python_us": "Python in `fit`, µs/step",
}
"""Every metric with its heading. Less is better in all of them."""

COLUMNS = ("fit_ms", "step_ms", "first_step_s", "peak_mb", "predict_ms")
SUBJECT = "kgraph"


class Results:
    """Samples by (workload, framework) and metric, all from one run."""

    def __init__(self) -> None:
        self.samples: dict[Key, dict[str, list[float]]] = {}

    def add(self, workload: str, framework: str, samples: Mapping[str, Iterable[float]]) -> None:
        """Adds samples of some metrics to those already there."""
        metrics = self.samples.setdefault((workload, framework), {})
        for metric, values in samples.items():
            metrics.setdefault(metric, []).extend(values)

    def median(self, workload: str, framework: str, metric: str) -> float | None:
        """The median of a metric, or None where it was not measured."""
        values = self.samples.get((workload, framework), {}).get(metric)
        return statistics.median(values) if values else None

    def ratio(self, workload: str, metric: str, framework: str, baseline: str) -> float | None:
        """`framework` relative to `baseline`, or None where either is missing."""
        mine = self.median(workload, framework, metric)
        theirs = self.median(workload, baseline, metric)
        return mine / theirs if mine is not None and theirs else None


@dataclass(frozen=True)
class Machine:
    """Where a run took place, with what, and how it was started."""

    cpu: str
    cores: int
    system: str
    versions: tuple[str, ...]
    command: str


def number(value: float | None) -> str:
    """Three significant digits, or "n/a" for what was not measured."""
    if value is None:
        return "n/a"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table with its first column to the left and the others to the right."""
    head = list(header)
    rule = [":--", *("--:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def workload_table(results: Results, workload: str) -> str:
    """One row for each framework that ran; the last column is kgraph's `fit` relative to it."""
    rows = [
        [
            FRAMEWORKS[name].title,
            *(number(results.median(workload, name, metric)) for metric in COLUMNS),
            number(results.ratio(workload, "fit_ms", SUBJECT, name)),
        ]
        for name in FRAMEWORKS
        if (workload, name) in results.samples
    ]
    return table(["", *(METRICS[metric] for metric in COLUMNS), f"{SUBJECT} ÷ this, `fit`"], rows)


def import_table(results: Results) -> str:
    """Import times, which do not depend on the workload."""
    medians = {name: results.median(EVERY, name, "import_s") for name in FRAMEWORKS}
    return table(
        ["", METRICS["import_s"]],
        ([FRAMEWORKS[name].title, number(value)] for name, value in medians.items() if value is not None),
    )


def reached(results: Results, target: Target) -> float | None:
    """What stands against the target's limit: a ratio, or kgraph's own median."""
    if target.baseline is None:
        return results.median(target.workload, SUBJECT, target.metric)
    return results.ratio(target.workload, target.metric, SUBJECT, target.baseline)


def target_table(results: Results, targets: Iterable[Target]) -> str:
    """Each target with what this run has to say about it."""

    def row(target: Target) -> list[str]:
        value = reached(results, target)
        verdict = "not measured" if value is None else "met" if value <= target.limit else "**missed**"
        against = f" of {FRAMEWORKS[target.baseline].title}" if target.baseline else ""
        return [
            f"`{target.workload}`",
            METRICS[target.metric],
            f"≤ {target.limit:g}{against}",
            number(value),
            verdict,
        ]

    return table(["workload", "metric", "target", "measured", ""], map(row, targets))


def report(results: Results, targets: Iterable[Target], machine: Machine) -> str:
    """The whole report, in Markdown."""
    workloads = [name for name in WORKLOADS if any(key[0] == name for key in results.samples)]
    parts = [
        f"Made by `{machine.command}` on {machine.cores} cores of {machine.cpu}, {machine.system}.",
        f"With {', '.join(machine.versions)}.",
        "### Targets",
        target_table(results, [target for target in targets if target.workload in (*workloads, EVERY)]),
    ]
    for name in workloads:
        parts += [f"### `{name}`: {WORKLOADS[name].title}", workload_table(results, name)]
    parts += ["### Import", import_table(results)]
    return "\n\n".join(parts) + "\n"
