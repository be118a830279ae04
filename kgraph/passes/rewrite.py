"""Rewrite rules: an executable pattern and what replaces it.

    class MulOne(Rule):
        '''x * 1 -> x'''
        operands = {"x": f32(2, 3)}
        def pattern(self, x): return mul(x, 1.0)
        def replace(self, m): return m.x

The pattern is made by ordinary op calls on example operands. That gives the structure to match (ops, wiring,
constants), and also an example on which the tests run both sides. Attributes are not compared: `replace` reads
those it cares about from the match, and declines by returning None.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from kgraph.errors import PassError, describe
from kgraph.ir.dims import Dim
from kgraph.ir.graph import (
    Call,
    Constant,
    Function,
    Input,
    Result,
    Value,
    exact_scope,
    topological,
    transform,
)
from kgraph.ir.op import Op
from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import broadcast_to
from kgraph.ops.elementwise import Add, Maximum, Minimum, Mul
from kgraph.ops.logic import And, Equal, Or
from kgraph.passes.base import Pass

COMMUTATIVE: tuple[type[Op], ...] = (Add, Mul, Maximum, Minimum, And, Or, Equal)
_MAX_SWEEPS = 20


def f32(*shape: Dim) -> TensorType:
    """float32 of a shape: the usual type of an example operand."""
    return TensorType("float32", shape)


class Rule:
    """One identity. The docstring states it in one line: `(x @ w) * s -> x @ (w * s)`."""

    operands: ClassVar[Mapping[str, TensorType]] = {}
    """Example types of the pattern's operands, in the order of its parameters."""
    exclusive: ClassVar[bool] = False
    """Match only if nothing outside of the pattern uses its inner results, so that no work is done twice."""
    positive: ClassVar[bool] = False
    """The identity is meant for positive finite operands only; the law tests it on those."""

    def pattern(self, *operands: Any, **_: Any) -> Value:
        """The left side, made of ops."""
        raise NotImplementedError

    def replace(self, match: Match) -> Value | None:
        """The right side for a match, or None to decline."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return type(self).__name__

    @cached_property
    def leaves(self) -> dict[str, Input]:
        return {name: Input(name, type) for name, type in self.operands.items()}

    @cached_property
    def root(self) -> Call:
        """The call at the top of the pattern."""
        made = self.pattern(*self.leaves.values())
        if not isinstance(made, Result):
            raise PassError(describe(f"the pattern of {self.name} is not a call", got=made))
        return made.call


@dataclass
class Match:
    """What a pattern stands for in a graph: `match.x` is the value matched by operand x."""

    root: Call
    values: dict[str, Value]
    calls: list[Call]

    def __getattr__(self, operand: str) -> Value:
        try:
            return self.values[operand]
        except KeyError:
            raise AttributeError(operand) from None

    def call(self, op: type[Op], index: int = 0) -> Call:
        """The index-th matched call of an op class, from the root downwards."""
        return [call for call in self.calls if isinstance(call.op, op)][index]


@dataclass(frozen=True)
class Rewrite(Pass):
    """Apply rules everywhere until none of them matches."""

    rules: tuple[Rule, ...] = ()

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        by_op: defaultdict[type[Op], list[Rule]] = defaultdict(list)
        for rule in self.rules:
            by_op[type(rule.root.op)].append(rule)
        for _ in range(_MAX_SWEEPS):
            result = self._sweep(function, by_op, hits)
            if result is function:
                return function
            function = result
        raise PassError(
            describe(f"{self.name} does not settle", expected=f"{_MAX_SWEEPS} sweeps", got=dict(hits))
        )

    def _sweep(
        self, function: Function, by_op: Mapping[type[Op], Sequence[Rule]], hits: Counter[str]
    ) -> Function:
        uses = count_uses(function.roots)

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if len(call.results) != 1 or type(call.op) not in by_op:
                return None
            same = all(a is b for a, b in zip(inputs, call.inputs, strict=True))
            current = call if same else _only_call(call.op.apply(*inputs))
            uses[current.results[0]] = uses[call.results[0]]
            for rule in by_op[type(call.op)]:
                replacement = apply_rule(rule, current, uses)
                if replacement is not None:
                    hits[rule.name] += 1
                    return (replacement,)
            return None if same else current.results

        return transform(function, visit)


def apply_rule(rule: Rule, call: Call, uses: Mapping[Value, int]) -> Value | None:
    """The replacement that `rule` gives for a call, of exactly its type, or None."""
    match = find_match(rule, call)
    if match is None:
        return None
    if rule.exclusive and any(uses.get(inner.results[0], 1) > 1 for inner in match.calls[1:]):
        return None
    with exact_scope(call.where):
        made = rule.replace(match)
        if made is None:
            return None
        wanted = call.results[0].type
        if made.shape != wanted.shape:
            made = broadcast_to(made, wanted.shape)
    if made.type != wanted:
        raise PassError(
            describe(f"{rule.name} changed a type", expected=wanted, got=made.type, where=call.where)
        )
    return made


def find_match(rule: Rule, call: Call) -> Match | None:
    """Match the pattern of `rule` with its root at `call`."""
    for values, calls in _match_call(rule.root, call, {}, []):
        names = {leaf: name for name, leaf in rule.leaves.items()}
        return Match(call, {names[leaf]: value for leaf, value in values.items()}, calls)
    return None


Binding = tuple[dict[Input, Value], list[Call]]


def _match_call(pattern: Call, call: Call, bound: dict[Input, Value], calls: list[Call]) -> Iterable[Binding]:
    if type(pattern.op) is not type(call.op) or len(pattern.inputs) != len(call.inputs):
        return
    orders = [call.inputs]
    if isinstance(call.op, COMMUTATIVE):
        orders.append(call.inputs[::-1])
    for order in orders:
        yield from _match_operands(list(zip(pattern.inputs, order, strict=True)), bound, [*calls, call])


def _match_operands(
    pairs: list[tuple[Value, Value]], bound: dict[Input, Value], calls: list[Call]
) -> Iterable[Binding]:
    if not pairs:
        yield bound, calls
        return
    (pattern, value), rest = pairs[0], pairs[1:]
    if isinstance(pattern, Input):
        if bound.get(pattern, value) is value:
            yield from _match_operands(rest, {**bound, pattern: value}, calls)
    elif isinstance(pattern, Constant):
        if isinstance(value, Constant) and value.array.size and np.all(value.array == pattern.array):
            yield from _match_operands(rest, bound, calls)
    elif isinstance(pattern, Result) and isinstance(value, Result) and pattern.index == value.index:
        for inner, seen in _match_call(pattern.call, value.call, bound, calls):
            yield from _match_operands(rest, inner, seen)


def count_uses(roots: Sequence[Value]) -> Counter[Value]:
    """How many operands and roots each value is."""
    uses: Counter[Value] = Counter(roots)
    for call in topological(roots):
        uses.update(call.inputs)
    return uses


def _only_call(results: tuple[Value, ...]) -> Call:
    (result,) = results
    assert isinstance(result, Result)
    return result.call
