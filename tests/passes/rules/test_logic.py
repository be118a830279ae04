"""What is left of selections, Boolean algebra and casts, as text."""

from __future__ import annotations

import pytest

from kgraph.ir.graph import constant
from kgraph.ir.types import TensorType
from kgraph.ops.logic import And, Cast, Not, Or, cast, equal, where
from kgraph.passes.rewrite import f32
from tests.passes.show import Build, after

MASK = TensorType("bool", (2, 3))
C = {"c": MASK}
CXY = {"c": MASK, "x": f32(2, 3), "y": f32(2, 3)}
CDXY = {"c": MASK, "d": MASK, "x": f32(2, 3), "y": f32(2, 3)}
TRUE, FALSE = constant(True), constant(False)
CASES: list[tuple[Build, dict[str, TensorType], str]] = [
    (lambda c, x, y: where(c, x, x), CXY, "return y=x"),
    (lambda c, x, y: where(TRUE, x, y), CXY, "return y=x"),
    (lambda c, x, y: where(constant([False] * 3), x, y), CXY, "return y=y"),
    (lambda c, x, y: where(Not()(c), x, y), CXY, "%0 = where c, y, x; return y=%0"),
    (lambda c, x, y: where(c, where(c, x, y), x), CXY, "return y=x"),
    (
        lambda c, d, x, y: where(c, where(d, x, y), y),
        CDXY,
        "%0 = and c, d; %1 = where %0, x, y; return y=%1",
    ),
    (lambda c: where(c, constant(1.0, "float32"), 0.0), C, "%0 = cast(dtype='float32') c; return y=%0"),
    (lambda c: Not()(Not()(c)), C, "return y=c"),
    (
        lambda n: Not()(equal(n, 0)),
        {"n": TensorType("int64", (3,))},
        "%0 = cast(dtype='bool') n; return y=%0",
    ),
    (lambda x: Not()(equal(x, 0.0)), {"x": f32(3)}, "%0 = equal x, 0.0:float32[]; %1 = not %0; return y=%1"),
    (lambda c: And()(c, Or()(c, c)), C, "return y=c"),
    (lambda c: And()(TRUE, Or()(c, FALSE)), C, "return y=c"),
    (lambda c: Cast("bool")(c), C, "return y=c"),
    (lambda c: cast(cast(c, "float32"), "int32"), C, "%0 = cast(dtype='int32') c; return y=%0"),
]


@pytest.mark.parametrize(("build", "operands", "expected"), CASES)
def test_leaves(build: Build, operands: dict[str, TensorType], expected: str) -> None:
    assert "; ".join(after(build, **operands)) == expected


@pytest.mark.parametrize(
    ("dtype", "between"),
    [("float32", "int32"), ("int32", "float32"), ("int64", "float64"), ("int32", "uint32")],
)
def test_a_cast_that_loses_something_stays(dtype: str, between: str) -> None:
    text = after(lambda x: cast(cast(x, between), dtype), x=TensorType(dtype, (2,)))
    assert len(text) == 3
