"""What the gathering of constants leaves, as text."""

from __future__ import annotations

import pytest

from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.elementwise import add, div, maximum, mul, neg, sub
from kgraph.ops.reduce import reduce_sum
from kgraph.passes.rewrite import f32
from tests.passes.show import Build, after

X = {"x": f32(2, 3)}
AB = {"a": f32(2, 3), "b": f32(2, 3)}
SMALL = {"a": f32(2, 3), "b": f32(3)}
CASES: list[tuple[Build, dict[str, TensorType], str]] = [
    (lambda x: add(sub(x, 2.0), 5.0), X, "%0 = add x, 3.0:float32[]; return y=%0"),
    (lambda x: add(sub(2.0, x), 5.0), X, "%0 = sub 7.0:float32[], x; return y=%0"),
    (lambda x: sub(5.0, sub(2.0, x)), X, "%0 = add x, 3.0:float32[]; return y=%0"),
    (lambda x: sub(5.0, add(2.0, x)), X, "%0 = sub 3.0:float32[], x; return y=%0"),
    (lambda x: mul(mul(x, 2.0), 4.0), X, "%0 = mul x, 8.0:float32[]; return y=%0"),
    (lambda x: mul(mul(x, 2.0), 0.5), X, "return y=x"),
    (lambda x: mul(div(x, 8.0), 2.0), X, "%0 = mul x, 0.25:float32[]; return y=%0"),
    (lambda x: div(div(x, 3.0), 5.0), X, "%0 = div x, 15.0:float32[]; return y=%0"),
    (lambda x: div(mul(x, 9.0), 3.0), X, "%0 = mul x, 3.0:float32[]; return y=%0"),
    (lambda x: mul(div(2.0, x), 3.0), X, "%0 = div 6.0:float32[], x; return y=%0"),
    (lambda x: neg(mul(x, 3.0)), X, "%0 = mul x, -3.0:float32[]; return y=%0"),
    (lambda x: div(x, 4.0), X, "%0 = mul x, 0.25:float32[]; return y=%0"),
    (lambda x: div(x, 3.0), X, "%0 = div x, 3.0:float32[]; return y=%0"),
    (lambda x: maximum(maximum(x, 1.0), 2.0), X, "%0 = maximum x, 2.0:float32[]; return y=%0"),
    (lambda a, b: add(a, mul(b, -2.0)), AB, "%0 = mul b, 2.0:float32[]; %1 = sub a, %0; return y=%1"),
    (lambda a, b: sub(a, mul(b, -2.0)), AB, "%0 = mul b, 2.0:float32[]; %1 = add a, %0; return y=%1"),
    (
        lambda a, b: mul(mul(a, 3.0), b),
        SMALL,
        "%0 = mul b, 3.0:float32[]; %1 = mul a, %0; return y=%1",
    ),
    (
        lambda a, b: mul(mul(a, 3.0), mul(b, 5.0)),
        SMALL,
        "%0 = mul b, 15.0:float32[]; %1 = mul a, %0; return y=%1",
    ),
    (
        lambda x: reduce_sum(mul(x, 3.0), 1),
        X,
        "%0 = reduce_sum(axes=(1), keepdims=False) x; %1 = mul %0, 3.0:float32[]; return y=%1",
    ),
    (
        lambda x: reduce_sum(neg(x), 1),
        X,
        "%0 = reduce_sum(axes=(1), keepdims=False) x; %1 = neg %0; return y=%1",
    ),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: str) -> None:
    assert "; ".join(after(build, **operands)) == expected


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_constants_that_would_overflow_or_underflow_stay_apart(scale: float) -> None:
    assert len(after(lambda x: mul(mul(x, scale), scale), **X)) == 3


def test_integer_division_does_not_reassociate() -> None:
    assert len(after(lambda x: mul(div(x, 2), 2), x=TensorType("int32", (3,)))) == 3


def test_a_scaled_value_that_is_needed_anyway_is_not_scaled_again() -> None:
    def build(a: Value, b: Value) -> tuple[Value, Value]:
        scaled = mul(a, 3.0)
        return mul(scaled, b), scaled

    assert after(build, **SMALL)[:2] == ["%0 = mul a, 3.0:float32[]", "%1 = mul %0, b"]
