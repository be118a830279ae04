"""Fusion: several ops become one that does their work in fewer passes over memory."""

from __future__ import annotations

from dataclasses import dataclass

from kgraph.passes.base import register
from kgraph.passes.rewrite import Rewrite, Rule
from kgraph.passes.rules import losses


@register("fuse_losses")
@dataclass(frozen=True)
class FuseLosses(Rewrite):
    """log of softmax or sigmoid, in a cross entropy -> one op on the logits, before differentiation."""

    rules: tuple[Rule, ...] = losses.RULES
