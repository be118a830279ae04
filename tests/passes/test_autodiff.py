"""Differentiation of whole graphs; the gradients of single ops are laws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kgraph.errors import GraphError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Constant, Function, Input, Result, Value, Variable, scope
from kgraph.ir.interpret import run
from kgraph.ir.types import Array, TensorType
from kgraph.ops.activations import softmax
from kgraph.ops.control import stop_gradient
from kgraph.ops.elementwise import add, exp, mul, square
from kgraph.ops.loss import softmax_cross_entropy, sparse_softmax_cross_entropy
from kgraph.ops.pullback import pullback
from kgraph.ops.reduce import TopK, reduce_mean, reduce_sum
from kgraph.ops.shape import slice_axis
from kgraph.passes.autodiff import gradients
from kgraph.passes.cse import ShareEqualCalls

X = Input("x", TensorType("float64", (3,)))


def values(outputs: dict[str, Value], *arrays: Array, leaves: tuple[Input, ...] = (X,)) -> dict[str, Array]:
    return run(Function("f", leaves, outputs), list(arrays))[0]


def test_uses_add_up() -> None:
    (dx,) = gradients(reduce_sum(add(mul(X, X), mul(X, 3.0))), [X])
    made = values({"dx": dx}, np.array([1.0, 2.0, -1.0]))
    assert made["dx"].tolist() == [5, 7, 1]


def test_gradients_can_be_differentiated_again_and_again() -> None:
    loss = reduce_sum(mul(mul(X, X), mul(X, X)))  # x^4: 4 x^3, 12 x^2, 24 x, 24, 0
    at = np.array([1.0, 2.0, -1.0])
    for expected in (4 * at**3, 12 * at**2, 24 * at, 24 + 0 * at, 0 * at):
        (slope,) = gradients(loss, [X])
        np.testing.assert_allclose(values({"s": slope}, at)["s"], expected, rtol=1e-12)
        loss = reduce_sum(slope)


def test_what_the_loss_does_not_depend_on_gets_zeros_of_its_type() -> None:
    unused = Variable("unused", np.ones((2, 5)), dtype="float32")
    behind = Variable("behind", np.ones(3))
    (a, b) = gradients(reduce_sum(mul(X, stop_gradient(behind))), [unused, behind])
    assert (a.type, b.type) == (unused.type, behind.type)
    made = values({"a": a, "b": b}, np.ones(3))
    assert not made["a"].any()
    assert not made["b"].any()


def test_an_intermediate_value_has_a_gradient_too() -> None:
    hidden = mul(X, 2.0)
    loss = reduce_sum(square(hidden))
    dh, dx = gradients(loss, [hidden, X])
    made = values({"dh": dh, "dx": dx}, np.array([1.0, 2.0, 3.0]))
    assert made["dh"].tolist() == [4, 8, 12]
    assert made["dx"].tolist() == [8, 16, 24]


def test_the_loss_itself_has_gradient_one() -> None:
    loss = reduce_sum(X)
    (one,) = gradients(loss, [loss])
    assert values({"one": one}, np.ones(3))["one"] == 1


def test_unused_results_of_a_call_send_nothing_back() -> None:
    large, _ = TopK(1).apply(Input("v", TensorType("float64", (4,))))
    with pytest.raises(GraphError, match="top_k has no gradient"):
        gradients(reduce_sum(large), [large.call.inputs[0]])  # type: ignore[attr-defined]  # a Result
    piece = slice_axis(X, 0, 0, 1)
    assert pullback([piece], [None], [X]) == [None]


@pytest.mark.parametrize(
    "loss",
    [X, Input("n", TensorType("int32", ())), reduce_sum(X, keepdims=True)],
    ids=["vector", "integer", "one element"],
)
def test_only_a_floating_point_scalar_is_a_loss(loss: Value) -> None:
    with pytest.raises(GraphError, match="floating-point scalar"):
        gradients(loss, [X])


def test_symbolic_sizes_keep_their_types() -> None:
    x = Input("x", TensorType("float32", (symbol("batch"), 4)))
    (dx,) = gradients(reduce_mean(square(x)), [x])
    assert dx.type == x.type
    made = values({"dx": dx}, np.ones((5, 4), "float32"), leaves=(x,))
    np.testing.assert_allclose(made["dx"], 2 / 20, rtol=1e-6)


def test_the_walk_does_not_go_behind_a_stop() -> None:
    hidden = exp(X)
    y = mul(hidden, X)
    (dx,) = pullback([y], [Constant(np.ones(3))], [X], stop=[hidden])
    assert dx is hidden or isinstance(dx, Result)
    assert dx is not None
    at = np.array([0.0, 1.0, 2.0])
    np.testing.assert_allclose(values({"dx": dx}, at)["dx"], np.exp(at))


def test_gradients_carry_the_layer_they_belong_to() -> None:
    with scope("model/dense"):
        y = square(X)
    (dx,) = gradients(reduce_sum(y), [X])
    where = {call.where for call in Function("f", (X,), {"dx": dx}).calls()}
    assert "model/dense/gradient" in where


def test_a_chain_of_ten_thousand_calls_is_differentiated() -> None:
    value: Value = X
    for _ in range(10_000):
        value = mul(value, 1.0)
    (dx,) = gradients(reduce_sum(value), [X])
    assert values({"dx": dx}, np.ones(3))["dx"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("sparse", [False, True])
def test_cross_entropy_shares_the_softmax_of_the_model(sparse: bool) -> None:
    """The gradient adds a subtraction, not another softmax."""
    logits = Input("logits", TensorType("float32", (4, 7)))
    if sparse:
        targets = Input("t", TensorType("int32", (4,)))
        losses = sparse_softmax_cross_entropy(logits, targets)
    else:
        targets = Input("t", TensorType("float32", (4, 7)))
        losses = softmax_cross_entropy(logits, targets, normalized=True)
    (dx,) = gradients(reduce_mean(losses), [logits])
    function = Function("f", (logits, targets), {"p": softmax(logits), "dx": dx})
    shared = ShareEqualCalls()(function, Counter())
    assert [call.op.name for call in shared.calls()].count("softmax") == 1
