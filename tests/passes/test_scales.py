"""The scale of a squared gradient goes into the product that makes it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kgraph.compiler import lower, specialise
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Value, Variable
from kgraph.ir.interpret import run
from kgraph.ops.elementwise import Reciprocal, add, div, exp, mul, neg, sqrt, square, sub
from kgraph.ops.linalg import matmul
from kgraph.ops.reduce import ArgMax
from kgraph.ops.shape import ScatterAdd, transpose
from kgraph.passes.rewrite import f32
from kgraph.passes.scales import AbsorbScales
from tests.passes.models import mlp, train_step
from tests.passes.show import Build, after

B = symbol("batch")
OPERANDS = {"x": f32(B, 8), "d": f32(B, 4), "a": f32(8, 4), "w": f32(8, 4), "rate": f32()}
STEP = AbsorbScales(smallest=1)


def gradient(x: Value, d: Value) -> Value:
    return matmul(x, d, True, False)


def rms(x: Value, d: Value, a: Value, w: Value, rate: Value) -> tuple[Value, Value]:
    g = gradient(x, d)
    average = add(mul(a, 0.75), mul(square(g), 0.25))
    return average, sub(w, div(mul(g, rate), sqrt(average)))


def test_the_factor_of_the_square_is_gone_and_the_rate_undoes_it() -> None:
    assert after(rms, STEP, **OPERANDS) == [
        "%0 = mul a, 0.75:float32[]",
        "%1 = gemm(transpose_a=True, transpose_b=False, alpha=0.5, beta=1.0) x, d",
        "%2 = mul %1, %1",
        "%3 = add %0, %2",
        "%4 = mul rate, 2.0:float32[]",
        "%5 = mul %1, %4",
        "%6 = sqrt %3",
        "%7 = div %5, %6",
        "%8 = sub w, %7",
        "return y0=%3, y1=%8",
    ]


def second_square(x: Value, d: Value, a: Value, w: Value, rate: Value) -> tuple[Value, ...]:
    """As in Adadelta: the gradient times something, squared and scaled by the same number."""
    g = gradient(x, d)
    average = add(a, mul(square(g), 0.05))
    step = neg(div(mul(g, sqrt(average)), add(average, 1.0)))
    return average, add(w, mul(square(step), 0.05)), add(w, mul(step, rate))


def turned(x: Value, d: Value, a: Value, w: Value, rate: Value) -> tuple[Value, ...]:
    g = transpose(transpose(gradient(x, d)))
    return add(a, mul(square(g), 0.05)), sub(w, div(mul(g, 0.3), rate))


def embedded(x: Value, d: Value, a: Value, w: Value, rate: Value) -> tuple[Value, ...]:
    """The gradient of an embedding: rows added at positions."""
    positions = ArgMax(1)(d)
    g = ScatterAdd(0, (8, 4))(d, positions)
    return add(a, mul(square(g), 0.05)), sub(w, mul(g, rate))


@pytest.mark.parametrize("build", [rms, second_square, turned, embedded])
def test_the_meaning_stays(build: Build) -> None:
    leaves = [Input(name, type) for name, type in OPERANDS.items()]
    before = Function("f", tuple(leaves), dict(zip("pqr", build(*leaves), strict=False)))  # type: ignore[arg-type]
    result = AbsorbScales(smallest=-1000)(before, Counter())
    assert result is not before
    rng = np.random.default_rng(0)
    arrays = [
        rng.uniform(0.1, 1, [5 if d == B else d for d in leaf.shape]).astype("float32") for leaf in leaves
    ]
    wanted, found = run(before, arrays)[0], run(result, arrays)[0]
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=2e-6, atol=1e-7, err_msg=name)


def test_both_squares_of_adadelta_are_scaled_for_nothing() -> None:
    text = after(second_square, STEP, **OPERANDS)
    assert not any("0.05" in line for line in text)


@pytest.mark.parametrize(
    "other",
    [
        lambda g: g,  # returned as it is
        lambda g: add(g, 1.0),
        lambda g: exp(g),
        lambda g: Reciprocal()(g),
        lambda g: div(1.0, g),
    ],
)
def test_a_use_that_cannot_undo_the_factor_keeps_it_out(other: Build) -> None:
    def build(x: Value, d: Value, a: Value, w: Value, rate: Value) -> tuple[Value, ...]:
        g = gradient(x, d)
        made = other(g)
        assert isinstance(made, Value)
        return mul(square(g), 0.25), made

    assert not any("gemm" in line for line in after(build, STEP, **OPERANDS))


def test_small_products_are_left_alone() -> None:
    assert not any("gemm" in line for line in after(rms, AbsorbScales(), **OPERANDS))


def test_a_training_step_loses_a_pass_for_each_large_weight() -> None:
    step = train_step(specialise(mlp((64, 64), inputs=70), training=True))
    result, _ = lower(step, "onnx")
    scaled = [
        c for c in result.calls() if c.op.name == "gemm" and c.op.attributes()["alpha"] not in (1.0, -1.0)
    ]
    assert len(scaled) == 2
    batch = [np.random.default_rng(0).random((3, 70), "float32"), np.eye(10, dtype="float32")[[1, 2, 3]]]
    wanted, found = run(step, batch)[1], run(result, batch)[1]
    assert set(map(type, wanted)) == {Variable}
    for variable, array in wanted.items():
        np.testing.assert_allclose(found[variable], array, rtol=1e-4, atol=1e-7, err_msg=variable.name)
