"""The interpreter: binding of symbols, state, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.errors import DataError, GraphError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Variable
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import broadcast_to, reshape
from kgraph.ops.elementwise import add, mul
from kgraph.ops.shape import DimValue

BATCH, TIME = symbol("batch"), symbol("time")
X = Input("x", TensorType("float32", (BATCH, TIME)))
Y = Input("y", TensorType("float32", (BATCH,)))


def test_symbols_are_bound_by_the_inputs() -> None:
    outputs = {"flat": reshape(X, (BATCH * TIME,)), "count": DimValue(BATCH * TIME, "int64")()}
    made, _ = run(Function("f", (X,), outputs), [np.ones((2, 3), "float32")])
    assert made["flat"].shape == (6,)
    assert made["count"] == 6


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ([np.zeros((2, 3), "float32")], "wrong number of inputs"),
        ([np.zeros((2, 3), "float64"), np.zeros(2, "float32")], "input 'x' does not fit"),
        ([np.zeros((2, 3, 1), "float32"), np.zeros(2, "float32")], "input 'x' does not fit"),
        ([np.zeros((2, 3), "float32"), np.zeros(4, "float32")], "input 'y' does not fit"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: list[np.ndarray], problem: str) -> None:
    function = Function("f", (X, Y), {"y": add(Y, 1.0)})
    with pytest.raises(DataError, match=problem):
        run(function, arrays)


def test_a_misfit_says_what_the_other_inputs_fixed() -> None:
    with pytest.raises(DataError, match="'batch': 2"):
        run(Function("f", (X, Y), {"y": Y}), [np.zeros((2, 3), "float32"), np.zeros(4, "float32")])


def test_nothing_is_written_back() -> None:
    count = Variable("count", np.zeros((), "float32"))
    function = Function("f", (), {"was": count}, {count: add(count, 1.0)})
    outputs, updates = run(function, [])
    assert outputs["was"] == 0
    assert updates[count] == 1
    assert count.storage.read() == 0


def test_state_overrides_what_is_stored() -> None:
    count = Variable("count", np.zeros((), "float32"))
    function = Function("f", (), {"y": mul(count, 2.0)})
    assert run(function, [], {count: np.asarray(4, "float32")})[0]["y"] == 8


def test_an_undeclared_leaf_is_reported() -> None:
    with pytest.raises(GraphError, match="does not declare"):
        run(Function("f", (), {"y": broadcast_to(Y, (2, BATCH))}), [])
