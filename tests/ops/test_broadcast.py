"""Reshape's -1: exact where the sizes divide as expressions, a floor where only the run knows."""

from __future__ import annotations

import pytest

from kgraph.errors import ShapeError
from kgraph.ir.dims import floordiv, symbol
from kgraph.ir.graph import Input
from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import reshape

BATCH, TIME = symbol("batch"), symbol("time")


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [
        ((6, 4), (-1, 8), (3, 8)),
        ((BATCH, 4), (-1,), (BATCH * 4,)),
        ((BATCH, TIME, 4), (BATCH, -1), (BATCH, TIME * 4)),
        ((BATCH, 3), (-1, 2), (floordiv(BATCH * 3, 2), 2)),
    ],
)
def test_the_rest_is_inferred(shape, target, expected) -> None:  # type: ignore[no-untyped-def]
    assert reshape(Input("x", TensorType("float32", shape)), target).shape == expected


@pytest.mark.parametrize("target", [(-1, 5), (-1, 0)])
def test_sizes_that_cannot_divide_are_refused(target: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="cannot infer the -1"):
        reshape(Input("x", TensorType("float32", (6, 4))), target)
