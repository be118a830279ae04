"""Running passes in order: verification, dumps, hit counts and times."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kgraph.errors import ArgumentError, GraphError, PassError, describe
from kgraph.ir.graph import Function
from kgraph.ir.printer import format_function
from kgraph.ir.verify import verify
from kgraph.passes.base import Pass, registry
from kgraph.passes.nested import apply_everywhere

# Over the process, so that the stages of one compilation, and one model after another, sort in order.
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Record:
    """What one pass did to one function."""

    function: str
    name: str
    seconds: float
    calls_before: int
    calls_after: int
    hits: Counter[str]


@dataclass
class Observer:
    """Watches a pipeline: keeps a record per pass, and, if asked, verifies and dumps text before and after each.

    A dump folder gets `<number>.<function>.<pass>.txt`, numbered in order over the process, and `passes.txt`:
    the table of times, sizes and hits, to which each pipeline adds its own.
    """

    verify: bool = False
    dump: Path | None = None
    measure: bool = False
    records: list[Record] = field(default_factory=list)

    def table(self) -> str:
        """The records as a text table, one row per pass and function."""
        return format_table(self.records)

    def write(self, function: Function, label: str) -> None:
        if self.dump is None:
            return
        self.dump.mkdir(parents=True, exist_ok=True)
        path = self.dump / f"{next(_NUMBERS):04d}.{function.name}.{label}.txt"
        path.write_text(format_function(function) + "\n", encoding="utf-8")

    def write_table(self, records: Sequence[Record]) -> None:
        """Add the table of a pipeline that has run to the dump folder."""
        if self.dump is not None and records:
            with (self.dump / "passes.txt").open("a", encoding="utf-8") as file:
                file.write(format_table(records) + "\n\n")


def format_table(records: Sequence[Record]) -> str:
    """Records as text: function, pass, milliseconds, calls before and after, what was done."""
    rows = [f"{'function':<14} {'pass':<24} {'ms':>8} {'calls':>13}  what was done"]
    for r in records:
        done = ", ".join(f"{name} {count}" for name, count in sorted(r.hits.items()))
        change = f"{r.calls_before} -> {r.calls_after}"
        rows.append(f"{r.function:<14} {r.name:<24} {r.seconds * 1e3:>8.2f} {change:>13}  {done}")
    return "\n".join(rows)


def switched(passes: Sequence[Pass], switches: str) -> list[Pass]:
    """`passes` without those that `switches` turns off: "-layout,-simplify".

    Raises ArgumentError for a name that is not registered and for a pass that cannot be left out.
    """
    off = {name.lstrip("-") for name in switches.split(",") if name}
    known = {name for name, step in registry().items() if not step.required}
    if off - known:
        raise ArgumentError(
            describe(
                "no such pass to switch off",
                expected=", ".join(sorted(known)),
                got=", ".join(sorted(off - known)),
            )
        )
    return [step for step in passes if step.name not in off]


def run_pipeline(function: Function, passes: Sequence[Pass], observer: Observer) -> Function:
    """Apply `passes` in order, inside nested functions too.

    Raises PassError naming the pass when one leaves an invalid function behind.
    """
    observer.write(function, "input")
    first = len(observer.records)
    for step in passes:
        hits: Counter[str] = Counter()
        before = len(function.calls()) if observer.measure else 0
        start = time.perf_counter()
        result = apply_everywhere(step, function, hits)
        seconds = time.perf_counter() - start
        if observer.measure:
            after = len(result.calls())
            observer.records.append(Record(function.name, step.name, seconds, before, after, hits))
        if result is not function:
            if observer.verify:
                _verify(result, step)
            observer.write(result, step.name)
        function = result
    observer.write_table(observer.records[first:])
    return function


def _verify(function: Function, step: Pass) -> None:
    try:
        verify(function)
    except GraphError as error:
        raise PassError(
            describe(f"pass {step.name!r} left an invalid function\n{error}", where=function.name)
        ) from error
