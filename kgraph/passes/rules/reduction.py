"""Reductions: of nothing, of other reductions, and of what only moves elements."""

from __future__ import annotations

from dataclasses import replace

from kgraph.ir.dims import Dim, Shape, divide_exactly
from kgraph.ir.graph import Value
from kgraph.ops.broadcast import ReduceSum, Reduction, Reshape, reshape
from kgraph.ops.reduce import ReduceMax, ReduceMean, ReduceMin, ReduceProd
from kgraph.ops.shape import Transpose, transpose
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32
from kgraph.passes.rules.movement import maker

# Reducing by parts and then the parts gives the whole.
NESTED = (ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd)


def _reduction(m: Match) -> Reduction:
    op = m.root.op
    assert isinstance(op, Reduction)
    return op


class ReduceSortedAxes(Rule):
    """sum(x, axes (-1, 0)) -> sum(x, axes (0, 2)): one spelling of the axes, so that equal calls are equal"""

    operands = examples(x=f32(2, 3, 4))
    family = Reduction

    def pattern(self, x: Value) -> Value:
        return ReduceSum((-1, 0), False)(x)

    def replace(self, m: Match) -> Value | Declined:
        op, (x,) = _reduction(m), m.root.inputs
        axes = tuple(sorted(axis % x.rank for axis in op.axes))
        return replace(op, axes=axes)(x) if axes != op.axes else Declined("sorted already")


class ReduceOnes(Rule):
    """sum(x) -> reshape(x), over axes of size 1 or none; the same for every other reduction"""

    operands = examples(x=f32(2, 1))
    family = Reduction

    def pattern(self, x: Value) -> Value:
        return ReduceSum((1,), False)(x)

    def replace(self, m: Match) -> Value | Declined:
        op, (x,) = _reduction(m), m.root.inputs
        if not isinstance(op, NESTED):
            return Declined("not known to keep a single element as it is")
        if any(x.shape[axis] != 1 for axis in op.axes):
            return Declined("an axis is longer than 1")
        return reshape(x, m.root.results[0].shape)


class ReduceOfReduce(Rule):
    """sum(sum(x)) -> sum(x), over both sets of axes; the same for mean, max, min and product"""

    operands = examples(x=f32(2, 3, 4))
    family = Reduction

    def pattern(self, x: Value) -> Value:
        return ReduceSum((0,), False)(ReduceSum((1,), False)(x))

    def replace(self, m: Match) -> Value | Declined:
        outer, inner_call = _reduction(m), maker(m.root.inputs[0])
        inner = inner_call.op
        if (
            not isinstance(inner, Reduction)
            or type(inner) is not type(outer)
            or not isinstance(outer, NESTED)
        ):
            return Declined("the two reductions differ")
        (x,) = inner_call.inputs
        first = {axis % x.rank for axis in inner.axes}
        left = list(range(x.rank)) if inner.keepdims else [a for a in range(x.rank) if a not in first]
        second = {left[axis % len(left)] for axis in outer.axes}
        made = replace(outer, axes=tuple(sorted(first | second)))(x)
        return reshape(made, m.root.results[0].shape)


class ReshapeOfReduce(Rule):
    """reshape(sum(x)) -> sum(x), where the reshape only brings back or drops the reduced axes"""

    operands = examples(x=f32(2, 3, 4))
    exclusive = True

    def __init__(self, reduction: type[Reduction]) -> None:
        self.reduction = reduction

    @property
    def name(self) -> str:
        return f"ReshapeOf{self.reduction.__name__}"

    def pattern(self, x: Value) -> Value:
        return Reshape((2, 1, 4))(self.reduction((1,), False)(x))

    def replace(self, m: Match) -> Value | Declined:
        other = replace(m.op(self.reduction), keepdims=not m.op(self.reduction).keepdims)
        if other.infer(m.x.type) != m.root.results[0].type:
            return Declined("the reshape does more than that")
        return other(m.x)


