"""Cross entropies from logits, each one op: stable forward, and a gradient that shares the model's softmax or sigmoid.

The gradients are written with `Softmax` and `Sigmoid` of the logits. A model that also returns its probabilities has
made these already, so sharing equal calls makes the backward pass of the loss a subtraction.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ops.activations import log_softmax, sigmoid, softmax, softplus
from kgraph.ops.broadcast import ReduceSum, unbroadcast
from kgraph.ops.elementwise import mul, neg, sub
from kgraph.ops.indexing import AddAlongAxis, as_positions, take_one
from kgraph.ops.samples import floats, integers
from kgraph.ops.shape import expand_dims


@op("softmax_cross_entropy")
class SoftmaxCrossEntropy(Op):
    """logits x [.., n, ..], targets t of that shape -> -sum(t log softmax(x)) along `axis`, which disappears.

    dx = dy (softmax(x) sum(t) - t). With `normalized` the targets are known to sum to 1, which saves that sum.
    """

    axis: int = -1
    normalized: bool = False

    def decompose(self, logits: Value, targets: Value) -> Value:
        return neg(ReduceSum((self.axis,), False)(mul(targets, log_softmax(logits, self.axis))))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        logits, targets = call.inputs
        dy = expand_dims(dy, self.axis)
        predicted = softmax(logits, self.axis)
        if not self.normalized:
            predicted = mul(predicted, ReduceSum((self.axis,), True)(targets))
        return mul(dy, sub(predicted, targets)), neg(mul(dy, log_softmax(logits, self.axis)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(3, 4), floats(3, 4, low=0.0)))
        yield Sample(cls(1), (floats(2, 3, 4), floats(2, 3, 4, low=0.0)))
        rows = floats(3, 4, low=0.1, high=1.0)
        yield Sample(cls(-1, True), (floats(3, 4), rows / rows.sum(1, keepdims=True)), smooth=(0,))


@op("sparse_softmax_cross_entropy")
class SparseSoftmaxCrossEntropy(Op):
    """logits x [.., n, ..], labels int [..] in [0, n) -> -log softmax(x)[label] along `axis`, which disappears.

    dx = dy (softmax(x) - 1 at the label). No one-hot targets are made: with many classes they would cost most.
    """

    axis: int = -1

    def decompose(self, logits: Value, labels: Value) -> Value:
        return neg(take_one(log_softmax(logits, self.axis), labels, self.axis))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        logits, labels = call.inputs
        dy = expand_dims(dy, self.axis)
        predicted = mul(softmax(logits, self.axis), dy)
        return AddAlongAxis(self.axis)(predicted, as_positions(labels, self.axis), neg(dy)), None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(5, 4), integers(5, high=4)))
        yield Sample(cls(1), (floats(2, 3, 4), integers(2, 4, high=3, dtype="uint8")))


@op("sigmoid_cross_entropy")
class SigmoidCrossEntropy(Op):
    """logits x, targets t in [0, 1] -> -(t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))), element by element.

    Computed as softplus(x) - t x, which neither overflows nor takes log(0). dx = dy (sigmoid(x) - t). x and t
    broadcast.
    """

    def decompose(self, logits: Value, targets: Value) -> Value:
        return sub(softplus(logits), mul(targets, logits))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        logits, targets = call.inputs
        dx = mul(dy, sub(sigmoid(logits), targets))
        return unbroadcast(dx, logits), unbroadcast(neg(mul(dy, logits)), targets)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(3, 4), floats(3, 4, low=0.0, high=1.0)))
        yield Sample(cls(), (floats(3, 4), floats(3, 1, low=0.0, high=1.0)))
        yield Sample(cls(), (np.array([-90, -90, 90, 90], "float32"), np.array([0, 1, 0, 1], "float32")))


def softmax_cross_entropy(logits: Value, targets: Value, axis: int = -1, normalized: bool = False) -> Value:
    return SoftmaxCrossEntropy(axis, normalized)(logits, targets)


def sparse_softmax_cross_entropy(logits: Value, labels: Value, axis: int = -1) -> Value:
    return SparseSoftmaxCrossEntropy(axis)(logits, labels)


def sigmoid_cross_entropy(logits: Value, targets: Value) -> Value:
    return SigmoidCrossEntropy()(logits, targets)
