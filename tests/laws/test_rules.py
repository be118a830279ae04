"""The laws of rewrite rules, over all rules of all passes."""

from __future__ import annotations

import pytest

from kgraph.passes.rewrite import Rule
from kgraph.testing import all_rules, check_rule

RULES = all_rules()


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_matches_its_example_and_keeps_its_meaning(rule: Rule) -> None:
    check_rule(rule)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_states_its_identity(rule: Rule) -> None:
    assert rule.__doc__
    assert "->" in rule.__doc__.splitlines()[0]
