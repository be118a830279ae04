"""What is left around matrix products, as text."""

from __future__ import annotations

import pytest

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.elementwise import mul
from kgraph.ops.linalg import matmul
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.shape import transpose
from kgraph.passes.autodiff import gradients
from kgraph.passes.rewrite import f32
from tests.passes.show import Build, after

B, T = symbol("batch"), symbol("time")
NT, TN, TT = (
    f"matmul(transpose_a={a}, transpose_b={b})" for a, b in ((False, True), (True, False), (True, True))
)
NN = "matmul(transpose_a=False, transpose_b=False)"
CASES: list[tuple[Build, dict[str, TensorType], str]] = [
    (lambda a, b: matmul(transpose(a), b), {"a": f32(3, 2), "b": f32(3, 4)}, f"%0 = {TN} a, b; return y=%0"),
    (lambda a, b: matmul(a, transpose(b)), {"a": f32(2, 3), "b": f32(4, 3)}, f"%0 = {NT} a, b; return y=%0"),
    (
        lambda a, b: matmul(transpose(a, (0, 2, 1)), transpose(b), False, True),
        {"a": f32(B, 3, 2), "b": f32(3, 4)},
        f"%0 = {TN} a, b; return y=%0",
    ),
    (lambda a, b: transpose(matmul(a, b)), {"a": f32(2, 3), "b": f32(3, 4)}, f"%0 = {TT} b, a; return y=%0"),
    (
        lambda a, b: transpose(matmul(a, b), (1, 0, 2)),
        {"a": f32(5, 2, 3), "b": f32(3, 4)},
        f"%0 = {NN} a, b; %1 = transpose(perm=(1, 0, 2)) %0; return y=%1",
    ),
    (
        lambda a, b, s: mul(matmul(a, b), s),
        {"a": f32(64, 8), "b": f32(8, 128), "s": f32()},
        f"%0 = mul a, s; %1 = {NN} %0, b; return y=%1",
    ),
    (
        lambda a, b, s: matmul(mul(a, s), b),
        {"a": f32(64, 80), "b": f32(80, 2), "s": f32(1, 1)},
        f"%0 = {NN} a, b; %1 = reshape(shape=()) s; %2 = mul %0, %1; return y=%2",
    ),
    (
        lambda a, b, s: matmul(b, mul(a, s)),
        {"a": f32(80, 90), "b": f32(8, 80), "s": f32()},
        f"%0 = mul b, s; %1 = {NN} %0, a; return y=%1",
    ),
    (
        lambda a, b, s: mul(matmul(a, b), s),
        {"a": f32(64, 80), "b": f32(80, 2), "s": f32()},
        f"%0 = {NN} a, b; %1 = mul %0, s; return y=%1",
    ),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: str) -> None:
    assert "; ".join(after(build, **operands)) == expected


def test_the_weight_gradient_of_a_sequence_is_one_product() -> None:
    def build(x: Value, w: Value, t: Value) -> Value:
        loss = reduce_sum(mul(matmul(x, w), t))
        return gradients(loss, [w])[0]

    assert after(build, x=f32(B, T, 8), w=f32(8, 4), t=f32(B, T, 4)) == [
        "%0 = reshape(shape=(batch*time, 8)) x",
        "%1 = reshape(shape=(batch*time, 4)) t",
        f"%2 = {TN} %0, %1",
        "return y=%2",
    ]


def test_a_product_of_batches_that_is_summed_over_one_of_two_batch_axes_stays() -> None:
    def build(a: Value, b: Value) -> Value:
        return reduce_sum(matmul(a, b, True, False), 0)

    assert len(after(build, a=f32(5, 6, 3, 2), b=f32(5, 6, 3, 4))) == 3
