"""What is left of padding around pixels."""

from __future__ import annotations

import pytest

from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.activations import relu, tanh
from kgraph.ops.conv import conv
from kgraph.ops.pool import max_pool
from kgraph.ops.shape import pad, transpose
from kgraph.passes.rewrite import f32
from tests.passes.show import Build, after

AROUND = ((1, 1), (0, 1))
IMAGE = {"x": f32(2, 3, 6, 8)}
LAST = {"x": f32(2, 6, 8, 3), "w": f32(4, 3, 3, 3)}


def framed(x: Value, value: float = 0.0) -> Value:
    return pad(x, [(0, 0), (0, 0), *AROUND], value)


def framed_last(x: Value, *channels: int) -> Value:
    return transpose(pad(x, [(0, 0), *AROUND, channels or (0, 0)]), (0, 3, 1, 2))  # type: ignore[list-item]  # a pair


CASES: list[tuple[Build, dict[str, TensorType], list[str]]] = [
    (lambda x: conv(framed(x), x), IMAGE, ["conv"]),
    (lambda x, w: conv(framed_last(x), w), LAST, ["transpose", "conv"]),
    (
        lambda x, w: conv(framed_last(x, 0, 1), w),
        {**LAST, "w": f32(4, 4, 3, 3)},
        ["pad", "transpose", "conv"],
    ),
    (lambda x: max_pool(framed(relu(x)), (2, 2)), IMAGE, ["relu", "max_pool"]),
    (lambda x: max_pool(framed(x), (2, 2)), IMAGE, ["pad", "max_pool"]),
    (lambda x: max_pool(framed(relu(x), 1.0), (2, 2)), IMAGE, ["relu", "pad", "max_pool"]),
    (lambda x: max_pool(framed(relu(x)), (1, 2)), IMAGE, ["relu", "pad", "max_pool"]),
    (lambda x: max_pool(framed(tanh(x)), (2, 2)), IMAGE, ["tanh", "pad", "max_pool"]),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: list[str]) -> None:
    assert [line.split()[2].partition("(")[0] for line in after(build, **operands)[:-1]] == expected
