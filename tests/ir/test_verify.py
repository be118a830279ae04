"""What is not a well-formed function is refused, and the message says which part and why."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.errors import GraphError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Call, Function, Input, Variable, scope
from kgraph.ir.types import TensorType
from kgraph.ir.verify import compatible, verify
from kgraph.ops.elementwise import Neg, add, neg

BATCH = symbol("batch")
X = Input("x", TensorType("float32", (BATCH, 4)))


def test_a_disconnected_input_is_named_with_the_layer_that_uses_it() -> None:
    stray = Input("stray", X.type)
    with scope("model/add"):
        y = add(X, stray)
    with pytest.raises(GraphError, match="disconnected: input 'stray'") as caught:
        verify(Function("f", (X,), {"y": y}))
    assert "expected: x" in str(caught.value)
    assert "f: model/add" in str(caught.value)


def test_an_output_that_is_a_stray_input_is_disconnected_too() -> None:
    with pytest.raises(GraphError, match="f: outputs"):
        verify(Function("f", (), {"y": X}))


def test_inputs_have_names_of_their_own() -> None:
    with pytest.raises(GraphError, match="share a name"):
        verify(Function("f", (X, Input("x", X.type)), {"y": neg(X)}))


def test_a_stored_type_is_the_inferred_one() -> None:
    (wrong,) = Call(Neg(), (X,), (TensorType("float32", (4, BATCH)),), "layer").results
    with pytest.raises(GraphError, match="wrong result type") as caught:
        verify(Function("f", (X,), {"y": wrong}))
    for part in ("float32[batch, 4]", "float32[4, batch]", "f: layer"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "new", [TensorType("float64", (4,)), TensorType("float32", (3,)), TensorType("float32", (4, 1))]
)
def test_an_update_fits_its_variable(new: TensorType) -> None:
    variable = Variable("v", np.zeros(4, "float32"))
    with pytest.raises(GraphError, match="update of v does not fit"):
        verify(
            Function("f", (), {}, {variable: Variable("new", np.zeros(new.static_shape), dtype=new.dtype)})
        )


def test_symbols_fit_whatever_the_run_may_bring() -> None:
    assert compatible(TensorType("float32", (BATCH,)), TensorType("float32", (3,)))
    assert not compatible(TensorType("float32", (2,)), TensorType("float32", (3,)))


def test_a_function_without_calls_is_fine() -> None:
    verify(Function("f", (X,), {"y": X}))
    verify(Function("f", (), {}))
