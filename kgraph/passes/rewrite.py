"""Rewrite rules: an executable pattern and what replaces it.

    class MulOne(Rule):
        '''x * 1 -> x'''
        operands = {"x": f32(2, 3)}
        def pattern(self, x): return mul(x, 1.0)
        def replace(self, m): return m.x

The pattern is made by ordinary op calls on example operands. That gives the structure to match (ops, wiring,
constants), and also an example on which the tests run both sides. Attributes are not compared: `replace` reads
those it cares about from the match, and returns `Declined` with the reason when they do not suit.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

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
from kgraph.ir.types import Array, TensorType
from kgraph.ops.broadcast import broadcast_to
from kgraph.ops.elementwise import Add, Maximum, Minimum, Mul
from kgraph.ops.logic import And, Equal, Or
from kgraph.passes.base import Pass

COMMUTATIVE: tuple[type[Op], ...] = (Add, Mul, Maximum, Minimum, And, Or, Equal)
_MAX_SWEEPS = 20
_MAX_CHAIN = 200
_O = TypeVar("_O", bound=Op)


def examples(**operands: TensorType | Value) -> Mapping[str, TensorType | Value]:
    """Example operands of a pattern, by name."""
    return operands


def f32(*shape: Dim) -> TensorType:
    """float32 of a shape: the usual type of an example operand."""
    return TensorType("float32", shape)


@dataclass(frozen=True)
class Declined:
    """Why a rule whose pattern matched does not apply."""

    reason: str


class Rule:
    """One identity. The docstring states it in one line: `(x @ w) * s -> x @ (w * s)`."""

    operands: Mapping[str, TensorType | Value] = MappingProxyType({})
    """Examples of the pattern's operands, in the order of its parameters: types, or values where `replace` asks for
    more than a type. An operand matches any value, but if its example is a constant then constants only."""
    family: ClassVar[type[Op] | None] = None
    """If set, the rule is tried on every op of this class whose operands come from the ops that the operands of the
    pattern come from (or all of the family), in any order and number. `replace` reads `match.root`; operands have no
    names."""
    exclusive: ClassVar[bool] = False
    """Match only if nothing outside of the pattern uses its inner results, so that no work is done twice."""
    domain: ClassVar[tuple[float, float] | None] = None
    """The identity is meant for finite operands between these bounds; the law samples from there. None: all floats."""

    def pattern(self, *operands: Any, **_: Any) -> Value:
        """The left side, made of ops."""
        raise NotImplementedError

    def replace(self, match: Match) -> Value | Declined:
        """The right side for a match. One of smaller shape is broadcast to the shape of the left side."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return type(self).__name__

    @cached_property
    def leaves(self) -> dict[str, Value]:
        """The example operands by name."""
        return {
            name: Input(name, example) if isinstance(example, TensorType) else example
            for name, example in self.operands.items()
        }

    @cached_property
    def root(self) -> Call:
        """The call at the top of the pattern."""
        made = self.pattern(*self.leaves.values())
        if not isinstance(made, Result):
            raise PassError(describe(f"the pattern of {self.name} is not a call", got=made))
        return made.call

    def example(self) -> Function:
        """The left side as a function of the example operands."""
        leaves = itertools.chain(*(call.inputs for call in topological(self.root.results)))
        inputs = dict.fromkeys(leaf for leaf in leaves if isinstance(leaf, Input))
        return Function(self.name, tuple(inputs), {"y": self.root.results[0]})

    def suits(self, op: type[Op], operands: Sequence[object]) -> bool:
        """Whether a call of `op`, with operands made by these op classes (None: a leaf), can match at all."""
        operand = set(self.leaves.values())
        wanted = [
            None if value in operand and not isinstance(value, Constant) else origin(value)
            for value in self.root.inputs
        ]
        if self.family is not None:
            return issubclass(op, self.family) and all(
                self._among(w, operands) for w in wanted if w is not None
            )
        if op is not type(self.root.op) or len(operands) != len(wanted):
            return False
        orders = [operands, operands[::-1]] if issubclass(op, COMMUTATIVE) else [operands]
        return any(
            all(w is None or w is kind for w, kind in zip(wanted, order, strict=True)) for order in orders
        )

    def _among(self, wanted: object, operands: Sequence[object]) -> bool:
        """Whether an operand comes from `wanted`, or, where that is of the family, from any op of the family."""
        family = self.family
        if family is None or not (isinstance(wanted, type) and issubclass(wanted, family)):
            return wanted in operands
        return any(isinstance(kind, type) and issubclass(kind, family) for kind in operands)


