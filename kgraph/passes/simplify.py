"""Simplification: all algebraic rules together, until none applies."""

from __future__ import annotations

from dataclasses import dataclass

from kgraph.passes.base import register
from kgraph.passes.rewrite import Rewrite, Rule
from kgraph.passes.rules import (
    arithmetic,
    broadcast,
    constants,
    conv,
    gradients,
    indexing,
    logic,
    movement,
    products,
    reduction,
)

RULES: tuple[Rule, ...] = (
    *arithmetic.RULES,
    *constants.RULES,
    *broadcast.RULES,
    *movement.RULES,
    *reduction.RULES,
    *products.RULES,
    *conv.RULES,
    *logic.RULES,
)
"""Rules that keep values and gradients."""

FINAL_RULES: tuple[Rule, ...] = (
    *RULES,
    *movement.AFTER_LAYOUT,
    *movement.AFTER_DIFFERENTIATION,
    *logic.AFTER_DIFFERENTIATION,
    *indexing.RULES,
    *gradients.KEPT_RULES,
)
"""These and the rules that would be in the way of layout or of differentiation."""


@register("simplify")
@dataclass(frozen=True)
class Simplify(Rewrite):
    """x * 1 -> x and some hundred more identities, see `passes/rules`."""

    rules: tuple[Rule, ...] = RULES
