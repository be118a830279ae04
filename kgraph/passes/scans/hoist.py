"""Compute outside of a scan, for all steps at once, what no step needs from the step before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kgraph.ir.graph import Call, Constant, Function, Input, Result, Value, exact_scope, transform
from kgraph.ops.broadcast import broadcast_to
from kgraph.ops.scan import Fresh, Scan, used_leaves
from kgraph.passes.base import Pass, register
from kgraph.passes.scans.vectorize import Operand, vectorize


@register("hoist_from_scans")
@dataclass(frozen=True)
class HoistFromScans(Pass):
    """scan(t: f(carry, g(x[t]))) -> scan(t: f(carry, y[t])) with y = g on all of x at once.

    One large product replaces one small product per step, and elementwise work costs no call per step.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Scan):
                return None
            return _Hoisting(call.op, inputs, call.where).results(hits)

        return transform(function, visit)


@dataclass
class _Hoisting:
    """One scan and what has been moved out of it."""

    op: Scan
    operands: Sequence[Value]
    where: str
    outer: dict[Value, Operand] = field(default_factory=dict)
    """Values of the step that are known outside."""
    moved: int = 0

    def results(self, hits: Counter[str]) -> Sequence[Value] | None:
        op, n = self.op, self.op.carries
        for i, leaf in enumerate(op.body.inputs):
            if i >= n:
                self.outer[leaf] = Operand(self.operands[i], stacked=i < n + op.sequences)
        for call in op.body.calls():
            self._move(call)
        made = list(op.body.outputs.values())
        outside = {i: self._stack(value) for i, value in enumerate(made) if i >= n and self._known(value)}
        if not self.moved and not outside:
            return None
        hits["calls"] += self.moved
        hits["outputs"] += len(outside)
        if len(outside) == len(made):
            return list(outside.values())
        inside = iter(self._smaller(outside))
        return [outside[i] if i in outside else next(inside) for i in range(len(made))]

    def _known(self, value: Value) -> bool:
        return value in self.outer or isinstance(value, Constant)

    def _operand(self, value: Value) -> Operand:
        return self.outer.get(value) or Operand(value, stacked=False)

    def _stack(self, value: Value) -> Value:
        known = self._operand(value)
        if known.stacked:
            return known.value
        return broadcast_to(known.value, (self._time(), *known.value.shape))

    def _time(self) -> int:
        return self.operands[self.op.carries].shape[0]  # type: ignore[return-value]  # a symbol is fine

    def _move(self, call: Call) -> None:
        """Make a call outside if its operands are known there."""
        if not all(self._known(value) for value in call.inputs):
            return
        operands = [self._operand(value) for value in call.inputs]
        stacked = any(operand.stacked for operand in operands)
        with exact_scope(call.where or self.where):
            if stacked:
                made = vectorize(call, operands)
            else:
                made = call.op.apply(*(operand.value for operand in operands))
        if made is not None:
            self.moved += 1
            for result, value in zip(call.results, made, strict=True):
                self.outer[result] = Operand(value, stacked)

    def _smaller(self, outside: dict[int, Value]) -> Sequence[Value]:
        """The results of the scan of what is left, those in `outside` left out."""
        op, body, n = self.op, self.op.body, self.op.carries
        outputs = {key: v for i, (key, v) in enumerate(body.outputs.items()) if i not in outside}
        fresh = Fresh(body.inputs)
        leaves: dict[Value, Input] = {
            value: fresh("hoisted", value.type) for value in self.outer if isinstance(value, Result)
        }
        known = {leaf: value for value, leaf in leaves.items()}
        made = Function(body.name, (), outputs).replace(leaves)
        used = used_leaves(made.roots)
        sequences: dict[Input, Value] = {}
        invariants: dict[Input, Value] = {}
        for leaf in (*body.inputs[n:], *leaves.values()):
            if leaf in used:
                operand = self.outer[known.get(leaf, leaf)]
                (sequences if operand.stacked else invariants)[leaf] = operand.value
        if not sequences:
            sequences[body.inputs[n]] = self.operands[n]
        body = replace(made, inputs=(*body.inputs[:n], *sequences, *invariants))
        smaller = replace(op, body=body, sequences=len(sequences))
        return smaller.apply(*self.operands[:n], *sequences.values(), *invariants.values())
