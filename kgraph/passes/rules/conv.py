"""Convolutions and pools: what can be done on fewer elements, or without a copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from kgraph.ir.dims import Dim
from kgraph.ir.graph import Value
from kgraph.ops.activations import Sigmoid, Tanh, relu
from kgraph.ops.base import Unary
from kgraph.ops.conv import Conv
from kgraph.ops.pool import MaxPool
from kgraph.ops.shape import Pad, Transpose
from kgraph.passes.facts import is_non_negative
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32

_Padded = TypeVar("_Padded", Conv, MaxPool)
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
        return _padded(conv, pad.pads[2:])(m.x, m.w)


class ConvOfPadBefore(Rule):
    """conv(transpose(pad(x)), w) -> conv(transpose(x), w) with the pads, for zeros around the pixels"""

    operands = examples(x=f32(2, 4, 5, 3), w=f32(4, 3, 3, 3))

    def pattern(self, x: Value, w: Value) -> Value:
        padded = Pad(((0, 0), (1, 1), (0, 1), (0, 0)))(x)
        return Conv(ONE, NONE, ONE)(Transpose((0, 3, 1, 2))(padded), w)

    def replace(self, m: Match) -> Value | Declined:
        pad, order = m.op(Pad), m.op(Transpose)
        pads = [pad.pads[axis] for axis in order.perm]
        if pad.value != 0 or tuple(pads[:2]) != NONE:
            return Declined("not zeros, or not around the pixels")
        return _padded(m.op(Conv), pads[2:])(order(m.x), m.w)


class MaxPoolOfPad(Rule):
    """max_pool(pad(x)) -> max_pool(x) with the pads, for zeros around pixels that are not below zero

    Every window sees a pixel, so it does not matter whether the pads are zero or less.
    """

    operands = examples(x=f32(2, 3, 4, 6))

    def pattern(self, x: Value) -> Value:
        return MaxPool(TWO, TWO, NONE)(Pad((*NONE, (1, 1), (0, 0)))(relu(x)))

    def replace(self, m: Match) -> Value | Declined:
        pad, pool = m.op(Pad), m.op(MaxPool)
        (x,) = m.call(Pad).inputs
        if pad.value != 0 or pad.pads[:2] != NONE or not is_non_negative(x):
            return Declined("not zeros around pixels that are not below zero")
        made = _padded(pool, pad.pads[2:])
        if any(
            not isinstance(amount, int) or not 0 <= amount < size
            for pair, size in zip(made.pads, pool.window, strict=True)
            for amount in pair
        ):
            return Declined("some windows may see pads alone")
        return made(x)


def _padded(op: _Padded, pads: Sequence[tuple[Dim, Dim]]) -> _Padded:
    """The op with more around the pixels."""
    pairs = zip(pads, op.pads, strict=True)
    return replace(op, pads=tuple((a + before, b + after) for (a, b), (before, after) in pairs))


RULES: tuple[Rule, ...] = (
    *(MaxPoolOfActivation(activation) for activation in (Sigmoid, Tanh)),
    ConvOfPad(),
    ConvOfPadBefore(),
    MaxPoolOfPad(),
)
