"""Ops that steer the compiler: phase, gradients, identity."""

from __future__ import annotations

from collections.abc import Iterable

from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Sample, op
from kgraph.ir.types import Array, TensorType, broadcast_shapes
from kgraph.ops.base import Binary, Unary, as_value, same_dtype
from kgraph.ops.broadcast import unbroadcast
from kgraph.ops.samples import floats


@op("in_train_phase")
class InTrainPhase(Binary):
    """train, infer -> the first in training, the second otherwise.

    A pass picks one when the phase is known, so no backend sees it. Evaluated as it stands it is inference.
    """

    def infer(self, train: TensorType, infer: TensorType) -> TensorType:
        return TensorType(same_dtype(train, infer), broadcast_shapes(train.shape, infer.shape))

    def evaluate(self, train: Array, infer: Array) -> Array:
        return infer

    def vjp(self, call: Call, dy: Value) -> Gradients:
        zero = as_value(0.0, dy.dtype)
        train, infer = call.inputs
        return (
            unbroadcast(InTrainPhase()(dy, zero), train),
            unbroadcast(InTrainPhase()(zero, dy), infer),
        )


@op("stop_gradient")
class StopGradient(Unary):
    """x, with gradient zero."""

    def evaluate(self, x: Array) -> Array:
        return x

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),), smooth=())


def in_train_phase(train: Value, infer: Value) -> Value:
    return train if train is infer else InTrainPhase()(train, infer)


def stop_gradient(x: Value) -> Value:
    return StopGradient()(x)
