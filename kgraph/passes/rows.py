"""What becomes of a batch in an op: whether its parts can be computed one after the other.

The batch lies along axis 0 of some operands, which are *marked*, in rows: a row of an operand [batch * k, ...] is the k
entries that belong to one sample. Ops take part by an entry in the table at the end; an op that is not in the table is
taken to mix all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from kgraph.ir.dims import divide_exactly
from kgraph.ir.op import Op
from kgraph.ir.types import TensorType, normalize_axis
from kgraph.ops.base import Elementwise
from kgraph.ops.broadcast import ReduceSum, Reduction, Reshape
from kgraph.ops.conv import Conv, ConvBias, ConvFilterGrad, ConvInputGrad
from kgraph.ops.pool import Pool
from kgraph.ops.shape import Concat, Dilate, Pad, Repeat, Reverse, Slice, Transpose


class Rows(Enum):
    """How the result for a batch follows from the results for its parts."""

    EACH = "one behind the other along axis 0"
    SUM = "their sum"


Rule = Callable[[Any, Sequence[TensorType], Sequence[bool]], "Rows | None"]
_RULES: dict[type[Op], Rule] = {}


def over_rows(op: Op, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    """What `op` makes of a batch along axis 0 of the `marked` operands; None if parts of it do not give the result."""
    rule = next((_RULES[base] for base in type(op).__mro__ if base in _RULES), None)
    return rule(op, operands, marked) if rule is not None and any(marked) else None


def by_rows(*ops: type[Op]) -> Callable[[Rule], Rule]:
    """Decorator: the function answers for these op classes and their subclasses."""

    def enter(rule: Rule) -> Rule:
        for op in ops:
            _RULES[op] = rule
        return rule

    return enter


def classes() -> Sequence[type[Op]]:
    """The op classes in the table."""
    return tuple(_RULES)


# -- the table


@by_rows(Elementwise)
def _elementwise(op: Elementwise, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    """The others must be the same for all rows."""
    rank = max(type.rank for type in operands)
    lead = {type.shape[0] for type, mark in zip(operands, marked, strict=True) if mark}
    fits = len(lead) == 1 and all(
        type.rank == rank if mark else type.rank < rank or type.shape[0] == 1
        for type, mark in zip(operands, marked, strict=True)
    )
    return Rows.EACH if fits else None


@by_rows(Conv, ConvBias, ConvInputGrad)
def each_of_the_first(op: Op, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    """Images and a kernel."""
    return Rows.EACH if marked[0] and not any(marked[1:]) else None


@by_rows(Pool)
def each_of_all(op: Op, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    """Images alone."""
    return Rows.EACH if all(marked) else None


@by_rows(ConvFilterGrad)
def sum_of_all(op: Op, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    """Two batches of images, summed over."""
    return Rows.SUM if all(marked) else None


@by_rows(Reshape)
def _reshape(op: Reshape, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    """Axis 0 stays, or takes in axes behind it."""
    whole = bool(op.shape) and divide_exactly(op.shape[0], operands[0].shape[0]) is not None
    return Rows.EACH if whole else None


@by_rows(Transpose)
def _transpose(op: Transpose, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    return Rows.EACH if op.perm[0] == 0 else None


@by_rows(Concat)
def _concat(op: Concat, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    return Rows.EACH if all(marked) and normalize_axis(op.axis, operands[0].rank) != 0 else None


@by_rows(Pad)
def _pad(op: Pad, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    return Rows.EACH if op.pads[0] == (0, 0) else None


@by_rows(Slice)
def _slice(op: Slice, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    whole = (op.starts[0], op.stops[0], op.steps[0]) == (0, operands[0].shape[0], 1)
    return Rows.EACH if whole else None


@by_rows(Dilate)
def _dilate(op: Dilate, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    return Rows.EACH if op.steps[0] == 1 else None


@by_rows(Repeat)
def _repeat(op: Repeat, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    return Rows.EACH if op.counts[0] == 1 else None


@by_rows(Reverse)
def _reverse(op: Reverse, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    return Rows.EACH if 0 not in (normalize_axis(axis, operands[0].rank) for axis in op.axes) else None


@by_rows(Reduction)
def _reduction(op: Reduction, operands: Sequence[TensorType], marked: Sequence[bool]) -> Rows | None:
    """Only a sum is the sum of the sums of its parts."""
    if 0 not in (normalize_axis(axis, operands[0].rank) for axis in op.axes):
        return Rows.EACH
    return Rows.SUM if isinstance(op, ReduceSum) else None
