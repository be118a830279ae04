"""Broadcasts go: elementwise ops broadcast by themselves, and what only repeats elements can be computed before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kgraph.ir.dims import Dim, Sym, product
from kgraph.ir.graph import Constant, Result, Value
from kgraph.ops.base import Elementwise
from kgraph.ops.broadcast import (
    BroadcastTo,
    ReduceSum,
    Reduction,
    Reshape,
    broadcast_to,
    kept_shape,
    reshape,
)
from kgraph.ops.elementwise import add, mul
from kgraph.ops.linalg import MatMul, matmul
from kgraph.ops.reduce import ReduceMax, ReduceMean, ReduceMin
from kgraph.ops.shape import DimValue, Slice, Transpose, transpose
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32


def source(value: Value) -> Value | None:
    """What a broadcast repeats, or None for other values."""
    if isinstance(value, Result) and isinstance(value.call.op, BroadcastTo):
        return value.call.inputs[0]
    return None


class ElementwiseOfBroadcast(Rule):
    """f(broadcast_to(x), y) -> broadcast_to(f(x, y)), for every elementwise f"""

    operands = examples(x=f32(3), y=f32(2, 3))
    family = Elementwise

    def pattern(self, x: Value, y: Value) -> Value:
        return add(BroadcastTo((2, 3))(x), y)

    def replace(self, m: Match) -> Value | Declined:
        (made,) = m.root.op.apply(*(source(value) or value for value in m.root.inputs))
        return made


class ElementwiseOfLeadingOnes(Rule):
    """f(reshape(x), y) -> f(x, y), where the reshape only adds leading axes of size 1 that y has too"""

    operands = examples(x=f32(3), y=f32(2, 3))
    family = Elementwise

    def pattern(self, x: Value, y: Value) -> Value:
        return add(Reshape((1, 3))(x), y)

    def replace(self, m: Match) -> Value | Declined:
        operands = [without_leading_ones(value) for value in m.root.inputs]
        if all(new is old for new, old in zip(operands, m.root.inputs, strict=True)):
            return Declined("the reshapes do more than that")
        (made,) = m.root.op.apply(*operands)
        return made if made.type == m.root.results[0].type else Declined("no other operand has these axes")


class BroadcastOfLeadingOnes(Rule):
    """broadcast_to(reshape(x)) -> broadcast_to(x), where the reshape only adds leading axes of size 1"""

    operands = examples(x=f32(3))

    def pattern(self, x: Value) -> Value:
        return BroadcastTo((2, 3))(Reshape((1, 3))(x))

    def replace(self, m: Match) -> Value | Declined:
        if without_leading_ones(m.root.inputs[0]) is not m.x:
            return Declined("the reshape does more than that")
        return broadcast_to(m.x, m.op(BroadcastTo).shape)


class BroadcastSame(Rule):
    """broadcast_to(x) -> x, where the shape stays"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return BroadcastTo((2, 3))(x)

    def replace(self, m: Match) -> Value | Declined:
        return m.x if m.x.shape == m.root.results[0].shape else Declined("the shape grows")


class BroadcastOfBroadcast(Rule):
    """broadcast_to(broadcast_to(x)) -> broadcast_to(x)"""

    operands = examples(x=f32(3))

    def pattern(self, x: Value) -> Value:
        return BroadcastTo((4, 2, 3))(BroadcastTo((2, 3))(x))

    def replace(self, m: Match) -> Value:
        return broadcast_to(m.x, m.op(BroadcastTo).shape)


class ReshapeOfFull(Rule):
    """reshape(broadcast_to(x)) -> broadcast_to(x), where x is one number"""

    operands = examples(x=f32(1))

    def pattern(self, x: Value) -> Value:
        return Reshape((6,))(BroadcastTo((2, 3))(x))

    def replace(self, m: Match) -> Value | Declined:
        if product(m.x.shape) != 1:
            return Declined("x has several elements")
        return broadcast_to(reshape(m.x, ()), m.op(Reshape).shape)


class TransposeOfBroadcast(Rule):
    """transpose(broadcast_to(x)) -> broadcast_to(transpose(x))"""

    operands = examples(x=f32(3))

    def pattern(self, x: Value) -> Value:
        return Transpose((1, 0))(BroadcastTo((2, 3))(x))

    def replace(self, m: Match) -> Value:
        turned = m.op(Transpose)
        return broadcast_to(transpose(padded(m.x, len(turned.perm)), turned.perm), m.root.results[0].shape)


