"""Running passes in order: verification, dumps, hit counts and times."""

from __future__ import annotations

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
    """Watches a pipeline: keeps a record per pass, and, if asked, verifies and dumps text before and after each."""

    verify: bool = False
    dump: Path | None = None
    measure: bool = False
    records: list[Record] = field(default_factory=list)
    _files: int = 0

    def table(self) -> str:
        """The records as a text table, one row per pass and function."""
        rows = [f"{'function':<14} {'pass':<24} {'ms':>8} {'calls':>13}  what was done"]
        for r in self.records:
            done = ", ".join(f"{name} {count}" for name, count in sorted(r.hits.items()))
            change = f"{r.calls_before} -> {r.calls_after}"
            rows.append(f"{r.function:<14} {r.name:<24} {r.seconds * 1e3:>8.2f} {change:>13}  {done}")
        return "\n".join(rows)

    def write(self, function: Function, label: str) -> None:
        if self.dump is None:
            return
        self.dump.mkdir(parents=True, exist_ok=True)
        path = self.dump / f"{function.name}.{self._files:03d}.{label}.txt"
        path.write_text(format_function(function) + "\n", encoding="utf-8")
        self._files += 1


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
    return function


def _verify(function: Function, step: Pass) -> None:
    try:
        verify(function)
    except GraphError as error:
        raise PassError(
            describe(f"pass {step.name!r} left an invalid function\n{error}", where=function.name)
        ) from error
