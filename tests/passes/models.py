"""Training steps written in ops, as the front end would build them: what tests of whole pipelines run on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Value, Variable, scope
from kgraph.ir.types import TensorType
from kgraph.ops.activations import relu, softmax
from kgraph.ops.elementwise import add, clip, div, log, mul, neg, sqrt, square, sub
from kgraph.ops.linalg import matmul
from kgraph.ops.reduce import reduce_mean, reduce_sum
from kgraph.passes.autodiff import gradients

BATCH = symbol("batch")


def dense(x: Value, units: int, name: str, weights: list[Variable]) -> Value:
    """x @ kernel + bias; the new variables are added to `weights`."""
    rng = np.random.default_rng(len(weights))
    kernel = Variable(f"{name}/kernel", rng.normal(size=(x.shape[-1], units), scale=0.1), dtype="float32")
    bias = Variable(f"{name}/bias", np.zeros(units), dtype="float32")
    weights += [kernel, bias]
    with scope(name):
        return add(matmul(x, kernel), bias)


def crossentropy(targets: Value, probabilities: Value) -> Value:
    """Keras's categorical cross-entropy of probabilities, one value per row."""
    scaled = div(probabilities, reduce_sum(probabilities, -1, keepdims=True))
    return neg(reduce_sum(mul(targets, log(clip(scaled, 1e-7, 1.0 - 1e-7))), -1))


def rmsprop(loss: Value, weights: Sequence[Variable]) -> dict[Variable, Value]:
    """a' = 0.9 a + 0.1 g^2, w' = w - lr g / (sqrt(a') + 1e-7)."""
    rate = Variable("rate", 1e-3, dtype="float32", role="optimizer")
    updates: dict[Variable, Value] = {}
    for weight, gradient in zip(weights, gradients(loss, weights), strict=True):
        slot = Variable(
            f"{weight.name}/a", np.zeros(weight.type.static_shape), dtype="float32", role="optimizer"
        )
        updates[slot] = add(mul(slot, 0.9), mul(square(gradient), 1.0 - 0.9))
        step = div(mul(gradient, rate), add(sqrt(updates[slot]), 1e-7))
        updates[weight] = sub(weight, step)
    return updates


def mlp(hidden: Sequence[int] = (512, 512), inputs: int = 784, classes: int = 10) -> Function:
    """The forward part of a classifier: its mean loss."""
    x = Input("x", TensorType("float32", (BATCH, inputs)))
    t = Input("t", TensorType("float32", (BATCH, classes)))
    weights: list[Variable] = []
    y: Value = x
    for number, units in enumerate(hidden):
        y = relu(dense(y, units, f"dense_{number}", weights))
    y = softmax(dense(y, classes, "out", weights))
    return Function("train", (x, t), {"loss": reduce_mean(crossentropy(t, y))})


def train_step(forward: Function) -> Function:
    """A forward function with RMSprop on all of its weights."""
    loss = forward.outputs["loss"]
    weights = [v for v in forward.variables() if v.role == "weight"]
    return Function("train", forward.inputs, {"loss": loss}, rmsprop(loss, weights))
