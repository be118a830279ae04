"""State on the device: it is where it should be, survives moving, and is never overwritten while read."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.errors import BackendError, DataError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Constant, Function, Input, Value, Variable
from kgraph.ir.types import TensorType
from kgraph.ops.activations import Erf
from kgraph.ops.elementwise import add, mul
from kgraph.ops.linalg import matmul
from kgraph.ops.reduce import reduce_sum
from kgraph.plugins.backend import CompileOptions, Executable, Program
from kgraph.plugins.builtin import default_manager

X = Input("x", TensorType("float32", (symbol("batch"), 2)))


def compiled(*functions: Function, freezable: Sequence[str] = ()) -> Executable:
    with config.using(backend="onnx", device="cpu", threads=1):
        return compile_program(functions, freezable=freezable)


def counting() -> tuple[Variable, Variable, Executable]:
    """count counts runs, total sums what came in; both are returned as they were before the run."""
    count, total = Variable("count", np.zeros((), "float32")), Variable("total", np.zeros(2, "float32"))
    updates: dict[Variable, Value] = {count: add(count, 1.0), total: add(total, reduce_sum(X, 0))}
    return count, total, compiled(Function("f", (X,), {"count": count, "total": total}, updates))


def test_runs_and_steps_continue_each_other() -> None:
    count, total, executable = counting()
    step = executable.step("f", [(3, 2)])
    step.inputs[0][...] = 1
    for number in range(6):
        if number % 3 == 2:
            was = executable.run("f", [np.ones((3, 2), "float32")])
        else:
            step()
            was = list(step.outputs)
        assert was[0] == number
        assert was[1].tolist() == [3 * number] * 2
        if number % 2:
            assert count.storage.read() == number + 1
    assert total.storage.read().tolist() == [18, 18]


def test_the_same_shapes_give_the_same_step_and_others_another() -> None:
    count, _, executable = counting()
    small, large = executable.step("f", [(1, 2)]), executable.step("f", [(5, 2)])
    assert executable.step("f", [(1, 2)]) is small is not large
    for step in (small, large, small, large, large):
        step()
    assert count.storage.read() == 5


def test_a_value_written_in_between_is_used() -> None:
    count, _, executable = counting()
    step = executable.step("f", [(1, 2)])
    step()
    count.storage.write(10)
    step()
    assert step.outputs[0] == 10
    assert count.storage.read() == 11


def test_executables_take_turns_on_shared_variables() -> None:
    weight = Variable("w", np.ones((), "float32"))
    double = compiled(Function("double", (), {}, {weight: mul(weight, 2.0)}))
    plus = compiled(Function("plus", (), {"was": weight}, {weight: add(weight, 1.0)}))
    steps = [double.step("double", []), plus.step("plus", [])]
    value = 1.0
    for number in range(8):
        steps[number % 3 == 0]()
        value = value + 1 if number % 3 == 0 else value * 2
    assert weight.storage.read() == value


def test_a_variable_can_leave_and_come_back_any_number_of_times() -> None:
    """Each return makes new buffers, perhaps where freed ones were; no binding to old ones may be used."""
    count = Variable("count", np.zeros(10_000, "float32"))
    step = compiled(Function("f", (), {"was": count}, {count: add(count, 1.0)})).step("f", [])
    for number in range(40):
        step()
        assert (step.outputs[0] == number).all()
        count.storage.bring_back()
        _ = [np.full(10_000, np.nan, "float32") for _ in range(3)]  # soil what has been freed
    assert (count.storage.read() == 40).all()


def test_the_oracle_and_the_backend_share_variables() -> None:
    count, _, executable = counting()
    step = executable.step("f", [(1, 2)])
    function = Function("f", (), {}, {count: mul(count, 3.0)})
    oracle = default_manager().backend("reference").compile(Program({"f": function}), CompileOptions("cpu"))
    step()
    oracle.run("f", [])
    step()
    assert count.storage.read() == 4


def test_frozen_weights_are_noticed_when_they_change() -> None:
    weight = Variable("w", np.eye(2, dtype="float32"))
    predict = Function("predict", (X,), {"y": matmul(X, weight)})
    train = Function("train", (), {}, {weight: mul(weight, 2.0)})
    executable = compiled(predict, train, freezable=["predict"])
    ones, factor = np.ones((1, 2), "float32"), 1.0
    for action in (None, None, None, "train", None, None, "write", None, None):
        if action == "train":
            executable.run("train", [])
            factor *= 2
        elif action == "write":
            weight.storage.write(np.eye(2) * 5)
            factor = 5.0
        assert executable.run("predict", [ones])[0].tolist() == [[factor, factor]]


def test_results_are_the_callers_to_keep() -> None:
    _, _, executable = counting()
    first = executable.run("f", [np.ones((1, 2), "float32")])
    kept = [array.copy() for array in first]
    for _ in range(3):
        executable.run("f", [np.ones((1, 2), "float32")])
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    "array",
    [np.ones((2, 2), "float64"), np.ones((2, 3), "float32"), np.ones(2, "float32")],
    ids=["dtype", "size", "rank"],
)
def test_arrays_that_do_not_fit_are_refused_and_nothing_changes(array: np.ndarray) -> None:
    count, _, executable = counting()
    with pytest.raises(DataError, match="input 'x' does not fit"):
        executable.run("f", [array])
    executable.run("f", [np.ones((2, 2), "float32")])
    assert count.storage.read() == 1


def test_arrays_of_any_layout_are_taken() -> None:
    _, total, executable = counting()
    executable.run("f", [np.arange(8, dtype="float32").reshape(2, 4)[:, ::2].T])
    assert total.storage.read().tolist() == [0 + 2, 4 + 6]


def test_an_empty_batch_is_a_batch() -> None:
    _, total, executable = counting()
    executable.run("f", [np.zeros((0, 2), "float32")])
    assert total.storage.read().tolist() == [0, 0]


def test_a_model_that_the_runtime_refuses_is_a_backend_error() -> None:
    x = Input("x", TensorType("float64", (2,)))
    backend = default_manager().backend("onnx")
    program = Program({"f": Function("odd", (x,), {"y": Erf()(x)})})
    with pytest.raises(BackendError, match="onnxruntime refuses the model") as caught:
        backend.compile(program, CompileOptions("cpu")).run("f", [np.ones(2)])
    assert "odd" in str(caught.value)


def test_asking_for_a_value_does_not_bind_a_step_anew() -> None:
    count, total, executable = counting()
    step = executable.step("f", [(1, 2)])
    for number in range(5):
        assert count.storage.read() == number
        total.storage.write([number, 0])
        step()
        assert step.outputs[1].tolist() == [number, 0]
        assert executable.state.active is step


def test_functions_run_in_threads_as_they_do_one_after_another() -> None:
    """Steps overlap for sure: each is a product of large matrices, for which the runtime lets go of Python."""
    factor = np.eye(200, dtype="float32")[::-1] * np.float32(1.001)
    start = np.random.RandomState(0).rand(200, 200).astype("float32")

    def train(read: list[np.ndarray]) -> None:
        weight = Variable("w", start)
        step = compiled(Function("f", (), {}, {weight: matmul(weight, Constant(factor))})).step("f", [])
        for _ in range(60):
            step()
            read.append(weight.storage.read())

    alone: list[np.ndarray] = []
    train(alone)
    together: list[list[np.ndarray]] = [[] for _ in range(4)]
    threads = [Thread(target=train, args=(read,)) for read in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for read in together:
        np.testing.assert_array_equal(read, alone)
