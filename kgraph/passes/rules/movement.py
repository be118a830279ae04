"""Reshapes, transposes, slices, pads and concatenations that cancel, merge or do nothing."""

from __future__ import annotations

from collections.abc import Sequence

from kgraph.ir.dims import Dim, Shape, product
from kgraph.ir.graph import Call, Result, Value
from kgraph.ops.activations import Softmax, softmax
from kgraph.ops.broadcast import Reshape, reshape
from kgraph.ops.control import StopGradient
from kgraph.ops.shape import (
    Concat,
    Dilate,
    Pad,
    Reverse,
    Slice,
    Tile,
    Transpose,
    concat,
    pad,
    transpose,
)
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32


class ReshapeSame(Rule):
    """reshape(x) -> x, where the shape stays"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Reshape((2, 3))(x)

    def replace(self, m: Match) -> Value | Declined:
        return m.x if m.x.shape == m.op(Reshape).shape else Declined("the shape changes")


class ReshapeOfReshape(Rule):
    """reshape(reshape(x)) -> reshape(x)"""

    operands = examples(x=f32(2, 6))

    def pattern(self, x: Value) -> Value:
        return Reshape((12,))(Reshape((3, 4))(x))

    def replace(self, m: Match) -> Value:
        return reshape(m.x, m.op(Reshape).shape)


class ReshapeOfSoftmax(Rule):
    """reshape(softmax(x)) -> softmax(reshape(x)), along a last axis that stays, so that a loss meets the softmax"""

    operands = examples(x=f32(6, 4))
    exclusive = True

    def pattern(self, x: Value) -> Value:
        return Reshape((2, 3, 4))(softmax(x))

    def replace(self, m: Match) -> Value | Declined:
        shape = m.op(Reshape).shape
        if m.op(Softmax).axis % m.x.rank != m.x.rank - 1 or not shape or shape[-1] != m.x.shape[-1]:
            return Declined("the axis of the softmax is not last, or changes")
        return softmax(reshape(m.x, shape), len(shape) - 1)


class TransposeOfTranspose(Rule):
    """transpose(transpose(x)) -> transpose(x)"""

    operands = examples(x=f32(2, 3, 4))

    def pattern(self, x: Value) -> Value:
        return Transpose((2, 0, 1))(Transpose((0, 2, 1))(x))

    def replace(self, m: Match) -> Value:
        outer, inner = m.op(Transpose, 0).perm, m.op(Transpose, 1).perm
        return transpose(m.x, [inner[axis] for axis in outer])


class TransposeOfJoined(Rule):
    """transpose(reshape(transpose(x))) -> reshape(transpose(x)), where the first reshape joins neighbouring axes

    The gradient of a kernel in blocks, on its way to the layout of the weight.
    """

    operands = examples(x=f32(2, 3, 4, 5))
    exclusive = True

    def pattern(self, x: Value) -> Value:
        return Transpose((1, 2, 0))(Reshape((6, 5, 4))(Transpose((0, 1, 3, 2))(x)))

    def replace(self, m: Match) -> Value | Declined:
        outer, inner = m.op(Transpose, 0).perm, m.op(Transpose, 1).perm
        joined = _parts([m.x.shape[axis] for axis in inner], m.op(Reshape).shape)
        if joined is None:
            return Declined("an axis is split")
        order = [inner[axis] for group in outer for axis in joined[group]]
        return reshape(transpose(m.x, order), m.root.results[0].shape)


class TransposeOfOnes(Rule):
    """transpose(x) -> reshape(x), where only axes of size 1 move"""

    operands = examples(x=f32(2, 3, 1))

    def pattern(self, x: Value) -> Value:
        return Transpose((0, 2, 1))(x)

    def replace(self, m: Match) -> Value | Declined:
        if not moves_only_ones(m.x.shape, m.op(Transpose).perm):
            return Declined("elements change their order")
        return reshape(m.x, m.root.results[0].shape)


class SliceAll(Rule):
    """slice(x) -> x, where nothing is cut off"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Slice((0, 0), (2, 3), (1, 1))(x)

    def replace(self, m: Match) -> Value | Declined:
        return m.x if m.x.shape == m.root.results[0].shape else Declined("something is cut off")


