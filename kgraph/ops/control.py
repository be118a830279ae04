"""Ops that steer the compiler: phase, gradients, identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Sample, op
from kgraph.ir.types import Array, TensorType, broadcast_shapes
from kgraph.ops.base import Binary, Unary, as_value, same_dtype
from kgraph.ops.broadcast import unbroadcast
from kgraph.ops.samples import floats


@dataclass(frozen=True, eq=False)
class Gate:
    """Something that training can be closed to, such as a layer that can be frozen; compared by identity."""

    name: str


@op("in_train_phase")
class InTrainPhase(Binary):
    """train, infer -> the first in training, the second otherwise, and in training too where the `gate` is closed.

    A pass picks one when phase and closed gates are known, so no backend sees it. Evaluated as it stands it is
    inference.
    """

    gate: Gate | None = None

    def infer(self, train: TensorType, infer: TensorType) -> TensorType:
        return TensorType(same_dtype(train, infer), broadcast_shapes(train.shape, infer.shape))

    def evaluate(self, train: Array, infer: Array) -> Array:
        return infer

    def vjp(self, call: Call, dy: Value) -> Gradients:
        zero = as_value(0.0, dy.dtype)
        train, infer = call.inputs
        return (
            unbroadcast(InTrainPhase(self.gate)(dy, zero), train),
            unbroadcast(InTrainPhase(self.gate)(zero, dy), infer),
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


def in_train_phase(train: Value, infer: Value, gate: Gate | None = None) -> Value:
    return train if train is infer else InTrainPhase(gate)(train, infer)


def stop_gradient(x: Value) -> Value:
    return StopGradient()(x)
