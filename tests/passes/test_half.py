"""Half precision: what float16 holds is float16, what it does not hold stays."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Constant, Function, Input, Value
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ir.verify import verify
from kgraph.ops.activations import Relu, Softmax
from kgraph.ops.elementwise import add, mul
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import Cast
from kgraph.ops.shape import Gather
from kgraph.passes.half import halve, measure
from kgraph.testing import random_function

X = Input("x", TensorType("float32", (symbol("batch"), 4)))
W = np.random.RandomState(0).randn(4, 4).astype("float32")


def function(y: Value) -> Function:
    return Function("f", (X,), {"y": y})


def dtypes(made: Function) -> dict[str, str]:
    return {call.op.name: call.results[0].dtype for call in made.calls()}


def largest_constant(made: Function) -> Constant:
    constants = [v for call in made.calls() for v in call.inputs if isinstance(v, Constant)]
    return max(constants, key=lambda c: c.array.size)


def test_weights_and_arithmetic_are_half_and_the_ends_are_not() -> None:
    made = halve(function(Relu()(matmul(X, Constant(W)))))
    verify(made)
    assert dtypes(made) == {"cast": "float32", "matmul": "float16", "relu": "float16"}
    assert largest_constant(made).dtype == "float16"
    assert made.inputs == (X,)
    assert made.outputs["y"].dtype == "float32"


def test_the_ends_are_half_when_asked_for() -> None:
    made = halve(function(Relu()(matmul(X, Constant(W)))), inputs=True, outputs=True)
    assert dtypes(made) == {"matmul": "float16", "relu": "float16"}
    assert made.inputs[0].dtype == made.outputs["y"].dtype == "float16"


def test_neighbours_share_their_casts() -> None:
    hidden = matmul(X, Constant(W))
    made = halve(function(matmul(add(Softmax(-1)(hidden), Softmax(-1)(mul(hidden, 2.0))), Constant(W))))
    assert dtypes(made)["softmax"] == "float32"
    casts = [call for call in made.calls() if isinstance(call.op, Cast)]
    assert len(casts) == 6  # of x, into and out of each softmax, and of the output


@pytest.mark.parametrize(
    "y",
    [
        pytest.param(matmul(X, Constant(W * 1e6)), id="a weight out of range"),
        pytest.param(add(X, 1e-8), id="an epsilon that would vanish"),
    ],
)
def test_constants_that_float16_cannot_hold_keep_their_call_wide(y: Value) -> None:
    made = halve(function(y))
    assert len(made.calls()) == 1
    assert made.outputs["y"].dtype == "float32"


def test_what_came_near_the_end_of_the_range_stays_wide() -> None:
    large = matmul(mul(X, 1000.0), Constant(W))
    plain = function(matmul(mul(large, 1e-3), Constant(W)))
    made = halve(plain, measure(plain, [[np.full((2, 4), 50, "float32")]]))
    kinds = [call.results[0].dtype for call in made.calls() if call.op.name == "matmul"]
    assert kinds == ["float32", "float16"]
    found, wanted = (run(f, [np.full((2, 4), 50, "float32")])[0]["y"] for f in (made, plain))
    np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-2 * np.abs(wanted).max())


def test_integers_kept_as_floats_stay_exact() -> None:
    table = Constant(np.arange(5000, dtype="float32").reshape(5000, 1))
    leaf = Input("ids", TensorType("float32", (symbol("batch"),)))
    made = halve(
        Function(
            "f", (leaf,), {"y": Cast("int32")(mul(leaf, 1.0)), "z": Gather(0)(table, Cast("int32")(leaf))}
        )
    )
    ids = np.array([2049, 4097], "float32")
    np.testing.assert_array_equal(run(made, [ids])[0]["z"].ravel(), np.float16(ids))


def test_doubles_are_left_alone() -> None:
    plain = random_function(3)
    assert [c.op.name for c in halve(plain).calls()] == [c.op.name for c in plain.calls()]
