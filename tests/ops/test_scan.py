"""Scan: its meaning, its gradient, what it captures, and the ONNX Scan it becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from kgraph.errors import GraphError, ShapeError
from kgraph.ir.graph import Function, Input, Result, Value, Variable, constant
from kgraph.ir.interpret import run
from kgraph.ir.printer import format_function
from kgraph.ir.types import Array, TensorType
from kgraph.ir.verify import verify
from kgraph.ops.activations import tanh
from kgraph.ops.control import in_train_phase
from kgraph.ops.elementwise import add, mul
from kgraph.ops.linalg import matmul
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.samples import floats, integers
from kgraph.ops.scan import Scan, scan
from kgraph.ops.shape import Gather
from kgraph.passes.autodiff import gradients
from kgraph.passes.nested import apply_everywhere
from kgraph.passes.phase import SpecialisePhase
from tests.ops.checking import assert_backend_agrees, assert_gradients


def recurrence(x: Value, h: Value, w: Value, reverse: bool = False, axis: int = 0) -> tuple[Value, ...]:
    """h' = tanh(h w + x_t), y_t = h' h."""

    def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        new = tanh(add(matmul(carries[0], w), slices[0]))
        return [new], [mul(new, carries[0])]

    last, outputs = scan(step, [h], [x], reverse=reverse, axis=axis)
    return *last, *outputs


def by_hand(x: Array, h: Array, w: Array, reverse: bool, axis: int) -> tuple[Array, Array]:
    steps = np.moveaxis(x, axis, 0)
    outputs = np.zeros_like(steps)
    for t in range(len(steps))[:: -1 if reverse else 1]:
        new = np.tanh(h @ w + steps[t])
        outputs[t], h = new * h, new
    return h, np.moveaxis(outputs, 0, axis)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_a_loop(reverse: bool, axis: int) -> None:
    arrays = [floats(4, 2, 3), floats(4 if axis else 2, 3), floats(3, 3)]
    arrays[0] = arrays[0].reshape((4, 2, 3))
    leaves = tuple(Input(n, TensorType("float32", a.shape)) for n, a in zip("xhw", arrays, strict=True))
    function = Function("f", leaves, dict(zip("ab", recurrence(*leaves, reverse, axis), strict=True)))
    verify(function)
    made, _ = run(function, arrays)
    last, outputs = by_hand(*arrays, reverse, axis)
    np.testing.assert_allclose(made["a"], last, rtol=1e-6)
    np.testing.assert_allclose(made["b"], outputs, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("symbolic", [False, True])
def test_onnx_agrees_with_the_oracle(reverse: bool, axis: int, symbolic: bool) -> None:
    x = floats(2, 6, 3) if axis else floats(6, 2, 3)
    symbols = [["batch", "time", ""] if axis else ["time", "batch", ""], ["batch", ""], ["", ""]]
    assert_backend_agrees(
        lambda x, h, w: recurrence(x, h, w, reverse, axis),
        [x, floats(2, 3), floats(3, 3)],
        symbols if symbolic else None,
    )


def test_gradient_reaches_whatever_the_step_uses_from_outside() -> None:
    def build(x: Value, w: Value, b: Value, unused: Value) -> list[Value]:
        doubled = mul(w, 2.0)  # outside of the step, and part of the gradient's path

        def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            h, plain = carries
            new = tanh(add(matmul(add(h, slices[0]), doubled), mul(b, b)))
            return [new, plain], [new]

        (last, same), (outputs,) = scan(step, [mul(x_first(x), 0.5), b], [x])
        return [last, same, outputs]

    def x_first(x: Value) -> Value:
        return reduce_sum(x, (0,))

    arrays = [floats(4, 2, 3), floats(3, 3), floats(3), floats(2)]
    assert_gradients(build, arrays)
    assert_backend_agrees(build, arrays)


def test_second_derivatives() -> None:
    def build(x: Value, h: Value, w: Value) -> list[Value]:
        last, outputs = recurrence(x, h, w)
        loss = add(reduce_sum(mul(last, last)), reduce_sum(mul(outputs, outputs)))
        return gradients(loss, [x, h, w])

    assert_gradients(build, [floats(3, 2, 2), floats(2, 2), floats(2, 2)], tolerance=1e-5)


def test_integers_pass_without_a_gradient() -> None:
    def build(ids: Value, table: Value, h: Value) -> list[Value]:
        def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            h, steps = carries
            return [tanh(add(h, Gather(0)(table, slices[0]))), add(steps, 1)], []

        last, _ = scan(step, [h, constant(0, "int32")], [ids])
        return list(last)

    arrays = [integers(5, 2, high=4), floats(4, 3), floats(2, 3)]
    assert_gradients(build, arrays)
    assert_backend_agrees(build, arrays)


def test_a_scan_within_a_scan() -> None:
    def build(x: Value, h: Value, w: Value) -> list[Value]:
        def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            last, inner = recurrence(slices[0], carries[0], w)
            return [last], [inner]

        last, outputs = scan(step, [h], [x])
        return [*last, *outputs]

    arrays = [floats(3, 4, 2, 2), floats(2, 2), floats(2, 2)]
    assert_gradients(build, arrays)
    assert_backend_agrees(build, arrays)


def test_what_does_not_depend_on_the_step_is_made_once_outside() -> None:
    w = Variable("w", floats(3, 3))
    x, h = Input("x", TensorType("float32", (4, 2, 3))), Input("h", TensorType("float32", (2, 3)))

    def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        new = add(matmul(carries[0], mul(w, 2.0)), slices[0])
        return [new], [new]

    (last,), _ = scan(step, [h], [x])
    assert isinstance(last, Result)
    made = last.call.op
    assert isinstance(made, Scan)
    assert [call.op.name for call in made.body.calls()] == ["matmul", "add"]
    assert [call.op.name for call in Function("f", (x, h), {"y": last}).calls()] == ["mul", "scan"]


def test_passes_reach_the_body() -> None:
    x = Input("x", TensorType("float32", (4, 2)))
    h = Input("h", TensorType("float32", (2,)))

    def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        new = in_train_phase(mul(slices[0], carries[0]), add(slices[0], carries[0]))
        return [new], []

    (last,), _ = scan(step, [h], [x])
    function = apply_everywhere(SpecialisePhase(True), Function("f", (x, h), {"y": last}), Counter())
    (call,) = function.calls()
    assert isinstance(call.op, Scan)
    assert "in_train_phase" not in [inner.op.name for inner in call.op.body.calls()]
    assert apply_everywhere(SpecialisePhase(True), function, Counter()) is function


def test_the_body_is_printed_after_the_function_that_uses_it() -> None:
    x, h = Input("x", TensorType("float32", (4, 2, 3))), Input("h", TensorType("float32", (2, 3)))
    (last,), _ = scan(lambda c, s: ([add(c[0], s[0])], []), [h], [x], name="sum")
    text = format_function(Function("f", (x, h), {"y": last}))
    assert "scan(body=@sum, carries=1, sequences=1, reverse=False)" in text
    assert "function sum(carry0: float32[2, 3], slice0: float32[2, 3])" in text


def test_mistakes_are_named() -> None:
    x, h = Input("x", TensorType("float32", (4, 2, 3))), Input("h", TensorType("float32", (2, 3)))
    with pytest.raises(ShapeError, match="changes the type of 'carry0'"):
        scan(lambda c, s: ([reduce_sum(c[0], (0,))], []), [h], [x])
    with pytest.raises(GraphError, match="number of carries"):
        scan(lambda c, s: ([], []), [h], [x])
    with pytest.raises(GraphError, match="sequence"):
        scan(lambda c, s: (c, []), [h], [])
    with pytest.raises(ShapeError, match="differ in length"):
        scan(lambda c, s: (c, []), [h], [x, Input("z", TensorType("float32", (5, 2)))])


def test_a_body_that_is_not_closed_is_refused() -> None:
    x, w = Input("x", TensorType("float32", (4, 2))), Variable("w", floats(2))
    leaf = Input("slice", TensorType("float32", (2,)))
    body = Function("open", (leaf,), {"y": add(leaf, w)})
    made = Scan(body, carries=0)(x)
    with pytest.raises(GraphError, match="uses a variable"):
        verify(Function("f", (x,), {"y": made}))
