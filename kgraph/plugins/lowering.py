"""Lowering tables: how a backend says which ops it knows and how it makes them.

A table maps an op class to a lowering. 1:1 ops are one line; others are small functions. The table is also what
`supports`, the decompose pass, the error for an unsupported op and the support matrix read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kgraph.errors import PluginError, describe
from kgraph.ir.op import Op

Lowering = Callable[..., Any]
"""`(emitter, call, operands) -> result or results`, in whatever terms the backend's emitter uses."""


class LoweringTable:
    """Lowerings by op class, some under a condition on the op's attributes."""

    def __init__(self) -> None:
        self._rows: dict[type[Op], Lowering] = {}
        self._conditions: dict[type[Op], Callable[[Any], bool]] = {}

    def add(self, op: type[Op], lowering: Lowering, when: Callable[[Any], bool] | None = None) -> None:
        """Enter one row. `when(op)` restricts it; what fails the condition is decomposed."""
        if op in self._rows:
            raise PluginError(
                describe(f"two lowerings for {op.name}", got=f"{self._rows[op]} and {lowering}")
            )
        self._rows[op] = lowering
        if when is not None:
            self._conditions[op] = when

    def lowers(
        self, *ops: type[Op], when: Callable[[Any], bool] | None = None
    ) -> Callable[[Lowering], Lowering]:
        """Decorator: the function lowers these op classes."""

        def enter(lowering: Lowering) -> Lowering:
            for op in ops:
                self.add(op, lowering, when)
            return lowering

        return enter

    def override(self, rows: Mapping[type[Op], Lowering]) -> LoweringTable:
        """A copy in which `rows` replace what was there."""
        table = LoweringTable()
        table._rows = {**self._rows, **rows}
        table._conditions = {op: test for op, test in self._conditions.items() if op not in rows}
        return table

    def merge(self, tables: Sequence[LoweringTable]) -> LoweringTable:
        """Enter all rows of other tables; a row that is there twice is an error."""
        for table in tables:
            for op, lowering in table._rows.items():
                self.add(op, lowering, table._conditions.get(op))
        return self

    def supports(self, op: Op) -> bool:
        test = self._conditions.get(type(op))
        return type(op) in self._rows and (test is None or test(op))

    def __getitem__(self, op: type[Op]) -> Lowering:
        return self._rows[op]

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
