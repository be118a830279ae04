"""What products and convolutions take with them, as text."""

from __future__ import annotations

import pytest

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.activations import relu
from kgraph.ops.conv import conv
from kgraph.ops.elementwise import add, mul, neg, sub
from kgraph.ops.linalg import matmul
from kgraph.passes.fusion import FuseProducts
from kgraph.passes.rewrite import f32
from tests.passes.show import Build, after

B = symbol("batch")
DENSE = {"a": f32(B, 8), "b": f32(8, 4), "c": f32(4)}
SMALL = {"a": f32(B, 8), "b": f32(8, 4), "c": f32(B, 4)}
CONV = {"x": f32(B, 3, 8, 8), "w": f32(4, 3, 3, 3), "b": f32(4, 1, 1)}


def gemm(alpha: float = 1.0, beta: float = 1.0) -> str:
    return f"gemm(transpose_a=False, transpose_b=False, alpha={alpha}, beta={beta})"


CASES: list[tuple[Build, dict[str, TensorType], str]] = [
    (lambda a, b, c: add(matmul(a, b), c), DENSE, f"%0 = {gemm()} a, b, c; return y=%0"),
    (lambda a, b, c: add(c, matmul(a, b)), SMALL, f"%0 = {gemm()} a, b, c; return y=%0"),
    (lambda a, b, c: sub(c, matmul(a, b)), SMALL, f"%0 = {gemm(-1.0)} a, b, c; return y=%0"),
    (lambda a, b, c: sub(matmul(a, b), c), SMALL, f"%0 = {gemm(beta=-1.0)} a, b, c; return y=%0"),
    (lambda a, b, c: neg(matmul(a, b)), DENSE, f"%0 = {gemm(-1.0)} a, b; return y=%0"),
    (
        lambda a, b, c: add(mul(c, 0.5), mul(matmul(a, b), 0.25)),
        SMALL,
        f"%0 = {gemm(0.25, 0.5)} a, b, c; return y=%0",
    ),
    (
        lambda x, w, b: relu(add(conv(x, w), b)),
        CONV,
        "%0 = reshape(shape=(4)) b; "
        "%1 = conv_bias(strides=(1, 1), pads=((0, 0), (0, 0)), dilations=(1, 1), groups=1) x, w, %0; "
        "%2 = relu %1; return y=%2",
    ),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: str) -> None:
    assert "; ".join(after(build, FuseProducts(), **operands)) == expected


@pytest.mark.parametrize(
    ("build", "operands"),
    [
        # A large matrix is added more cheaply on its own.
        (lambda a, b, c: add(matmul(a, b), c), {"a": f32(B, 8), "b": f32(8, 512), "c": f32(B, 512)}),
        # Batches of matrices are no Gemm.
        (lambda a, b, c: add(matmul(a, b), c), {"a": f32(B, 5, 8), "b": f32(8, 4), "c": f32(4)}),
        # The sum is larger than the product.
        (lambda a, b, c: add(matmul(a, b), c), {"a": f32(1, 8), "b": f32(8, 4), "c": f32(5, 4)}),
        (lambda a, b, c: add(matmul(a, b), c), {name: TensorType("int32", (3, 3)) for name in "abc"}),
        # One number per position, not per filter.
        (lambda x, w, b: add(conv(x, w), b), {**CONV, "b": f32(6, 6)}),
        (lambda x, w, b: add(conv(x, w), b), {**CONV, "b": f32(B, 4, 1, 1)}),
    ],
)
def test_stays(build: Build, operands: dict[str, TensorType]) -> None:
    assert len(after(build, FuseProducts(), **operands)) == 3


def test_a_product_that_is_needed_on_its_own_stays() -> None:
    def build(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
        product = matmul(a, b)
        return add(product, c), product

    assert len(after(build, FuseProducts(), **DENSE)) == 3
