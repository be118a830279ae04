"""The graph: provenance, walking, rebuilding, and what building refuses."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.errors import GraphError, ShapeError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import (
    Constant,
    Function,
    Input,
    Result,
    Value,
    Variable,
    constant,
    current_scope,
    exact_scope,
    scope,
    topological,
    transform,
)
from kgraph.ir.op import Op, op, registry
from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import Reshape
from kgraph.ops.elementwise import Add, Neg, add, mul, neg
from kgraph.ops.linalg import matmul
from kgraph.ops.loss import softmax_cross_entropy
from kgraph.ops.reduce import TopK

X = Input("x", TensorType("float32", (symbol("batch"), 4)))


def where_of(value: Value) -> str:
    assert isinstance(value, Result)
    return value.call.where


def test_calls_carry_the_scope_they_are_made_in() -> None:
    with scope("model"), scope("dense"):
        y = neg(X)
        with exact_scope("elsewhere"):
            z = neg(y)
    assert where_of(y) == "model/dense"
    assert where_of(z) == "elsewhere"
    assert current_scope() == ""


def test_a_scope_ends_with_its_block_even_when_it_raises() -> None:
    with pytest.raises(KeyError), scope("model"):
        raise KeyError
    assert current_scope() == ""


def test_walking_gives_each_call_once_operands_first() -> None:
    a = neg(X)
    b = add(a, a)
    c = mul(b, a)
    order = [value.call for value in (a, b, c) if isinstance(value, Result)]
    assert topological([c, b]) == order
    assert topological([c], stop=[b]) == [order[0], order[2]]
    assert topological([c], stop=[a, b]) == [order[2]]
    assert topological([X]) == []


def test_depth_is_no_limit() -> None:
    value: Value = X
    for _ in range(20_000):
        value = neg(value)
    function = Function("deep", (X,), {"y": value})
    assert len(function.calls()) == 20_000
    assert function.replace({X: mul(X, 2.0)}).calls()[1].op == Neg()


def test_a_rebuilt_function_is_the_same_object_when_nothing_changed() -> None:
    function = Function("f", (X,), {"y": add(neg(X), 1.0)})
    assert transform(function, lambda call, inputs: None) is function


def test_rebuilding_replaces_and_keeps_provenance() -> None:
    with scope("layer"):
        y = add(neg(X), 1.0)
    function = Function("f", (X,), {"y": y, "x": X})

    def drop_neg(call: object, inputs: tuple[Value, ...]) -> list[Value] | None:
        return [inputs[0]] if isinstance(getattr(call, "op", None), Neg) else None

    changed = transform(function, drop_neg)
    (call,) = changed.calls()
    assert call.op == Add()
    assert call.inputs[0] is X
    assert call.where == "layer"
    assert changed.outputs["x"] is X


def test_replacing_an_input_by_another_changes_the_signature() -> None:
    other = Input("other", X.type)
    function = Function("f", (X,), {"y": neg(X)})
    assert function.replace({X: other}).inputs == (other,)
    assert function.replace({X: constant(np.zeros((1, 4), "float32"))}).inputs == (X,)


def test_variables_are_found_wherever_they_are() -> None:
    a, b, c, d = (Variable(name, np.zeros(4, "float32")) for name in "abcd")
    function = Function("f", (X,), {"y": add(X, a), "b": b}, {d: neg(c), a: a})
    assert function.variables() == [a, c, b, d]


def test_constants_are_read_only_and_leave_the_original_alone() -> None:
    array = np.zeros(3)
    value = Constant(array)
    with pytest.raises(ValueError, match="read-only"):
        value.array[0] = 1
    array[0] = 1


def test_a_variable_has_a_known_role() -> None:
    with pytest.raises(ValueError, match="weight"):
        Variable("v", 0.0, role="wieght")


def test_an_error_names_op_operands_and_layer() -> None:
    with scope("model/dense_1"), pytest.raises(ShapeError) as caught:
        matmul(Input("a", TensorType("float32", (2, 64))), Input("b", TensorType("float32", (32, 10))))
    message = str(caught.value)
    for part in ("matmul", "inner dimensions differ", "64", "32", "float32[2, 64]", "in model/dense_1"):
        assert part in message


def test_an_error_inside_of_a_composite_op_is_located_once() -> None:
    with scope("layer"), pytest.raises(ShapeError) as caught:
        softmax_cross_entropy(X, Input("t", TensorType("float32", (symbol("batch"), 5))))
    assert str(caught.value).count("in layer") == 1


def test_a_wrong_number_of_operands_is_a_graph_error() -> None:
    with pytest.raises(GraphError, match="3 operands"):
        Add().apply(X, X, X)


def test_calling_an_op_of_two_results_needs_apply() -> None:
    with pytest.raises(ValueError, match="unpack"):
        TopK(1)(X)


def test_two_ops_cannot_share_a_name() -> None:
    with pytest.raises(GraphError, match="two ops are named 'add'"):

        @op("add")
        class Another(Op):
            """Not the sum."""

    assert registry()["add"] is Add


def test_an_op_without_type_rule_says_so() -> None:
    class Nothing(Op):
        """Neither infer nor decompose."""

    with pytest.raises(NotImplementedError, match="Nothing declares neither"):
        Nothing().infer()


def test_ops_compare_by_attributes() -> None:
    assert Reshape((2, 3)) == Reshape((2, 3)) != Reshape((3, 2))
    assert len({Reshape((symbol("n"), 3)), Reshape((symbol("n"), 3))}) == 1
    assert str(Reshape((symbol("n"), 3))) == "reshape(shape=(n, 3))"
    assert Reshape((symbol("n"), 3)).resolve({"n": 7}) == Reshape((7, 3))
    unresolved = Reshape((2, 3))
    assert unresolved.resolve({"n": 7}) is unresolved