class SliceOfSlice(Rule):
    """slice(slice(x)) -> slice(x)"""

    operands = examples(x=f32(9, 7))

    def pattern(self, x: Value) -> Value:
        return Slice((1, 0), (3, 4), (1, 2))(Slice((1, 2), (9, 7), (2, 1))(x))

    def replace(self, m: Match) -> Value:
        outer, inner = m.op(Slice, 0), m.op(Slice, 1)
        starts, stops, steps = [], [], []
        for axis, (start, stop, step) in enumerate(zip(outer.starts, outer.stops, outer.steps, strict=True)):
            scale, offset = inner.steps[axis], inner.starts[axis]
            starts.append(offset + start * scale)
            # The last element taken, plus one, so that the slice stays inside x.
            count = m.root.results[0].shape[axis]
            empty = isinstance(count, int) and count == 0
            last = start if empty else stop - 1
            stops.append(offset + last * scale + (0 if empty else 1))
            steps.append(step * scale)
        return Slice(tuple(starts), tuple(stops), tuple(steps))(m.x)


class SliceOfConcat(Rule):
    """slice(concat(a, b)) -> slice(a), where only a is cut from"""

    operands = examples(a=f32(2, 3), b=f32(2, 4))
    family = Slice

    def pattern(self, a: Value, b: Value) -> Value:
        return Slice((0, 3), (2, 6), (1, 2))(Concat(1)(a, b))

    def replace(self, m: Match) -> Value | Declined:
        cut, joined = m.root.op, maker(m.root.inputs[0])
        assert isinstance(cut, Slice)
        assert isinstance(joined.op, Concat)
        axis = joined.op.axis % m.root.results[0].rank
        start, stop = cut.starts[axis], cut.stops[axis]
        offset: Dim = 0
        for part in joined.inputs:
            end = offset + part.shape[axis]
            if _within(offset, start, stop, end):
                inner = Slice(
                    _with(cut.starts, axis, start - offset), _with(cut.stops, axis, stop - offset), cut.steps
                )
                return inner(part)
            offset = end
        return Declined("the slice takes from several operands, or which one is not known")


class SliceOfPad(Rule):
    """slice(pad(x)) -> pad(slice(x)), where that pads less"""

    operands = examples(x=f32(2, 5))
    exclusive = True

    def pattern(self, x: Value) -> Value:
        return Slice((0, 3), (2, 8), (1, 1))(Pad(((0, 0), (2, 2)), 0.5)(x))

    def replace(self, m: Match) -> Value | Declined:
        found = _cut_before_padding(m.op(Slice), m.op(Pad), m.x.shape)
        if isinstance(found, Declined):
            return found
        inner, pads = found
        kept = inner(m.x)
        if pads == m.op(Pad).pads and kept.shape == m.x.shape:
            return Declined("nothing is cut off")
        return pad(kept, pads, m.op(Pad).value)


class SliceInsidePad(Rule):
    """slice(pad(x)) -> slice(x), where the slice takes nothing of the padding"""

    operands = examples(x=f32(2, 5))

    def pattern(self, x: Value) -> Value:
        return Slice((0, 3), (2, 7), (1, 1))(Pad(((0, 0), (2, 2)), 0.5)(x))

    def replace(self, m: Match) -> Value | Declined:
        found = _cut_before_padding(m.op(Slice), m.op(Pad), m.x.shape)
        if isinstance(found, Declined):
            return found
        inner, pads = found
        return inner(m.x) if set(pads) <= {(0, 0)} else Declined("padding is left")


class SliceOfDilate(Rule):
    """slice(dilate(x)) -> x, where the slice takes just the elements that were spread"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Slice((0, 0), (2, 5), (1, 2))(Dilate((1, 2))(x))

    def replace(self, m: Match) -> Value | Declined:
        cut = m.op(Slice)
        if any(start != 0 for start in cut.starts) or cut.steps != m.op(Dilate).steps:
            return Declined("the slice is not the inverse")
        return m.x if m.root.results[0].shape == m.x.shape else Declined("the slice is shorter")


class DilateByOne(Rule):
    """dilate(x) -> x, where every step is 1"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Dilate((1, 1))(x)

    def replace(self, m: Match) -> Value | Declined:
        return m.x if set(m.op(Dilate).steps) <= {1} else Declined("something is spread")


