"""What is left of reductions, as text; and how a reshape regroups axes."""

from __future__ import annotations

import pytest

from kgraph.ir.dims import Shape, symbol
from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import reshape
from kgraph.ops.reduce import reduce_max, reduce_mean, reduce_sum
from kgraph.ops.shape import transpose
from kgraph.passes.rewrite import f32
from kgraph.passes.rules.reduction import matching_axes
from tests.passes.show import Build, after

B, T = symbol("batch"), symbol("time")
X = {"x": f32(B, 3, 4)}
CASES: list[tuple[Build, dict[str, TensorType], str]] = [
    (lambda x: reduce_sum(x, 1), {"x": f32(B, 1)}, "%0 = reshape(shape=(batch)) x; return y=%0"),
    (lambda x: reduce_max(x, ()), X, "return y=x"),
    (
        lambda x: reduce_sum(x, (1, 2)),
        {"x": f32(B, 1, 4)},
        "%0 = reduce_sum(axes=(1, 2), keepdims=False) x; return y=%0",
    ),
    (
        lambda x: reduce_sum(reduce_sum(x, 1), 1),
        X,
        "%0 = reduce_sum(axes=(1, 2), keepdims=False) x; return y=%0",
    ),
    (
        lambda x: reduce_mean(reduce_mean(x, 2, keepdims=True), 0),
        X,
        "%0 = reduce_mean(axes=(0, 2), keepdims=False) x; %1 = reshape(shape=(3, 1)) %0; return y=%1",
    ),
    (
        lambda x: reshape(reduce_sum(x, 1), (B, 1, 4)),
        X,
        "%0 = reduce_sum(axes=(1), keepdims=True) x; return y=%0",
    ),
    (
        lambda x: reshape(reduce_max(x, 1, keepdims=True), (B, 4)),
        X,
        "%0 = reduce_max(axes=(1), keepdims=False) x; return y=%0",
    ),
    (
        lambda x: reduce_sum(reshape(x, (B, 12)), 1),
        X,
        "%0 = reduce_sum(axes=(1, 2), keepdims=False) x; return y=%0",
    ),
    (
        lambda x: reduce_sum(reshape(x, (B * 3, 2, 2)), 1),
        X,
        "%0 = reshape(shape=(3*batch, 2, 2)) x; %1 = reduce_sum(axes=(1), keepdims=False) %0; return y=%1",
    ),
    (
        lambda x: reduce_sum(transpose(x, (0, 2, 1)), 2),
        X,
        "%0 = reduce_sum(axes=(1), keepdims=False) x; return y=%0",
    ),
    (
        lambda x: reduce_max(transpose(x, (2, 1, 0)), 1, keepdims=True),
        X,
        "%0 = reduce_max(axes=(1), keepdims=True) x; %1 = transpose(perm=(2, 1, 0)) %0; return y=%1",
    ),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: str) -> None:
    assert "; ".join(after(build, **operands)) == expected


def test_a_sum_that_is_used_in_two_shapes_is_made_once() -> None:
    def build(x: Value) -> tuple[Value, Value]:
        total = reduce_sum(x, 1)
        return total, reshape(total, (B, 1, 4))

    assert after(build, **X)[:2] == [
        "%0 = reduce_sum(axes=(1), keepdims=False) x",
        "%1 = reshape(shape=(batch, 1, 4)) %0",
    ]


@pytest.mark.parametrize(
    ("before", "after_", "groups"),
    [
        ((2, 3, 4), (6, 4), [([0, 1], [0]), ([2], [1])]),
        ((B, T, 4), (B * T, 4), [([0, 1], [0]), ([2], [1])]),
        ((B * T, 4), (B, T, 4), [([0], [0, 1]), ([1], [2])]),
        ((B, 12), (B, 3, 4), [([0], [0]), ([1], [1, 2])]),
        ((B, 4), (B, 4, 1), [([0], [0]), ([1], [1]), ([], [2])]),
        ((B, 1, 4), (B, 4), [([0], [0]), ([1, 2], [1])]),
        ((6, 4), (4, 6), [([0, 1], [0, 1])]),
        ((B, 3), (T,), None),
    ],
)
def test_a_reshape_regroups_axes(before: Shape, after_: Shape, groups: object) -> None:
    assert matching_axes(before, after_) == groups
