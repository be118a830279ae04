"""What is left of reshapes, transposes, slices, pads and concatenations, as text."""

from __future__ import annotations

import pytest

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import Reshape, reshape
from kgraph.ops.control import stop_gradient
from kgraph.ops.shape import (
    Concat,
    Dilate,
    Pad,
    Reverse,
    Slice,
    Tile,
    concat,
    pad,
    slice_axis,
    transpose,
)
from kgraph.passes.rewrite import f32
from kgraph.passes.simplify import Simplify
from tests.passes.show import Build, after

BATCH = symbol("batch")
X = {"x": f32(4, 6)}
AB = {"a": f32(2, 3), "b": f32(2, 5)}
CASES: list[tuple[Build, dict[str, TensorType], str]] = [
    (lambda x: reshape(reshape(x, (2, 12)), (8, 3)), X, "%0 = reshape(shape=(8, 3)) x; return y=%0"),
    (lambda x: reshape(reshape(x, (24,)), (4, 6)), X, "return y=x"),
    (lambda x: Reshape((4, 6))(x), X, "return y=x"),
    (lambda x: transpose(transpose(x)), X, "return y=x"),
    (
        lambda x: transpose(transpose(x, (0, 2, 3, 1)), (0, 2, 1, 3)),
        {"x": f32(2, 3, 4, 5)},
        "%0 = transpose(perm=(0, 3, 2, 1)) x; return y=%0",
    ),
    (
        lambda x: transpose(x, (0, 3, 1, 2)),
        {"x": f32(BATCH, 28, 28, 1)},
        "%0 = reshape(shape=(batch, 1, 28, 28)) x; return y=%0",
    ),
    (lambda x: slice_axis(x, 1, 0, 6), X, "return y=x"),
    (
        lambda x: slice_axis(slice_axis(x, 1, 1, 6, 2), 1, 1, 3),
        X,
        "%0 = slice(starts=(0, 3), stops=(4, 6), steps=(1, 2)) x; return y=%0",
    ),
    (lambda a, b: slice_axis(concat([a, b], 1), 1, 3, 8), AB, "return y=b"),
    (
        lambda a, b: slice_axis(concat([a, b], -1), 1, 1, 3),
        AB,
        "%0 = slice(starts=(0, 1), stops=(2, 3), steps=(1, 1)) a; return y=%0",
    ),
    (
        lambda a, b: slice_axis(concat([a, b], 1), 1, 2, 4),
        AB,
        "%0 = concat(axis=1) a, b; %1 = slice(starts=(0, 2), stops=(2, 4), steps=(1, 1)) %0; return y=%1",
    ),
    (lambda x: slice_axis(pad(x, ((0, 0), (2, 1))), 1, 2, 8), X, "return y=x"),
    (
        lambda x: slice_axis(pad(x, ((0, 0), (2, 3))), 1, 1, 5),
        X,
        "%0 = slice(starts=(0, 0), stops=(4, 3), steps=(1, 1)) x; "
        "%1 = pad(pads=((0, 0), (1, 0)), value=0.0) %0; return y=%1",
    ),
    (
        lambda x: slice_axis(pad(x, ((2, 3), (0, 0))), 1, 0, 2),
        {"x": f32(BATCH, 6)},
        "%0 = slice(starts=(0, 0), stops=(batch, 2), steps=(1, 1)) x; "
        "%1 = pad(pads=((2, 3), (0, 0)), value=0.0) %0; return y=%1",
    ),
    (lambda x: Slice((0, 0), (4, 11), (1, 2))(Dilate((1, 2))(x)), X, "return y=x"),
    (lambda x: Dilate((1, 1))(x), X, "return y=x"),
    (lambda x: Pad(((0, 0), (0, 0)))(x), X, "return y=x"),
    (
        lambda x: pad(pad(x, ((1, 0), (0, 2))), ((0, 3), (1, 0))),
        X,
        "%0 = pad(pads=((1, 3), (1, 2)), value=0.0) x; return y=%0",
    ),
    (lambda x: Concat(0)(x), X, "return y=x"),
    (
        lambda a, b: concat([concat([a, b], 1), b], -1),
        AB,
        "%0 = concat(axis=-1) a, b, b; return y=%0",
    ),
    (lambda x: concat([slice_axis(x, 1, 0, 2), slice_axis(x, 1, 2, 6)], 1), X, "return y=x"),
    (
        lambda x: concat([slice_axis(x, 1, 2, 6), slice_axis(x, 1, 0, 2)], 1),
        X,
        "%0 = slice(starts=(0, 2), stops=(4, 6), steps=(1, 1)) x; "
        "%1 = slice(starts=(0, 0), stops=(4, 2), steps=(1, 1)) x; %2 = concat(axis=1) %0, %1; return y=%2",
    ),
    (lambda x: Reverse((0,))(Reverse((-2,))(x)), X, "return y=x"),
    (lambda x: Reverse((0,))(Reverse((0, 1))(x)), X, "%0 = reverse(axes=(1)) x; return y=%0"),
    (lambda x: Tile((1, 1))(x), X, "return y=x"),
    (lambda x: stop_gradient(x), X, "return y=x"),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: str) -> None:
    assert "; ".join(after(build, **operands)) == expected


def test_gradients_still_stop_where_they_should_before_differentiation() -> None:
    assert after(stop_gradient, Simplify(), **X)[0] == "%0 = stop_gradient x"


def test_padding_that_several_slices_share_is_made_once() -> None:
    def build(x: Value) -> tuple[Value, Value, Value]:
        padded = pad(x, ((0, 0), (2, 2)))
        return (*(slice_axis(padded, 1, start, start + 6) for start in (0, 4)), slice_axis(padded, 1, 2, 5))

    text = after(build, **X)
    assert sum("= pad" in line for line in text) == 1
    assert "slice(starts=(0, 0), stops=(4, 3), steps=(1, 1)) x" in text[-2]


def test_slices_of_symbolic_operands_find_their_part() -> None:
    def build(a: Value, b: Value) -> Value:
        return slice_axis(concat([a, b], 0), 0, BATCH, BATCH + 4)

    assert after(build, a=f32(BATCH, 3), b=f32(4, 3)) == ["return y=b"]
