"""The text of functions, to the letter: dumps, tests and people read it."""

from __future__ import annotations

import numpy as np

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Constant, Function, Input, Variable, scope
from kgraph.ir.printer import format_function
from kgraph.ir.types import TensorType
from kgraph.ops.elementwise import add, mul, neg, sub
from kgraph.ops.linalg import matmul
from kgraph.ops.reduce import TopK, reduce_sum
from kgraph.ops.scan import scan

BATCH = symbol("batch")
X = Input("x", TensorType("float32", (BATCH, 4)))


def test_a_training_step() -> None:
    kernel = Variable("dense/kernel", np.zeros((4, 2), "float32"))
    with scope("dense"):
        y = matmul(X, kernel)
    loss = reduce_sum(mul(y, 0.5))
    text = format_function(Function("train", (X,), {"loss": loss}, {kernel: sub(kernel, 1.0)}))
    assert text == "\n".join(
        [
            "function train(x: float32[batch, 4]) {",
            "  @dense/kernel: float32[4, 2] weight",
            "  %0 = matmul(transpose_a=False, transpose_b=False) x, @dense/kernel : float32[batch, 2]".ljust(
                88
            )
            + " # dense",
            "  %1 = mul %0, 0.5:float32[] : float32[batch, 2]",
            "  %2 = reduce_sum(axes=(0, 1), keepdims=False) %1 : float32[]",
            "  %3 = sub @dense/kernel, 1.0:float32[] : float32[4, 2]",
            "  return loss=%2",
            "  update @dense/kernel = %3",
            "}",
        ]
    )


def test_leaves_that_share_a_name_are_told_apart() -> None:
    a, b = (Variable("w", np.zeros(4, "float32")) for _ in range(2))
    text = format_function(Function("f", (X,), {"y": add(add(X, a), b)}))
    assert "add x, @w :" in text
    assert ", @w.1 :" in text


def test_results_of_one_call_are_listed_together() -> None:
    values, places = TopK(2).apply(X)
    text = format_function(Function("f", (X,), {"v": values, "p": places}))
    assert "  %0, %1 = top_k(k=2) x : float32[batch, 2], int64[batch, 2]" in text
    assert "  return v=%0, p=%1" in text


def test_constants_are_shown_as_far_as_they_are_short() -> None:
    small, large = Constant(np.array([1.0, 2.0, 3.0, 4.0], "float32")), Constant(np.zeros(100, "float32"))
    text = format_function(Function("f", (), {"y": neg(small), "z": neg(large)}))
    assert "neg [1., 2., 3., 4.]:float32[4]" in text
    assert "neg dense<...>:float32[100]" in text


def test_functions_inside_of_ops_follow() -> None:
    start = Input("h", TensorType("float32", (4,)))
    last, _ = scan(lambda c, s: ([add(c[0], s[0])], []), [start], [X], name="total")
    text = format_function(Function("f", (start, X), {"y": last[0]}))
    assert "scan(body=@total" in text
    assert "\nfunction total(" in text
