"""What is left of broadcasts, as text."""

from __future__ import annotations

import pytest

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import BroadcastTo, broadcast_to, reshape
from kgraph.ops.elementwise import add, exp, mul
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import where
from kgraph.ops.reduce import reduce_max, reduce_mean, reduce_prod, reduce_sum
from kgraph.ops.shape import full, slice_axis, transpose
from kgraph.passes.rewrite import f32
from tests.passes.show import Build, after

BATCH = symbol("batch")
V = {"v": f32(3)}
XV = {"x": f32(BATCH, 3), "v": f32(3)}
CASES: list[tuple[Build, dict[str, TensorType], str]] = [
    (lambda x, v: add(x, broadcast_to(v, (BATCH, 3))), XV, "%0 = add x, v; return y=%0"),
    (lambda x, v: mul(x, full((BATCH, 3), 1.0, "float32")), XV, "return y=x"),
    (
        lambda v: exp(broadcast_to(v, (5, 3))),
        V,
        "%0 = exp v; %1 = broadcast_to(shape=(5, 3)) %0; return y=%1",
    ),
    (lambda v: broadcast_to(v, (3,)), V, "return y=v"),
    (lambda v: BroadcastTo((3,))(v), V, "return y=v"),
    (
        lambda v: broadcast_to(broadcast_to(v, (2, 3)), (4, 2, 3)),
        V,
        "%0 = broadcast_to(shape=(4, 2, 3)) v; return y=%0",
    ),
    (
        lambda v: slice_axis(broadcast_to(v, (8, 3)), 0, 2, 5),
        V,
        "%0 = broadcast_to(shape=(3, 3)) v; return y=%0",
    ),
    (
        lambda v: transpose(broadcast_to(v, (8, 3))),
        V,
        "%0 = reshape(shape=(3, 1)) v; %1 = broadcast_to(shape=(3, 8)) %0; return y=%1",
    ),
    (lambda v: reduce_sum(broadcast_to(v, (8, 3)), 0), V, "%0 = mul v, 8.0:float32[]; return y=%0"),
    (
        lambda v: reduce_sum(broadcast_to(v, (BATCH, 3)), 0),
        V,
        "%0 = dim_value(dim=batch, dtype='float32') ; %1 = mul v, %0; return y=%1",
    ),
    (lambda x, v: add(x, reshape(v, (1, 3))), XV, "%0 = add x, v; return y=%0"),
    (
        lambda x, v: add(x, reshape(v, (3, 1))),
        {"x": f32(3, 4), "v": f32(3)},
        "%0 = reshape(shape=(3, 1)) v; %1 = add x, %0; return y=%1",
    ),
    (
        lambda v: reduce_mean(broadcast_to(v, (8, 3)), (0, 1)),
        V,
        "%0 = reduce_mean(axes=(0), keepdims=False) v; return y=%0",
    ),
    (lambda v: reduce_max(broadcast_to(v, (8, 3)), 0), V, "return y=v"),
    (
        lambda v: reduce_prod(broadcast_to(v, (8, 3)), 0),
        V,
        "%0 = broadcast_to(shape=(8, 3)) v; %1 = reduce_prod(axes=(0), keepdims=False) %0; return y=%1",
    ),
    (
        lambda a, b: matmul(broadcast_to(a, (4, 2, 3)), b),
        {"a": f32(2, 3), "b": f32(4, 3, 2)},
        "%0 = matmul(transpose_a=False, transpose_b=False) a, b; return y=%0",
    ),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: str) -> None:
    assert "; ".join(after(build, **operands)) == expected


def test_every_operand_of_a_selection_broadcasts_by_itself() -> None:
    def build(c: Value, a: Value, b: Value) -> Value:
        return where(broadcast_to(c, (2, 3)), a, broadcast_to(b, (2, 3)))

    text = after(build, c=TensorType("bool", (2, 1)), a=f32(2, 3), b=f32())
    assert text == ["%0 = where c, a, b", "return y=%0"]


def test_a_full_tensor_keeps_its_number_through_reshapes() -> None:
    text = after(lambda x: add(reshape(full((2, 3), 2.0, "float32"), (6,)), x), x=f32(6))
    assert text == ["%0 = add 2.0:float32[], x", "return y=%0"]
