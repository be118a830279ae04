"""Products that no later step reads are made after the scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from kgraph.ir.graph import Function, Input, Value
from kgraph.ir.types import TensorType
from kgraph.ops.activations import tanh
from kgraph.ops.elementwise import add
from kgraph.ops.linalg import matmul
from kgraph.ops.samples import floats
from kgraph.ops.scan import Scan, scan
from kgraph.passes.scans.sink import SinkFromScans
from tests.passes.scans.test_scans import assert_same_meaning

T, B, U = 4, 3, 2


def walk(stacked: bool = True, carried: bool = False, reverse: bool = False) -> Function:
    """y = tanh(h + x) and y w as outputs, of which y may be missing and y w may be carried on."""
    shapes = {"x": (T, B, U), "h": (B, U), "w": (U, U)}
    x, h, w = (Input(name, TensorType("float64", shape)) for name, shape in shapes.items())

    def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        y = tanh(add(carries[0], slices[0]))
        made = matmul(y, w)
        return [made if carried else y], [made, y] if stacked else [made]

    (last,), outputs = scan(step, [h], [x], keep=False, reverse=reverse)
    return Function("walk", (x, h, w), {"last": last, **{f"y{i}": y for i, y in enumerate(outputs)}})


@pytest.mark.parametrize("reverse", [False, True])
def test_a_product_of_an_output_is_made_of_all_outputs(reverse: bool) -> None:
    before, hits = walk(reverse=reverse), Counter[str]()
    after = SinkFromScans()(before, hits)
    (op,) = [call.op for call in after.calls() if isinstance(call.op, Scan)]
    assert hits["products"] == 1
    assert op.outputs == 1
    assert "matmul" not in {call.op.name for call in op.body.calls()}
    arrays = [floats(*leaf.shape, low=-1, high=1, dtype="float64") for leaf in before.inputs]
    assert_same_meaning(before, after, arrays)


@pytest.mark.parametrize("function", [walk(stacked=False), walk(carried=True)], ids=["alone", "carried"])
def test_other_products_stay(function: Function) -> None:
    assert SinkFromScans()(function, Counter()) is function
