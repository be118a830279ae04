"""Estimates: more threads where ops are large, one where they are small; loops cost what their steps cost."""

from __future__ import annotations

import pytest

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Value
from kgraph.ir.types import TensorType
from kgraph.ops.elementwise import add
from kgraph.ops.linalg import matmul
from kgraph.ops.scan import scan
from kgraph.plugins.onnx.costs import microseconds, worth_threads


def leaf(name: str, *shape: int | str) -> Input:
    return Input(name, TensorType("float32", tuple(symbol(d) if isinstance(d, str) else d for d in shape)))


def dense(units: int) -> Function:
    x, w = leaf("x", "batch", 784), leaf("w", 784, units)
    return Function("dense", (x, w), {"y": matmul(x, w)})


def recurrent(units: int, steps: int = 20) -> Function:
    h, x, w = leaf("h", "batch", units), leaf("x", steps, "batch", units), leaf("w", units, units)

    def body(carries, slices):  # type: ignore[no-untyped-def]  # as `scan` calls it
        new: Value = add(matmul(carries[0], w), slices[0])
        return [new], []

    (last,), _ = scan(body, [h], [x])
    return Function("recurrent", (h, x, w), {"y": last})


@pytest.mark.parametrize(
    ("function", "batch", "wanted"),
    [
        (dense(512), 128, True),
        (dense(8), 32, False),
        (dense(8), 4096, True),
        (recurrent(32), 64, False),
        (recurrent(512), 64, True),
    ],
)
def test_threads_are_for_large_ops(function: Function, batch: int, wanted: bool) -> None:
    assert worth_threads(function, {"batch": batch}) == wanted


def test_a_step_costs_the_same_wherever_it_stands() -> None:
    def cost(steps: int) -> float:
        return microseconds(recurrent(64, steps), {"batch": 64})

    one, ten = cost(1), cost(10)
    assert 0 < one < 0.3 * ten
    assert cost(19) - ten == pytest.approx(ten - one)
    assert microseconds(dense(512), {"batch": 128}) == pytest.approx(740, rel=0.1)


def test_a_single_row_costs_the_reading_of_the_weights() -> None:
    assert microseconds(dense(512), {"batch": 1}) == pytest.approx(31, rel=0.1)