class SliceOfBroadcast(Rule):
    """slice(broadcast_to(x)) -> broadcast_to(slice(x)): repeated axes need no slicing"""

    operands = examples(x=f32(1, 5))

    def pattern(self, x: Value) -> Value:
        return Slice((1, 1), (3, 4), (1, 1))(BroadcastTo((4, 5))(x))

    def replace(self, m: Match) -> Value:
        cut, whole = m.op(Slice), padded(m.x, m.root.results[0].rank)
        repeated = [
            size == 1 and wide != 1 for size, wide in zip(whole.shape, m.op(BroadcastTo).shape, strict=True)
        ]
        inner = Slice(
            tuple(0 if r else start for r, start in zip(repeated, cut.starts, strict=True)),
            tuple(1 if r else stop for r, stop in zip(repeated, cut.stops, strict=True)),
            tuple(1 if r else step for r, step in zip(repeated, cut.steps, strict=True)),
        )
        return broadcast_to(inner(whole), m.root.results[0].shape)


class ReduceOfBroadcast(Rule):
    """sum(broadcast_to(x)) -> sum(x) * repetitions; mean, max and min do not count repetitions"""

    operands = examples(x=f32(3))
    family = Reduction

    def pattern(self, x: Value) -> Value:
        return ReduceSum((0, 1), False)(BroadcastTo((2, 3))(x))

    def replace(self, m: Match) -> Value | Declined:
        op, wide = m.root.op, m.root.inputs[0]
        narrow = source(wide)
        if narrow is None or not isinstance(op, ReduceSum | ReduceMean | ReduceMax | ReduceMin):
            return Declined("repeated factors multiply")
        x = padded(narrow, wide.rank)
        axes = {axis % wide.rank for axis in op.axes}
        repeated = [axis for axis in sorted(axes) if x.shape[axis] == 1 and wide.shape[axis] != 1]
        if not repeated:
            return Declined("no repeated axis is reduced")
        left = tuple(axis for axis in sorted(axes) if axis not in repeated)
        made = replace(op, axes=left, keepdims=True)(x) if left else x
        kept = kept_shape(made.shape, op.axes)
        made = reshape(made, kept if op.keepdims else [d for i, d in enumerate(kept) if i not in axes])
        if isinstance(op, ReduceSum):
            made = mul(made, _number(product(wide.shape[axis] for axis in repeated), x.dtype))
        return made


class MatMulOfBroadcast(Rule):
    """broadcast_to(a) @ broadcast_to(b) -> a @ b, where only batch axes are repeated"""

    operands = examples(a=f32(2, 3), b=f32(4, 3, 2))
    family = MatMul

    def pattern(self, a: Value, b: Value) -> Value:
        return matmul(BroadcastTo((4, 2, 3))(a), b)

    def replace(self, m: Match) -> Value | Declined:
        operands = [self._narrow(value) for value in m.root.inputs]
        if all(new is old for new, old in zip(operands, m.root.inputs, strict=True)):
            return Declined("the matrices themselves are repeated")
        (made,) = m.root.op.apply(*operands)
        return made

    def _narrow(self, value: Value) -> Value:
        narrow = source(value)
        if narrow is None:
            return value
        matrix = padded(narrow, max(narrow.rank, 2))
        return matrix if matrix.shape[-2:] == value.shape[-2:] else value


def padded(x: Value, rank: int) -> Value:
    """`x` with leading axes of size 1 up to `rank`."""
    return reshape(x, (*(1 for _ in range(rank - x.rank)), *x.shape))


def without_leading_ones(value: Value) -> Value:
    """What a reshape was made of, if all that it does is to add leading axes of size 1; else the value."""
    if not (isinstance(value, Result) and isinstance(value.call.op, Reshape)):
        return value
    (x,) = value.call.inputs
    added = value.rank - x.rank
    only_ones = added > 0 and value.shape == (*(1 for _ in range(added)), *x.shape)
    return x if only_ones else value


def _number(count: Dim, dtype: str) -> Value:
    return DimValue(count, dtype)() if isinstance(count, Sym) else Constant(np.asarray(count, dtype))


RULES = (
    ElementwiseOfBroadcast(),
    ElementwiseOfLeadingOnes(),
    BroadcastOfLeadingOnes(),
    BroadcastSame(),
    BroadcastOfBroadcast(),
    ReshapeOfFull(),
    TransposeOfBroadcast(),
    SliceOfBroadcast(),
    ReduceOfBroadcast(),
    MatMulOfBroadcast(),
)
