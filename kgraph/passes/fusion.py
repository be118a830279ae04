"""Fusion: several ops become one that does their work in fewer passes over memory."""

from __future__ import annotations

from dataclasses import dataclass

from kgraph.passes.base import register
from kgraph.passes.rewrite import Rewrite, Rule
from kgraph.passes.rules import fused, gradients, inference, losses


@register("fuse_losses")
@dataclass(frozen=True)
class FuseLosses(Rewrite):
    """log of softmax or sigmoid, in a cross entropy -> one op on the logits, before differentiation."""

    rules: tuple[Rule, ...] = losses.RULES


@register("gate_gradients")
@dataclass(frozen=True)
class GateGradients(Rewrite):
    """Gates and sums of gradients work on the tensor before a pooling spreads it, which is smaller."""

    rules: tuple[Rule, ...] = gradients.RULES


@register("fold_batch_norm")
@dataclass(frozen=True)
class FoldBatchNorm(Rewrite):
    """batch_norm(conv(x, w)) -> conv(x, scaled w) + shift, where the statistics are given."""

    rules: tuple[Rule, ...] = inference.BATCH_NORM


@register("rearrange_weights")
@dataclass(frozen=True)
class RearrangeWeights(Rewrite):
    """Transposes of activations become transposes of weights, in functions whose weights rest."""

    rules: tuple[Rule, ...] = inference.FROZEN


@register("fuse_products")
@dataclass(frozen=True)
class FuseProducts(Rewrite):
    """Products and convolutions take the scale and the bias that follow with them."""

    rules: tuple[Rule, ...] = fused.RULES
