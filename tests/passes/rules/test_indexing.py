"""What is left of rows that are taken from rows."""

from __future__ import annotations

import pytest

from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import reshape
from kgraph.ops.shape import Gather
from kgraph.passes.rewrite import f32
from tests.passes.show import Build, after

OPERANDS = {"table": f32(9, 6), "ids": TensorType("int32", (2, 5)), "rows": TensorType("int64", (7,))}
CASES: list[tuple[Build, str]] = [
    (
        lambda table, ids, rows: Gather(0)(reshape(Gather(0)(table, ids), (10, 6)), rows),
        "%0 = reshape(shape=(10)) ids; %1 = gather(axis=0) %0, rows; %2 = gather(axis=0) table, %1; return y=%2",
    ),
    (
        lambda table, ids, rows: Gather(0)(reshape(Gather(0)(table, ids), (20, 3)), rows),
        "%0 = gather(axis=0) table, ids; %1 = reshape(shape=(20, 3)) %0; %2 = gather(axis=0) %1, rows; return y=%2",
    ),
]


@pytest.mark.parametrize(("build", "expected"), CASES)
def test_leaves(build: Build, expected: str) -> None:
    assert "; ".join(after(build, **OPERANDS)) == expected