def origin(value: Value) -> object:
    """What a value is, as far as the choice of rules goes: the class of the op that made it, Constant, or None."""
    if isinstance(value, Result):
        return type(value.call.op)
    return Constant if isinstance(value, Constant) else None


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

    def array(self, operand: str) -> Array:
        """The array of an operand that matched a constant."""
        value = self.values[operand]
        assert isinstance(value, Constant)
        return value.array

    def call(self, op: type[Op], index: int = 0) -> Call:
        """The index-th matched call of an op class, from the root downwards."""
        return [call for call in self.calls if isinstance(call.op, op)][index]

    def op(self, op: type[_O], index: int = 0) -> _O:
        """The op of the index-th matched call of a class, from the root downwards."""
        found = self.call(op, index).op
        assert isinstance(found, op)
        return found


@dataclass(frozen=True)
class Rewrite(Pass):
    """Apply rules everywhere until none of them matches."""

    rules: tuple[Rule, ...] = ()

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        for _ in range(_MAX_SWEEPS):
            result = _Sweep(self.rules, function, hits).run()
            if result is function:
                return function
            function = result
        raise PassError(
            describe(f"{self.name} does not settle", expected=f"{_MAX_SWEEPS} sweeps", got=dict(hits))
        )


class _Sweep:
    """One walk over a function, operands first. What a rule makes is simplified at once, so that a second walk is
    needed only for what depends on how often values are used."""

    def __init__(self, rules: tuple[Rule, ...], function: Function, hits: Counter[str]) -> None:
        self.index = _index(rules)
        self.function = function
        self.hits = hits
        self.uses = count_uses(function)
        self.settled: dict[Call, Sequence[Value]] = {}
        self.chain: list[str] = []

    def run(self) -> Function:
        return transform(self.function, self.visit)

    def visit(self, call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        same = all(a is b for a, b in zip(inputs, call.inputs, strict=True))
        current = call if same else _reapply(call, inputs)
        for old, new in zip(call.results, current.results, strict=True):
            self.uses[new] = self.uses[old]
        results = self.settle(current)
        return None if results is call.results else results

    def settle(self, call: Call) -> Sequence[Value]:
        """What stands for the results of a call whose operands are settled, once no rule applies any more."""
        found = self.settled.get(call)
        if found is not None:
            return found
        made = self._first_replacement(call)
        if made is None:
            self.settled[call] = call.results
            return call.results
        if len(self.chain) > _MAX_CHAIN:
            raise PassError(
                describe("rules undo each other", got=", ".join(sorted(set(self.chain))), where=call.where)
            )
        result = self._settle_value(made)
        self.chain.pop()
        self.uses[result] = self.uses.get(result, 0) + self.uses.get(call.results[0], 1)
        self.settled[call] = (result,)
        return self.settled[call]

    def _settle_value(self, value: Value) -> Value:
        """Settle the calls that a replacement brought in, operands first."""
        if not isinstance(value, Result):
            return value
        call = value.call
        if call not in self.settled:
            inputs = tuple(self._settle_value(operand) for operand in call.inputs)
            if any(a is not b for a, b in zip(inputs, call.inputs, strict=True)):
                with exact_scope(call.where):
                    self.settled[call] = self.settle(_reapply(call, inputs))
        return self.settle(call)[value.index]

    def _first_replacement(self, call: Call) -> Value | None:
        if len(call.results) != 1:
            return None
        for rule in self.index(type(call.op), tuple(map(origin, call.inputs))):
            made = apply_rule(rule, call, self.uses)
            if made is not None:
                self.hits[rule.name] += 1
                self.chain.append(rule.name)
                return made
        return None


@cache
def _index(rules: tuple[Rule, ...]) -> Any:
    """A function from an op class and the origins of the operands to the rules worth trying."""

    @cache
    def find(op: type[Op], operands: tuple[object, ...]) -> tuple[Rule, ...]:
        return tuple(rule for rule in rules if rule.suits(op, operands))

    return find


def apply_rule(rule: Rule, call: Call, uses: Mapping[Value, int]) -> Value | None:
    """The replacement that `rule` gives for a call, of exactly its type, or None."""
    made = attempt(rule, call, uses)
    return made if isinstance(made, Value) else None


def attempt(rule: Rule, call: Call, uses: Mapping[Value, int]) -> Value | Declined | None:
    """The replacement, of exactly the call's type; why the rule declines the match; or None: no match."""
    declined = None
    for match in find_matches(rule, call):
        if rule.exclusive and _used_outside(match, uses):
            declined = Declined("an inner result is used elsewhere")
            continue
        with exact_scope(call.where):
            made = rule.replace(match)
            if isinstance(made, Value):
                return _fit(made, call, rule)
        declined = made
    return declined


def explain(function: Function, rules: Sequence[Rule]) -> list[str]:
    """For every call that matches the pattern of a rule, what the rule would do or why it declines."""
    uses = count_uses(function)
    lines = []
    for call in function.calls():
        for rule in rules:
            made = attempt(rule, call, uses) if len(call.results) == 1 else None
            if made is not None:
                verdict = f"declined: {made.reason}" if isinstance(made, Declined) else "applies"
                lines.append(f"{rule.name} at {call.where or 'top'} ({call.op}): {verdict}")
    return lines


def _fit(made: Value, call: Call, rule: Rule) -> Value:
    wanted = call.results[0].type
    if made.shape != wanted.shape:
        made = broadcast_to(made, wanted.shape)
    if made.type != wanted:
        raise PassError(
            describe(f"{rule.name} changed a type", expected=wanted, got=made.type, where=call.where)
        )
    return made


def _used_outside(match: Match, uses: Mapping[Value, int]) -> bool:
    inside = Counter(value for call in set(match.calls) for value in call.inputs)
    inner = [call.results[0] for call in match.calls if call is not match.root]
    return any(uses.get(value, 1) > inside[value] for value in inner)


def find_matches(rule: Rule, call: Call) -> Iterator[Match]:
    """Every way in which the pattern of `rule` fits with its root at `call`."""
    if rule.family is not None:
        if rule.suits(type(call.op), tuple(map(origin, call.inputs))):
            yield Match(call, {}, [call])
        return
    names = {leaf: name for name, leaf in rule.leaves.items()}
    for bound, calls in _match_call(rule.root, call, {}, [], names):
        yield Match(call, {names[leaf]: value for leaf, value in bound.items() if leaf in names}, calls)


_Bound = dict[Value, Value]
_Names = Mapping[Value, str]


def _match_call(
    pattern: Call, call: Call, bound: _Bound, calls: list[Call], names: _Names
) -> Iterator[tuple[_Bound, list[Call]]]:
    if type(pattern.op) is not type(call.op) or len(pattern.inputs) != len(call.inputs):
        return
    yield from _match_operands(pattern.inputs, call.inputs, bound, [*calls, call], names)
    if isinstance(call.op, COMMUTATIVE) and call.inputs[0] is not call.inputs[1]:
        yield from _match_operands(pattern.inputs, call.inputs[::-1], bound, [*calls, call], names)


def _match_operands(
    patterns: tuple[Value, ...], values: tuple[Value, ...], bound: _Bound, calls: list[Call], names: _Names
) -> Iterator[tuple[_Bound, list[Call]]]:
    if not patterns:
        yield bound, calls
        return
    pattern, value, rest = patterns[0], values[0], values[1:]
    if pattern in bound:
        if _same(bound[pattern], value):
            yield from _match_operands(patterns[1:], rest, bound, calls, names)
    elif isinstance(pattern, Result) and pattern not in names:
        if isinstance(value, Result) and pattern.index == value.index:
            here = {**bound, pattern: value}
            for inner, seen in _match_call(pattern.call, value.call, here, calls, names):
                yield from _match_operands(patterns[1:], rest, inner, seen, names)
    elif _leaf_fits(pattern, value, pattern in names):
        yield from _match_operands(patterns[1:], rest, {**bound, pattern: value}, calls, names)


def _same(a: Value, b: Value) -> bool:
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a.type == b.type and np.array_equal(a.array, b.array)
    return a is b


def _leaf_fits(pattern: Value, value: Value, is_operand: bool) -> bool:
    if not isinstance(pattern, Constant):
        return True
    if not isinstance(value, Constant):
        return False
    return is_operand or is_filled_with(value.array, pattern.array)


def is_filled_with(array: Array, number: Array) -> bool:
    """Whether every element is `number`. The first element settles most cases."""
    return array.size > 0 and bool(array.flat[0] == number) and bool(np.all(array == number))


def count_uses(function: Function) -> Counter[Value]:
    """How many operands and roots each value is."""
    uses: Counter[Value] = Counter(function.roots)
    for call in function.calls():
        for value in call.inputs:
            uses[value] += 1
    return uses


def _reapply(call: Call, inputs: tuple[Value, ...]) -> Call:
    (first, *_) = call.op.apply(*inputs)
    assert isinstance(first, Result)
    return first.call