class PadNothing(Rule):
    """pad(x) -> x, where every pad is zero"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Pad(((0, 0), (0, 0)), 1.0)(x)

    def replace(self, m: Match) -> Value | Declined:
        same = all(pair == (0, 0) for pair in m.op(Pad).pads)
        return m.x if same else Declined("something is added")


class PadOfPad(Rule):
    """pad(pad(x)) -> pad(x), where the values are equal"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Pad(((0, 1), (2, 0)), 0.5)(Pad(((1, 1), (0, 0)), 0.5)(x))

    def replace(self, m: Match) -> Value | Declined:
        outer, inner = m.op(Pad, 0), m.op(Pad, 1)
        if outer.value != inner.value:
            return Declined("the values differ")
        pads = [(a + c, b + d) for (a, b), (c, d) in zip(outer.pads, inner.pads, strict=True)]
        return Pad(tuple(pads), outer.value)(m.x)


class ConcatOne(Rule):
    """concat(x) -> x"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Concat(0)(x)

    def replace(self, m: Match) -> Value:
        return m.x


class ConcatOfConcat(Rule):
    """concat(concat(a, b), c) -> concat(a, b, c), along one axis"""

    operands = examples(a=f32(2, 3), b=f32(2, 1), c=f32(2, 2))
    family = Concat

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return Concat(1)(Concat(-1)(a, b), c)

    def replace(self, m: Match) -> Value | Declined:
        rank, op = m.root.results[0].rank, m.root.op
        assert isinstance(op, Concat)
        flat: list[Value] = []
        for value in m.root.inputs:
            inner = maker(value) if isinstance(value, Result) else None
            nested = (
                inner is not None and isinstance(inner.op, Concat) and (inner.op.axis - op.axis) % rank == 0
            )
            flat += inner.inputs if inner is not None and nested else (value,)
        if len(flat) == len(m.root.inputs):
            return Declined("the axes differ")
        return Concat(op.axis)(*flat)


class ConcatOfSlices(Rule):
    """concat(x[:k], x[k:]) -> x"""

    operands = examples(x=f32(2, 5))
    family = Concat

    def pattern(self, x: Value) -> Value:
        return Concat(1)(Slice((0, 0), (2, 3), (1, 1))(x), Slice((0, 3), (2, 5), (1, 1))(x))

    def replace(self, m: Match) -> Value | Declined:
        op = m.root.op
        assert isinstance(op, Concat)
        merged: list[Value] = []
        for value in m.root.inputs:
            joined = _joined(merged[-1], value, op.axis % value.rank) if merged else None
            merged[-1:] = [joined] if joined is not None else [*merged[-1:], value]
        if len(merged) == len(m.root.inputs):
            return Declined("no two neighbours are adjacent slices of one value")
        return concat(merged, op.axis)


class ReverseTwice(Rule):
    """reverse(reverse(x)) -> x, or one reverse over the axes that differ"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Reverse((-1,))(Reverse((1,))(x))

    def replace(self, m: Match) -> Value:
        flipped: set[int] = set()
        for index in range(2):
            flipped ^= {axis % m.x.rank for axis in m.op(Reverse, index).axes}
        return Reverse(tuple(sorted(flipped)))(m.x) if flipped else m.x


class TileOnce(Rule):
    """tile(x) -> x, where nothing is repeated"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Tile((1, 1))(x)

    def replace(self, m: Match) -> Value | Declined:
        return m.x if set(m.op(Tile).repeats) <= {1} else Declined("something is repeated")


class StopGradientGone(Rule):
    """stop_gradient(x) -> x: after differentiation it has done its work"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return StopGradient()(x)

    def replace(self, m: Match) -> Value:
        return m.x


Pads = tuple[tuple[Dim, Dim], ...]


def moves_only_ones(shape: Sequence[Dim], perm: Sequence[int]) -> bool:
    """Whether a permutation keeps the order of all axes longer than 1, so that no element moves."""
    long = [axis for axis in perm if shape[axis] != 1]
    return long == sorted(long)


