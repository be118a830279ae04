"""Cross entropies of probabilities that come from softmax or sigmoid become one op on the logits.

Keras's losses take probabilities, keep them within [epsilon, 1 - epsilon] and take logarithms. On logits that is fewer
passes, keeps its precision where a probability is near 0 or 1, and has the gradient p - t. The right sides differ
from the left only where a probability is outside of [epsilon, 1 - epsilon]: there the left sides are flat, with a
gradient of zero, and these are not.
"""

from __future__ import annotations

from kgraph.ir.graph import Input, Value, constant
from kgraph.ops.activations import (
    LogSoftmax,
    Softmax,
    log_softmax,
    sigmoid,
    softmax,
    softplus,
)
from kgraph.ops.broadcast import ReduceSum
from kgraph.ops.elementwise import add, clip, div, log, mul, neg, sub
from kgraph.ops.indexing import TakeAlongAxis
from kgraph.ops.loss import (
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from kgraph.ops.reduce import ArgMax
from kgraph.ops.shape import expand_dims, squeeze
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32

LOW, HIGH = constant(1e-7, "float32"), constant(1.0 - 1e-7, "float32")
LABELS = expand_dims(ArgMax(1)(Input("scores", f32(4, 3))), 1)
WIDEST_MARGIN = 1e-3
"""Bounds further inside than this are taken to be meant as such."""


def _axes(m: Match) -> set[int]:
    """Every axis that a softmax or a sum in the match runs along."""
    axes = set()
    for call in m.calls:
        rank = call.inputs[0].rank if call.inputs else 0
        if isinstance(call.op, Softmax | LogSoftmax | TakeAlongAxis):
            axes.add(call.op.axis % rank)
        elif isinstance(call.op, ReduceSum):
            axes |= {axis % rank for axis in call.op.axes}
    return axes


def _is_margin(m: Match) -> bool:
    """Whether the bounds do no more than keep logarithms finite."""
    low, high = m.array("low"), m.array("high")
    return bool(0 <= low.item() <= WIDEST_MARGIN and 1 - WIDEST_MARGIN <= high.item() <= 1)


def _clipped_log(probabilities: Value, axis: int, low: Value, high: Value, renormalized: bool) -> Value:
    """The logarithm that Keras takes: of probabilities, made to sum to 1 first or not, within bounds."""
    if renormalized:
        probabilities = div(probabilities, ReduceSum((axis,), True)(probabilities))
    return log(clip(probabilities, low, high))


class _OnLogits(Rule):
    domain = (-3.0, 3.0)

    def __init__(self, renormalized: bool) -> None:
        self.renormalized = renormalized

    @property
    def name(self) -> str:
        return f"{type(self).__name__}{'Renormalized' if self.renormalized else ''}"


class CategoricalCrossEntropy(_OnLogits):
    """sum(t log(clip(softmax(x)))) -> -softmax_cross_entropy(x, t)"""

    operands = examples(x=f32(4, 3), t=f32(4, 3), low=LOW, high=HIGH)

    def pattern(self, x: Value, t: Value, low: Value, high: Value) -> Value:
        return ReduceSum((1,), False)(mul(t, _clipped_log(softmax(x), 1, low, high, self.renormalized)))

    def replace(self, m: Match) -> Value | Declined:
        axes, total = _axes(m), m.op(ReduceSum)
        if len(axes) != 1:
            return Declined("the sums and the softmax are along different axes")
        if not _is_margin(m) or m.t.shape != m.x.shape:
            return Declined("the bounds are meant as such, or the targets are broadcast")
        (axis,) = axes
        made = neg(softmax_cross_entropy(m.x, m.t, axis))
        return expand_dims(made, axis) if total.keepdims else made


class SparseCrossEntropy(_OnLogits):
    """take(log(clip(softmax(x))), labels) -> -sparse_softmax_cross_entropy(x, labels)"""

    operands = examples(x=f32(4, 3), labels=LABELS, low=LOW, high=HIGH)

    def pattern(self, x: Value, labels: Value, low: Value, high: Value) -> Value:
        return TakeAlongAxis(1)(_clipped_log(softmax(x), 1, low, high, self.renormalized), labels)

    def replace(self, m: Match) -> Value | Declined:
        axes = _axes(m)
        if len(axes) != 1:
            return Declined("the softmax is along another axis")
        (axis,) = axes
        if not _is_margin(m) or m.labels.shape[axis] != 1:
            return Declined("the bounds are meant as such, or several elements of a row are taken")
        return expand_dims(neg(sparse_softmax_cross_entropy(m.x, squeeze(m.labels, axis), axis)), axis)


class BinaryCrossEntropy(Rule):
    """t log(p) + (1 - t) log(1 - p) -> -sigmoid_cross_entropy(x, t), where p = clip(sigmoid(x))"""

    operands = examples(x=f32(4, 3), t=f32(4, 3), low=LOW, high=HIGH)
    domain = (-3.0, 3.0)

    def pattern(self, x: Value, t: Value, low: Value, high: Value) -> Value:
        p = clip(sigmoid(x), low, high)
        return add(mul(t, log(p)), mul(sub(1.0, t), log(sub(1.0, p))))

    def replace(self, m: Match) -> Value | Declined:
        if not _is_margin(m):
            return Declined("the bounds are meant as such")
        return neg(sigmoid_cross_entropy(m.x, m.t))


class LogOfSoftmax(Rule):
    """log(softmax(x)) -> log_softmax(x), which differs only where a probability underflows"""

    operands = examples(x=f32(4, 3))
    domain = (-40.0, 40.0)

    def pattern(self, x: Value) -> Value:
        return log(softmax(x, 1))

    def replace(self, m: Match) -> Value:
        return log_softmax(m.x, m.op(Softmax).axis)


class LogOfSigmoid(Rule):
    """log(sigmoid(x)) -> -softplus(-x), which differs only where the sigmoid underflows"""

    operands = examples(x=f32(4, 3))
    domain = (-80.0, 15.0)

    def pattern(self, x: Value) -> Value:
        return log(sigmoid(x))

    def replace(self, m: Match) -> Value:
        return neg(softplus(neg(m.x)))


RULES = (
    CategoricalCrossEntropy(renormalized=True),
    CategoricalCrossEntropy(renormalized=False),
    SparseCrossEntropy(renormalized=True),
    SparseCrossEntropy(renormalized=False),
    BinaryCrossEntropy(),
    LogOfSoftmax(),
    LogOfSigmoid(),
)
