"""What arithmetic rules leave, as text. That they keep the meaning is a law over all rules."""

from __future__ import annotations

import pytest

from kgraph.ir.graph import Value, constant
from kgraph.ir.types import TensorType
from kgraph.ops.elementwise import (
    Abs,
    Reciprocal,
    add,
    div,
    exp,
    log,
    maximum,
    minimum,
    mul,
    neg,
    power,
    sub,
)
from kgraph.ops.logic import cast
from kgraph.passes.rewrite import f32
from tests.passes.show import Build, after

X = {"x": f32(2, 3)}
AB = {"a": f32(2, 3), "b": f32(2, 3)}
CASES: list[tuple[Build, dict[str, TensorType], str]] = [
    (lambda x: add(x, 0.0), X, "return y=x"),
    (lambda x: add(0.0, x), X, "return y=x"),
    (lambda x: sub(x, 0.0), X, "return y=x"),
    (lambda x: div(mul(x, 1.0), 1.0), X, "return y=x"),
    (lambda x: neg(neg(x)), X, "return y=x"),
    (lambda x: power(x, 1.0), X, "return y=x"),
    (lambda x: log(exp(x)), X, "return y=x"),
    (lambda x: maximum(minimum(x, x), x), X, "return y=x"),
    (lambda x: sub(0.0, x), X, "%0 = neg x; return y=%0"),
    (lambda x: mul(x, -1.0), X, "%0 = neg x; return y=%0"),
    (lambda x: power(x, 2.0), X, "%0 = mul x, x; return y=%0"),
    (lambda x: power(x, 0.5), X, "%0 = sqrt x; return y=%0"),
    (lambda x: power(x, -0.5), X, "%0 = sqrt x; %1 = reciprocal %0; return y=%1"),
    (lambda x: power(x, -1.0), X, "%0 = reciprocal x; return y=%0"),
    (lambda x: exp(log(exp(x))), X, "%0 = exp x; return y=%0"),
    (lambda x: Abs()(exp(x)), X, "%0 = exp x; return y=%0"),
    (lambda x: Abs()(neg(x)), X, "%0 = abs x; return y=%0"),
    (lambda x: maximum(exp(x), 0.0), X, "%0 = exp x; return y=%0"),
    (lambda a, b: add(neg(a), b), AB, "%0 = sub b, a; return y=%0"),
    (lambda a, b: sub(a, neg(b)), AB, "%0 = add a, b; return y=%0"),
    (
        lambda a, b: add(a, mul(a, neg(b))),
        {"a": f32(2, 3), "b": f32(3)},
        "%0 = mul a, b; %1 = sub a, %0; return y=%1",
    ),
    (
        lambda a, b: sub(a, mul(a, neg(b))),
        {"a": f32(2, 3), "b": f32(3)},
        "%0 = mul a, b; %1 = add a, %0; return y=%1",
    ),
    (lambda a, b: neg(sub(a, b)), AB, "%0 = sub b, a; return y=%0"),
    (lambda a, b: mul(neg(a), neg(b)), AB, "%0 = mul a, b; return y=%0"),
    (lambda a, b: sub(a, mul(neg(b), a)), AB, "%0 = mul b, a; %1 = add a, %0; return y=%1"),
    (lambda a, b: mul(a, Reciprocal()(b)), AB, "%0 = div a, b; return y=%0"),
    (lambda a, b: maximum(maximum(a, b), a), AB, "%0 = maximum a, b; return y=%0"),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: str) -> None:
    assert "; ".join(after(build, **operands)) == expected


def test_zero_times_x_stays_because_x_may_be_infinite() -> None:
    assert after(lambda x: mul(x, 0.0), **X)[0] == "%0 = mul x, 0.0:float32[]"


def test_zero_times_what_is_finite_goes() -> None:
    mask = TensorType("bool", (2, 3))
    assert (
        after(lambda x: mul(cast(x, "float32"), 0.0), x=mask)[0]
        == "%0 = broadcast_to(shape=(2, 3)) 0.0:float32[]"
    )


def test_a_neutral_element_of_larger_shape_leaves_a_broadcast() -> None:
    ones = constant([[1.0, 1.0, 1.0]] * 2, "float32")
    assert after(lambda x: mul(x, ones), x=f32(3)) == ["%0 = broadcast_to(shape=(2, 3)) x", "return y=%0"]


def test_a_shared_reciprocal_is_not_divided_by_twice() -> None:
    def build(a: Value, b: Value) -> tuple[Value, Value]:
        inverse = Reciprocal()(b)
        return mul(a, inverse), inverse

    assert after(build, **AB)[:2] == ["%0 = reciprocal b", "%1 = mul a, %0"]


def test_integers_have_no_reciprocal() -> None:
    integers = TensorType("int32", (2,))
    assert after(lambda x: div(1, x), x=integers)[0] == "%0 = div 1:int32[], x"
