"""Laws of the rewrite engine: what matches, when it stops, what it reports."""

from __future__ import annotations

from collections import Counter

import pytest

from kgraph.errors import PassError
from kgraph.ir.graph import Result, Value, constant, scope
from kgraph.ops.elementwise import add, div, mul, neg, sub
from kgraph.passes.rewrite import Declined, Match, Rewrite, Rule, examples, explain, f32
from kgraph.passes.simplify import FINAL_RULES, Simplify
from tests.passes.show import after, function


class SubToAdd(Rule):
    """a - b -> a + -b"""

    operands = examples(a=f32(2), b=f32(2))

    def pattern(self, a: Value, b: Value) -> Value:
        return sub(a, b)

    def replace(self, m: Match) -> Value:
        return add(m.a, neg(m.b))


class AddToSub(Rule):
    """a + -b -> a - b"""

    operands = examples(a=f32(2), b=f32(2))

    def pattern(self, a: Value, b: Value) -> Value:
        return add(a, neg(b))

    def replace(self, m: Match) -> Value:
        return sub(m.a, m.b)


class NormalizeByTotal(Rule):
    """(x + c) / ((x + c) * c) -> x + c; a rule whose pattern uses an inner result twice"""

    operands = examples(x=f32(2), c=constant(2.0, "float32"))
    exclusive = True

    def pattern(self, x: Value, c: Value) -> Value:
        shifted = add(x, c)
        return div(shifted, mul(shifted, c))

    def replace(self, m: Match) -> Value | Declined:
        return Declined("c is large") if m.array("c") > 10 else add(m.x, m.c)


TWICE = Rewrite((NormalizeByTotal(),))


def test_rules_that_undo_each_other_are_an_error_that_names_them() -> None:
    with pytest.raises(PassError, match="AddToSub, SubToAdd"):
        after(sub, Rewrite((SubToAdd(), AddToSub())), a=f32(2), b=f32(2))


def test_a_rule_that_changes_a_type_is_an_error_that_names_it() -> None:
    class Wrong(SubToAdd):
        def replace(self, m: Match) -> Value:
            return constant(1, "int32")

    with pytest.raises(PassError, match="Wrong changed a type"):
        after(sub, Rewrite((Wrong(),)), a=f32(2), b=f32(2))


def test_an_inner_result_may_be_used_twice_inside_of_the_pattern() -> None:
    def build(x: Value) -> Value:
        y = add(x, 3.0)
        return div(y, mul(3.0, y))

    assert after(build, TWICE, x=f32(4)) == ["%0 = add x, 3.0:float32[]", "return y=%0"]


def test_the_same_operand_must_be_the_same_value() -> None:
    def build(x: Value) -> Value:
        return div(add(x, 3.0), mul(add(x, 4.0), 3.0))

    assert len(after(build, TWICE, x=f32(4))) == 5


def test_a_constant_operand_matches_constants_only() -> None:
    def build(x: Value, c: Value) -> Value:
        y = add(x, c)
        return div(y, mul(y, c))

    assert len(after(build, TWICE, x=f32(4), c=f32())) == 4


def test_an_exclusive_rule_leaves_what_others_need() -> None:
    def build(x: Value) -> tuple[Value, Value]:
        y = add(x, 3.0)
        return div(y, mul(y, 3.0)), y

    assert len(after(build, TWICE, x=f32(4))) == 4


def test_a_declined_match_says_why() -> None:
    def build(x: Value) -> Value:
        y = add(x, 30.0)
        return div(y, mul(y, 30.0))

    (line,) = explain(function(build, x=f32(4)), TWICE.rules)
    assert line == "NormalizeByTotal at top (div): declined: c is large"


def test_the_same_function_comes_back_when_nothing_applies() -> None:
    given = function(add, a=f32(2), b=f32(2))
    assert Simplify(FINAL_RULES)(given, Counter()) is given


def test_hits_are_counted_by_rule() -> None:
    hits: Counter[str] = Counter()
    Simplify()(function(lambda x: mul(neg(neg(x)), 1.0), x=f32(2)), hits)
    assert hits == {"NegNeg": 1, "MulOne": 1}


def test_a_replacement_keeps_the_provenance_of_what_it_replaces() -> None:
    def build(a: Value, b: Value) -> Value:
        with scope("layer"):
            return add(a, neg(b))

    result = Simplify()(function(build, a=f32(2), b=f32(2)), Counter()).outputs["y"]
    assert isinstance(result, Result)
    assert result.call.where == "layer"
