"""Products that a step cuts apart are made part by part, unless somebody reads them whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from kgraph.ir.graph import Function, Input, Value
from kgraph.ir.types import TensorType
from kgraph.ops.activations import tanh
from kgraph.ops.elementwise import add, mul
from kgraph.ops.linalg import matmul
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.samples import floats
from kgraph.ops.scan import Scan, scan
from kgraph.ops.shape import slice_axis, split
from kgraph.passes.scans.parts import PartProducts
from tests.passes.scans.test_scans import assert_same_meaning

T, B, U = 4, 3, 2
Cut = Callable[[Value], Sequence[Value]]


def walk(cut: Cut, whole: bool = False, transposed: bool = False, outer: bool = True) -> Function:
    """h' = tanh of the sum of the parts that `cut` takes from (h + x) w, with w from outside or made of x."""
    shapes = {"x": (T, B, U), "h": (B, U), "w": (2 * U, U) if transposed else (U, 2 * U)}
    x, h, w = (Input(name, TensorType("float64", shape)) for name, shape in shapes.items())

    def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        weights = w if outer else mul(w, reduce_sum(slices[0]))
        made = matmul(add(carries[0], slices[0]), weights, transpose_b=transposed)
        first, *rest = cut(made)
        for part in rest:
            first = add(first, part)
        return [tanh(first)], [made] if whole else []

    (last,), outputs = scan(step, [h], [x], keep=False)
    return Function("walk", (x, h, w), {"last": last, **{f"y{i}": y for i, y in enumerate(outputs)}})


CUTS: dict[str, Cut] = {
    "split": lambda z: split(z, [U, U], -1),
    "slices": lambda z: [slice_axis(z, 1, U, 2 * U), slice_axis(z, 1, 0, U)],
}


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("cut", CUTS)
def test_parts_of_a_product_are_products_with_parts(cut: str, transposed: bool) -> None:
    before, hits = walk(CUTS[cut], transposed=transposed), Counter[str]()
    after = PartProducts()(before, hits)
    (op,) = [call.op for call in after.calls() if isinstance(call.op, Scan)]
    cuts = [call for call in op.body.calls() if call.op.name in CUTS or call.op.name == "slice"]
    assert hits["products"] == (1 if cut == "split" else 2)
    assert {call.inputs[0] for call in cuts} == {op.body.inputs[-1]}
    arrays = [floats(*leaf.shape, low=-1, high=1, dtype="float64") for leaf in before.inputs]
    assert_same_meaning(before, after, arrays)


@pytest.mark.parametrize(
    "function",
    [
        walk(CUTS["split"], whole=True),
        walk(lambda z: [*split(z, [U, U], -1), slice_axis(tanh(z), 1, 0, U)]),
        walk(lambda z: [slice_axis(z, 1, 0, 2 * U, 2)]),
        walk(CUTS["split"], outer=False),
    ],
    ids=["an output", "read whole", "every other column", "not with an invariant"],
)
def test_other_products_stay_whole(function: Function) -> None:
    assert PartProducts()(function, Counter()) is function
