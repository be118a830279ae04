"""Cross entropies as the front end writes them become one op on the logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kgraph.compiler import specialise
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Value
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.keras import backend as K
from kgraph.keras.tensor import Tensor
from kgraph.ops.activations import sigmoid, softmax
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import clip, log, mul
from kgraph.ops.reduce import reduce_mean, reduce_sum
from kgraph.passes.autodiff import gradients
from kgraph.passes.fusion import FuseLosses
from kgraph.passes.rewrite import f32
from tests.passes.show import after, function, lines

B = symbol("batch")
LABELS = TensorType("int32", (B,))


def keras(loss: Callable[..., Tensor], t: Value, y: Value) -> Value:
    value = loss(Tensor(t), Tensor(y)).value
    assert isinstance(value, Value)
    return value


CASES = {
    "categorical": (
        lambda x, t: reduce_mean(keras(K.categorical_crossentropy, t, softmax(x))),
        {"x": f32(B, 3), "t": f32(B, 3)},
        "softmax_cross_entropy(axis=1, normalized=False) x, t",
    ),
    "of sequences": (
        lambda x, t: reduce_mean(keras(K.categorical_crossentropy, t, reshape(softmax(x), (B, 5, 3)))),
        {"x": f32(B * 5, 3), "t": f32(B, 5, 3)},
        "softmax_cross_entropy(axis=2, normalized=False) %0, t",
    ),
    "sparse": (
        lambda x, t: reduce_mean(keras(K.sparse_categorical_crossentropy, t, softmax(x))),
        {"x": f32(B, 3), "t": LABELS},
        "sparse_softmax_cross_entropy(axis=1) x, t",
    ),
    "binary": (
        lambda x, t: reduce_mean(keras(K.binary_crossentropy, t, sigmoid(x))),
        {"x": f32(B, 3), "t": f32(B, 3)},
        "sigmoid_cross_entropy x, t",
    ),
}


def logits_and_targets(name: str) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (20, 3) if name == "of sequences" else (4, 3)
    targets = {
        "sparse": np.array([0, 2, 1, 0], "int32"),
        "of sequences": rng.random((4, 5, 3), "float32"),
    }
    return [rng.normal(size=shape).astype("float32"), targets.get(name, rng.random((4, 3), "float32"))]


@pytest.mark.parametrize("name", CASES)
def test_a_loss_of_probabilities_is_computed_from_the_logits(name: str) -> None:
    build, operands, expected = CASES[name]
    given = function(build, **operands)
    forward = specialise(given, training=True)
    assert any(line.endswith(f"= {expected}") for line in lines(forward)), lines(forward)
    assert not any("clip" in line or "log " in line for line in lines(forward))


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_stay(name: str) -> None:
    build, operands, _ = CASES[name]
    given = function(build, **operands)
    results = []
    for forward in (given, specialise(given, training=True)):
        loss = forward.outputs["y"]
        outputs = {"loss": loss, "dx": gradients(loss, forward.inputs[:1])[0]}
        results.append(run(Function("f", forward.inputs, outputs), logits_and_targets(name))[0])
    np.testing.assert_allclose(results[1]["loss"], results[0]["loss"], rtol=2e-6)
    np.testing.assert_allclose(results[1]["dx"], results[0]["dx"], rtol=1e-4, atol=1e-7)


def test_the_gradient_shares_the_probabilities_that_the_model_returns() -> None:
    def build(x: Value, t: Value) -> tuple[Value, Value]:
        p = softmax(x)
        return reduce_mean(keras(K.categorical_crossentropy, t, p)), p

    forward = specialise(function(build, x=f32(B, 3), t=f32(B, 3)), training=True)
    assert sum("= softmax(" in line for line in lines(forward)) == 1


def test_bounds_that_are_meant_as_such_stay() -> None:
    def build(x: Value, t: Value) -> Value:
        return reduce_sum(mul(t, log(clip(softmax(x), 0.1, 0.9))), 1)

    assert "clip" in " ".join(after(build, FuseLosses(), x=f32(B, 3), t=f32(B, 3)))


def test_sums_along_another_axis_are_not_a_cross_entropy() -> None:
    def build(x: Value, t: Value) -> Value:
        return reduce_sum(mul(t, log(clip(softmax(x, 0), 1e-7, 1.0))), 1)

    assert "clip" in " ".join(after(build, FuseLosses(), x=f32(4, 3), t=f32(4, 3)))
