"""A product that a step cuts into parts is made part by part: the cuts then fall on weights, outside of the loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kgraph.ir.graph import Call, Function, Result, Value, transform
from kgraph.ir.op import Op
from kgraph.ops.linalg import MatMul
from kgraph.ops.scan import Scan
from kgraph.ops.shape import Slice, Split, slice_axis, split
from kgraph.passes.base import Pass, register


@register("part_products")
@dataclass(frozen=True)
class PartProducts(Pass):
    """split(a w, -1) -> a split(w, -1), for slices too, where w is an invariant of a scan and nobody reads a w whole.

    Columns are multiplied as before, and no step copies the result apart: that takes half as long as the product
    itself when there are few units.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Scan):
                return None
            body = _parted(call.op, hits)
            return None if body is call.op.body else replace(call.op, body=body).apply(*inputs)

        return transform(function, visit)


def _parted(op: Scan, hits: Counter[str]) -> Function:
    """The body of a scan, its products with invariants made part by part."""
    products = _cut(op)
    if not products:
        return op.body

    def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if not (call.inputs and call.inputs[0] in products):
            return None
        (made,) = inputs
        assert isinstance(made, Result)
        hits["products"] += 1
        a, w = made.call.inputs
        product = products[call.inputs[0]]
        columns = 0 if product.transpose_b else 1
        return [product(a, part) for part in _parts(call.op, w, columns)]

    return transform(op.body, visit)


def _cut(op: Scan) -> dict[Value, MatMul]:
    """Products of matrices with invariants, of which every reader takes some columns."""
    leaves = set(op.body.inputs[op.carries + op.sequences :])
    products: dict[Value, MatMul] = {
        call.results[0]: call.op
        for call in op.body.calls()
        if isinstance(call.op, MatMul)
        and call.inputs[1] in leaves
        and all(value.rank == 2 for value in call.inputs)
    }
    whole = set(op.body.outputs.values())
    whole.update(value for call in op.body.calls() if not _takes_columns(call) for value in call.inputs)
    return {value: product for value, product in products.items() if value not in whole}


def _takes_columns(call: Call) -> bool:
    op, rows = call.op, call.inputs[0].shape[:-1] if call.inputs else ()
    if isinstance(op, Split):
        return op.axis in (-1, len(rows))
    return (
        isinstance(op, Slice)
        and not any(op.starts[:-1])
        and op.stops[:-1] == rows
        and all(step == 1 for step in op.steps)
    )


def _parts(op: Op, w: Value, axis: int) -> Sequence[Value]:
    """The parts of the weights whose products `op` takes from the whole product."""
    if isinstance(op, Split):
        return split(w, op.sizes, axis)
    assert isinstance(op, Slice)
    return [slice_axis(w, axis, op.starts[-1], op.stops[-1])]