class ReduceOfReshape(Rule):
    """sum(reshape(x)) -> sum(x), where the reduced axes are whole axes of x"""

    operands = examples(x=f32(2, 3, 4))
    family = Reduction

    def pattern(self, x: Value) -> Value:
        return ReduceSum((1,), False)(Reshape((2, 12))(x))

    def replace(self, m: Match) -> Value | Declined:
        op, shaped = _reduction(m), maker(m.root.inputs[0])
        if not isinstance(op, NESTED):
            return Declined("not known to reduce in any order")
        (x,), wide = shaped.inputs, shaped.results[0]
        groups = matching_axes(x.shape, wide.shape)
        if groups is None:
            return Declined("how the shapes correspond is not known")
        axes = {axis % wide.rank for axis in op.axes}
        inner: list[int] = []
        for before, after in groups:
            reduced = [axis for axis in after if axis in axes or wide.shape[axis] == 1]
            if any(axis in axes for axis in after):
                if len(reduced) != len(after):
                    return Declined("a part of an axis of x is reduced")
                inner += before
        if not inner:
            return Declined("only axes of size 1 are reduced")
        made = replace(op, axes=tuple(inner), keepdims=False)(x)
        return reshape(made, m.root.results[0].shape)


class ReduceOfTranspose(Rule):
    """sum(transpose(x)) -> transpose(sum(x)): less is left to transpose"""

    operands = examples(x=f32(2, 3, 4))
    family = Reduction

    def pattern(self, x: Value) -> Value:
        return ReduceSum((1,), False)(Transpose((2, 0, 1))(x))

    def replace(self, m: Match) -> Value | Declined:
        op, turned = _reduction(m), maker(m.root.inputs[0])
        assert isinstance(turned.op, Transpose)
        (x,), perm = turned.inputs, turned.op.perm
        axes = {perm[axis] for axis in op.axes}
        made = replace(op, axes=tuple(sorted(axes)))(x)
        if op.keepdims:
            return transpose(made, perm)
        left = [axis for axis in perm if axis not in axes]
        return transpose(made, [sorted(left).index(axis) for axis in left])


Group = tuple[list[int], list[int]]


def matching_axes(before: Shape, after: Shape) -> list[Group] | None:
    """How a reshape regroups axes: the smallest runs of axes of equal size, in order, or None when that is not known.

    >>> matching_axes((2, 3, 4), (6, 4))
    [([0, 1], [0]), ([2], [1])]
    """
    groups: list[Group] = []
    i = j = 0
    while i < len(before) and j < len(after):
        left, right = [i], [j]
        a, b = before[i], after[j]
        while a != b:
            if _divides(a, b) and left[-1] + 1 < len(before):
                left.append(left[-1] + 1)
                a = before[left[-1]] * a
            elif _divides(b, a) and right[-1] + 1 < len(after):
                right.append(right[-1] + 1)
                b = after[right[-1]] * b
            else:
                return None
        groups.append((left, right))
        i, j = left[-1] + 1, right[-1] + 1
    rest_before, rest_after = list(range(i, len(before))), list(range(j, len(after)))
    if any(before[axis] != 1 for axis in rest_before) or any(after[axis] != 1 for axis in rest_after):
        return None
    if rest_before or rest_after:
        groups.append((rest_before, rest_after))
    return groups


def _divides(a: Dim, b: Dim) -> bool:
    """Whether b is a multiple of a, so that multiplying a by further axes may give b."""
    if a == 0 or b == 0:
        return False
    if isinstance(a, int) and isinstance(b, int):
        return a < b
    return divide_exactly(b, a) is not None


RULES = (
    ReduceSortedAxes(),
    ReduceOnes(),
    ReduceOfReduce(),
    *(ReshapeOfReduce(op) for op in NESTED),
    ReduceOfReshape(),
    ReduceOfTranspose(),
)
