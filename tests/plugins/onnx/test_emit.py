"""From a function to a model: names, symbolic sizes, outputs that are leaves, state, constants."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest

from kgraph.errors import GraphError, UnsupportedError
from kgraph.ir.dims import Dim, evaluate_dim, symbol
from kgraph.ir.graph import Constant, Function, Input, Value, Variable, scope
from kgraph.ir.op import Op
from kgraph.ir.types import Array, TensorType
from kgraph.ops.broadcast import broadcast_to, reshape
from kgraph.ops.elementwise import add, exp, mul, neg
from kgraph.ops.reduce import TopK
from kgraph.ops.scan import scan
from kgraph.ops.shape import DimValue, transpose
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Names, Target
from kgraph.plugins.onnx.lowerings import TABLE
from kgraph.plugins.onnx.model import Model, build_model
from tests.ir.test_dims import random_expression

BATCH, TIME = symbol("batch"), symbol("time")
X = Input("x", TensorType("float32", (BATCH, 4)))


def build(
    outputs: dict[str, Value], *inputs: Input, updates: dict[Variable, Value] | None = None, opset: int = 21
) -> Model:
    model = build_model(Function("f", inputs, outputs, updates or {}), TABLE, Target(opset=opset))
    onnx.checker.check_model(model.proto, full_check=True)
    return model


def run(model: Model, *arrays: Array) -> list[Array]:
    session = onnxruntime.InferenceSession(
        model.proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [leaf.name for leaf in model.proto.graph.input]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def nodes(model: Model) -> list[str]:
    return [node.op_type for node in model.proto.graph.node]


def test_inputs_and_outputs_keep_their_names_and_symbols() -> None:
    model = build({"score": add(X, 1.0), "flat": reshape(X, (4 * BATCH,))}, X)
    assert (model.inputs, model.outputs) == (("x",), ("score", "flat"))
    dims = [
        [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.proto.graph.input, *model.proto.graph.output)
    ]
    assert dims == [["batch", 4], ["batch", 4], ["4*batch"]]


def test_nodes_are_named_after_their_layer() -> None:
    with scope("model/dense 1"):
        y = neg(exp(X))
    names = [node.name for node in build({"y": y}, X).proto.graph.node]
    assert names == ["model/dense_1/Exp", "model/dense_1/Neg"]


def test_names_that_clash_are_told_apart() -> None:
    a, b = (Variable("w", np.full(4, value, "float32")) for value in (1, 2))
    model = build({"x.next": add(add(X, a), b), "w": neg(X)}, X, updates={a: neg(a)})
    assert model.outputs == ("x.next", "w")
    everything = [*model.inputs, *model.outputs, *model.state_inputs.values(), *model.state_outputs.values()]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("seed", range(20))
def test_names_are_unique_whatever_is_asked_for(seed: int) -> None:
    rng = random.Random(seed)
    names = Names()
    made = [names("".join(rng.choices("ab_1 ", k=rng.randint(0, 3)))) for _ in range(60)]
    assert len(set(made)) == len(made)


def test_an_output_may_be_a_leaf_or_another_output() -> None:
    y = neg(X)
    number = Constant(np.array([1.0, 2.0], "float32"))
    variable = Variable("v", np.zeros(2, "float32"))
    model = build({"x_again": X, "y": y, "y_again": y, "number": number, "v_now": variable}, X)
    made = run(model, np.ones((2, 4), "float32"), np.array([5, 6], "float32"))
    assert [array.ravel()[:2].tolist() for array in made] == [[1, 1], [-1, -1], [-1, -1], [1, 2], [5, 6]]


def test_an_output_that_a_body_reads_keeps_its_new_name_there() -> None:
    x = Input("x", TensorType("float32", (3, 2)))
    factor = exp(Input("f", TensorType("float32", ())))
    start = Input("s", TensorType("float32", (2,)))
    last, _ = scan(lambda c, s: ([mul(add(c[0], s[0]), factor)], []), [start], [x])
    leaves = (x, start, factor.call.inputs[0])  # type: ignore[attr-defined]  # a Result
    made = run(
        build({"factor": factor, "last": last[0]}, *leaves),
        np.ones((3, 2), "float32"),
        np.zeros(2, "float32"),
        np.zeros((), "float32"),
    )
    assert made[0] == 1
    assert made[1].tolist() == [3, 3]


def test_results_of_one_node_become_outputs() -> None:
    values, places = TopK(2).apply(X)
    model = build({"places": places, "values": values}, X)
    made = run(model, np.array([[1, 4, 2, 3]], "float32"))
    assert made[0].tolist() == [[1, 3]]
    assert made[1].tolist() == [[4, 3]]


def test_state_is_read_and_its_next_value_is_an_output() -> None:
    count = Variable("count", np.zeros((), "float32"))
    model = build({"y": mul(X, count)}, X, updates={count: add(count, 1.0)})
    assert model.state_inputs == {count: "count"}
    assert model.state_outputs == {count: "count.next"}
    assert run(model, np.ones((1, 4), "float32"), np.asarray(3, "float32"))[1] == 4


def test_frozen_variables_are_initialisers() -> None:
    weight = Variable("w", np.zeros(4, "float32"))
    function = Function("f", (X,), {"y": add(X, weight)})
    model = build_model(function, TABLE, Target(), frozen={weight: np.full(4, 7, "float32")})
    assert not model.state_inputs
    assert run(model, np.zeros((1, 4), "float32"))[0].tolist() == [[7, 7, 7, 7]]


def test_equal_small_constants_share_an_initialiser_and_large_ones_stand_alone() -> None:
    small = [Constant(np.arange(4, dtype="float32")) for _ in range(2)]
    assert len(build({"y": add(add(X, small[0]), small[1])}, X).proto.graph.initializer) == 1
    wide = Input("x", TensorType("float32", (1000,)))
    large = [Constant(np.zeros(1000, "float32")) for _ in range(2)]
    assert len(build({"y": add(add(wide, large[0]), large[1])}, wide).proto.graph.initializer) == 2


@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize("seed", range(40))
def test_a_size_computed_at_run_time_is_the_size(seed: int, opset: int) -> None:
    """Floor division and remainders of negative numbers included."""
    rng = random.Random(seed)
    leaves = [Input(name, TensorType("float32", (symbol(name),))) for name in "abn"]
    dims: list[Dim] = [random_expression(rng)[0] for _ in range(6)]
    outputs: dict[str, Value] = {f"d{i}": DimValue(dim, "int64")() for i, dim in enumerate(dims)}
    model = build(outputs, *leaves, opset=opset)
    for _ in range(3):
        sizes = {name: rng.randint(0, 9) for name in "abn"}
        made = run(model, *(np.zeros(sizes[name], "float32") for name in "abn"))
        assert [int(array) for array in made] == [evaluate_dim(dim, sizes) for dim in dims], dims


def test_symbolic_shapes_are_computed_from_the_inputs() -> None:
    x = Input("x", TensorType("float32", (BATCH, TIME, 2)))
    outputs = {
        "joined": reshape(x, (BATCH * TIME, 2)),
        "split": reshape(transpose(x, (1, 0, 2)), (TIME, BATCH, 1, 2)),
        "wide": broadcast_to(reshape(x, (BATCH, TIME, 1, 2)), (BATCH, TIME, 3, 2)),
    }
    made = run(build(outputs, x), np.arange(12, dtype="float32").reshape(2, 3, 2))
    assert [array.shape for array in made] == [(6, 2), (3, 2, 1, 2), (2, 3, 3, 2)]


def test_one_unknown_size_in_a_reshape_costs_no_arithmetic() -> None:
    assert nodes(build({"y": reshape(X, (2, 2 * BATCH))}, X)) == ["Reshape"]


def test_a_size_that_no_input_has_is_an_error() -> None:
    with pytest.raises(GraphError, match="no input has the dimension 'time'"):
        build({"y": broadcast_to(reshape(X, (BATCH, 1, 4)), (BATCH, TIME, 4))}, X)


def test_an_op_without_lowering_is_named_with_its_layer() -> None:
    @dataclass(frozen=True, repr=False)
    class Odd(Op):
        """An op no table has heard of."""

        name = "odd"

        def infer(self, x: TensorType) -> TensorType:
            return x

    with scope("model/odd_1"):
        y = Odd()(X)
    with pytest.raises(UnsupportedError, match="no ONNX lowering for odd") as caught:
        build({"y": y}, X)
    assert "model/odd_1" in str(caught.value)


def test_every_dtype_has_a_number() -> None:
    for dtype in ("float16", "float32", "float64", "int8", "int32", "int64", "uint32", "bool"):
        x = Input("x", TensorType(dtype, (2,)))
        assert build({"y": x}, x).proto.graph.output[0].type.tensor_type.elem_type > 0


def test_tables_refuse_two_rows_for_one_op_and_can_be_overridden() -> None:
    first, second = next(itertools.pairwise(TABLE))
    one = LoweringTable()
    one.add(first, print)
    other = LoweringTable()
    other.add(first, repr)
    with pytest.raises(Exception, match=f"two lowerings for {first.name}"):
        one.merge([other])
    changed = TABLE.override({first: print})
    assert changed[first] is print
    assert changed[second] is TABLE[second]
    assert TABLE[first] is not print
    assert len(changed) == len(TABLE)
