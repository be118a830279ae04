"""The law of `passes/rows`: what an op is said to make of a batch, it makes, for every op with samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from kgraph.ir.interpret import run
from kgraph.ir.op import Op, Sample
from kgraph.ir.types import Array, TensorType, type_of
from kgraph.ops.broadcast import Reshape
from kgraph.ops.samples import floats
from kgraph.ops.shape import Slice
from kgraph.passes.rows import Rows, classes, over_rows
from kgraph.testing import op_samples
from kgraph.testing.op_laws import sample_function

SAMPLES = op_samples() | {
    "reshape-rows": Sample(Reshape((2, 3, 2)), (floats(2, 6),)),
    "slice-rows": Sample(Slice((0, 1), (2, 5), (1, 2)), (floats(2, 6),)),
}


def markings(sample: Sample) -> Iterator[tuple[int, list[bool]]]:
    """Sizes that axis 0 of some operands has, with each choice of operands that have it."""
    sizes = [array.shape[0] if array.ndim else 0 for array in sample.inputs]
    for size in {size for size in sizes if size > 1}:
        alike = [i for i, other in enumerate(sizes) if other == size]
        for count in range(1, len(alike) + 1):
            for chosen in combinations(alike, count):
                yield size, [i in chosen for i in range(len(sizes))]


def resized(op: Op, whole: int, part: int) -> Op:
    """The op for fewer rows: those that name the size of axis 0 would have named another."""
    if isinstance(op, Reshape):
        return Reshape((op.shape[0] * part // whole, *op.shape[1:]))
    if isinstance(op, Slice):
        return replace(op, stops=(part, *op.stops[1:]))
    return op


def result_for(sample: Sample, arrays: list[Array], part: int, whole: int) -> Array:
    op = resized(sample.op, whole, part)
    (made,) = run(sample_function(replace(sample, op=op, inputs=tuple(arrays))), arrays)[0].values()
    return made


def check(sample: Sample, size: int, marked: list[bool], found: Rows) -> None:
    whole = result_for(sample, list(sample.inputs), size, size)
    parts = []
    for rows in (slice(0, 1), slice(1, size)):
        arrays = [a[rows] if mark else a for a, mark in zip(sample.inputs, marked, strict=True)]
        parts.append(result_for(sample, arrays, len(range(size)[rows]), size))
    made = np.concatenate(parts) if found is Rows.EACH else parts[0] + parts[1]
    np.testing.assert_allclose(made, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SAMPLES)
def test_parts_give_the_whole(name: str) -> None:
    sample = SAMPLES[name]
    types: list[TensorType] = [type_of(array) for array in sample.inputs]
    for size, marked in markings(sample):
        found = over_rows(sample.op, types, marked)
        assert found is None or isinstance(found, Rows)
        if found is not None:
            check(sample, size, marked, found)


@pytest.mark.parametrize("op", classes(), ids=lambda op: op.__name__)
def test_each_entry_of_the_table_is_used(op: type[Op]) -> None:
    answers = [
        over_rows(sample.op, [type_of(array) for array in sample.inputs], marked)
        for sample in SAMPLES.values()
        if isinstance(sample.op, op)
        for _, marked in markings(sample)
    ]
    assert any(answers)