def _parts(shape: Sequence[Dim], wanted: Sequence[Dim]) -> list[list[int]] | None:
    """The axes of `shape` that each axis of `wanted` is made of, in order; None if it is not made that way."""
    groups: list[list[int]] = []
    axis = 0
    for size in wanted:
        group: list[int] = []
        while axis < len(shape) and (not group or product(shape[a] for a in group) != size):
            group.append(axis)
            axis += 1
        if product(shape[a] for a in group) != size:
            return None
        groups.append(group)
    rest = range(axis, len(shape))
    if any(shape[a] != 1 for a in rest) or (rest and not groups):
        return None
    if rest:
        groups[-1].extend(rest)
    return groups


def maker(value: Value) -> Call:
    """The call that made a value."""
    assert isinstance(value, Result)
    return value.call


def _within(low: Dim, start: Dim, stop: Dim, high: Dim) -> bool:
    """Whether low <= start and stop <= high is certain."""
    before, after = start - low, high - stop
    return isinstance(before, int) and isinstance(after, int) and before >= 0 and after >= 0


def _with(dims: tuple[Dim, ...], axis: int, dim: Dim) -> tuple[Dim, ...]:
    return (*dims[:axis], dim, *dims[axis + 1 :])


def _cut_before_padding(cut: Slice, padded: Pad, shape: Shape) -> tuple[Slice, Pads] | Declined:
    """What to slice off a value of `shape`, and how to pad that, instead of padding it and slicing."""
    starts: list[Dim] = []
    stops: list[Dim] = []
    pads: list[tuple[Dim, Dim]] = []
    for size, (before, after), start, stop, step in zip(
        shape, padded.pads, cut.starts, cut.stops, cut.steps, strict=True
    ):
        whole = (start, stop) == (0, before + size + after) and step == 1
        if whole or (before, after) == (0, 0):
            starts.append(0 if whole else start)
            stops.append(size if whole else stop)
            pads.append((before, after))
            continue
        if step != 1 or not (isinstance(size, int) and isinstance(start, int) and isinstance(stop, int)):
            return Declined("a padded axis is sliced with a step, or its size is symbolic")
        if not (isinstance(before, int) and isinstance(after, int)):
            return Declined("the padding is symbolic")
        left, right = start - before, stop - before
        low, high = min(max(left, 0), size), min(max(right, 0), size)
        if low == high:
            return Declined("only padding is left")
        starts.append(low)
        stops.append(high)
        pads.append((low - left, right - high))
    return Slice(tuple(starts), tuple(stops), cut.steps), tuple(pads)


def _joined(a: Value, b: Value, axis: int) -> Value | None:
    """Two adjacent slices of one value as one, or None."""
    if not (isinstance(a, Result) and isinstance(b, Result)):
        return None
    first, second = a.call.op, b.call.op
    if not (isinstance(first, Slice) and isinstance(second, Slice)) or a.call.inputs != b.call.inputs:
        return None
    if first.steps != second.steps or first.steps[axis] != 1 or first.stops[axis] != second.starts[axis]:
        return None
    whole = Slice(first.starts, _with(first.stops, axis, second.stops[axis]), first.steps)
    same = Slice(_with(second.starts, axis, first.starts[axis]), second.stops, second.steps)
    return whole(*a.call.inputs) if whole == same else None


MERGE_RESHAPES = (ReshapeSame(), ReshapeOfReshape())

RULES = (
    *MERGE_RESHAPES,
    ReshapeOfSoftmax(),
    TransposeOfTranspose(),
    TransposeOfJoined(),
    SliceAll(),
    SliceOfSlice(),
    SliceOfConcat(),
    SliceInsidePad(),
    SliceOfPad(),
    SliceOfDilate(),
    DilateByOne(),
    PadNothing(),
    PadOfPad(),
    ConcatOne(),
    ConcatOfConcat(),
    ConcatOfSlices(),
    ReverseTwice(),
    TileOnce(),
)
AFTER_DIFFERENTIATION = (StopGradientGone(),)
AFTER_LAYOUT = (TransposeOfOnes(),)
