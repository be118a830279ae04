"""Convolutions and pools: what can be done on fewer elements, or without a copy."""

from __future__ import annotations

from dataclasses import replace

from kgraph.ir.graph import Value
from kgraph.ops.activations import Sigmoid, Tanh
from kgraph.ops.base import Unary
from kgraph.ops.conv import Conv
from kgraph.ops.pool import MaxPool
from kgraph.ops.shape import Pad
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32

ONE, TWO, NONE = (1, 1), (2, 2), ((0, 0), (0, 0))


class MaxPoolOfActivation(Rule):
    """max_pool(tanh(x)) -> tanh(max_pool(x)); the same for other activations that never fall

    The activation and its gradient then work on the few elements that are left. The gradients are the same: where an
    activation makes elements equal that were not, its slope is zero. (A ReLU costs nothing behind a convolution and is
    better left there.)
    """

    operands = examples(x=f32(2, 3, 4, 6))
    exclusive = True

    def __init__(self, activation: type[Unary]) -> None:
        self.activation = activation

    @property
    def name(self) -> str:
        return f"{type(self).__name__}{self.activation.__name__}"

    def pattern(self, x: Value) -> Value:
        return MaxPool(TWO, TWO, NONE)(self.activation()(x))

    def replace(self, m: Match) -> Value:
        return self.activation()(m.op(MaxPool)(m.x))


class ConvOfPad(Rule):
    """conv(pad(x), w) -> conv(x, w) with the pads, for zeros around the pixels"""

    operands = examples(x=f32(2, 3, 4, 5), w=f32(4, 3, 3, 3))

    def pattern(self, x: Value, w: Value) -> Value:
        return Conv(ONE, NONE, ONE)(Pad((*NONE, (1, 1), (0, 1)))(x), w)

    def replace(self, m: Match) -> Value | Declined:
        pad, conv = m.op(Pad), m.op(Conv)
        if pad.value != 0 or pad.pads[:2] != NONE:
            return Declined("not zeros, or not around the pixels")
        pairs = zip(pad.pads[2:], conv.pads, strict=True)
        pads = tuple((a + before, b + after) for (a, b), (before, after) in pairs)
        return replace(conv, pads=pads)(m.x, m.w)


RULES: tuple[Rule, ...] = (
    *(MaxPoolOfActivation(activation) for activation in (Sigmoid, Tanh)),
    ConvOfPad(),
)
