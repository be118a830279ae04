"""Layout: transposes travel towards the outputs until they meet their inverse and vanish.

Convolution and pooling want channels first. A channels_last model is traced with a transpose before and one behind each
of them, and most of what stands between does not care about the order of axes: elementwise ops, reductions,
normalisation, padding, concatenation. So f(transpose(x)) becomes transpose(f(x)), with the attributes of f relabelled,
whenever that adds no transpose of another operand. What remains is the transpose of the network's input, and one where
the order of elements is really asked for, as in Flatten.

This runs before differentiation; the gradient graph is then channels first as well.

Ops take part by an entry in the table at the end: `(site) -> results`, where a `Site` is a call with transposed
operands. An op that is not in the table keeps its transposes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kgraph.ir.dims import Shape
from kgraph.ir.graph import Call, Constant, Function, Result, Value, transform
from kgraph.ir.op import Op
from kgraph.ops.activations import LogSoftmax, PRelu, Softmax
from kgraph.ops.base import Elementwise
from kgraph.ops.broadcast import BroadcastTo, Reduction, Reshape, reshape
from kgraph.ops.norm import BatchNorm, BatchNormTrain
from kgraph.ops.random import Dropout, Random
from kgraph.ops.reduce import ArgMax, ArgMin, CumSum
from kgraph.ops.shape import (
    Concat,
    Dilate,
    Pad,
    Repeat,
    Reverse,
    Slice,
    Split,
    Tile,
    Transpose,
    inverse_permutation,
    transpose,
)
from kgraph.passes.base import Pass, register
from kgraph.passes.rewrite import count_uses
from kgraph.passes.rules.movement import moves_only_ones
from kgraph.passes.rules.reduction import matching_axes

Perm = tuple[int, ...]


@register("layout")
@dataclass(frozen=True)
class SinkTransposes(Pass):
    """f(transpose(x)) -> transpose(f(x)), where f does not care about the order of axes; inverse transposes cancel."""

    redraws = True
    settles = False

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        if not any(isinstance(call.op, Transpose) for call in function.calls()):
            return function
        walk = _Walk(function)

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            made = walk.sink(call, inputs)
            if made is None:
                return None
            hits[call.op.name] += 1
            return made

        return transform(function, visit)


def turned(value: Value) -> tuple[Value, Perm] | None:
    """What a transposed value was made of, and how; None for other values."""
    if isinstance(value, Result) and isinstance(value.call.op, Transpose):
        return value.call.inputs[0], value.call.op.perm
    return None


class _Walk:
    """What is known of the whole function while its calls are visited."""

    def __init__(self, function: Function) -> None:
        self.uses = count_uses(function)
        self.wanted: dict[Value, set[Perm]] = {}
        """Transposes that the function asks for anyway."""
        for call in function.calls():
            if isinstance(call.op, Transpose):
                self.wanted.setdefault(call.inputs[0], set()).add(call.op.perm)

    def sink(self, call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        self._follow(call.inputs, inputs)
        found = next(((i, t) for i, v in enumerate(inputs) if (t := turned(v)) is not None), None)
        if found is None:
            return None
        made: Sequence[Value] | None
        if isinstance(call.op, Transpose):
            source, perm = found[1]
            made = (transpose(source, [perm[axis] for axis in call.op.perm]),)
        else:
            handler = _handler(type(call.op))
            index, (source, perm) = found
            made = handler(Site(call.op, inputs, index, source, perm, self)) if handler is not None else None
        if made is not None:
            self._follow(call.results, made)
        return made

    def _follow(self, old: Sequence[Value], new: Sequence[Value]) -> None:
        for before, after in zip(old, new, strict=True):
            if before is not after and after not in self.uses:
                self.uses[after] = self.uses[before]
                if before in self.wanted:
                    self.wanted[after] = self.wanted[before]

    def relaid(self, value: Value, perm: Perm) -> Value | None:
        """`value` such that transposing it by `perm` gives back what `value` broadcasts to; None if that costs a
        transpose. The rank is that of `perm` or less, as broadcasting allows."""
        source = turned(value)
        if source is not None and _extended(source[1], len(perm)) == perm:
            return source[0]
        if value.rank == 0:
            return value
        inverse = inverse_permutation(perm)
        whole = (*(1 for _ in range(len(perm) - value.rank)), *value.shape)
        target = tuple(whole[axis] for axis in inverse)
        if isinstance(value, Constant):
            return Constant(np.ascontiguousarray(value.array.reshape(_ints(whole)).transpose(inverse)))
        if moves_only_ones(whole, inverse):
            return reshape(value, _without_leading_ones(target))
        if value.rank == len(perm) and inverse in self.wanted.get(value, ()):
            return transpose(value, inverse)
        return self._relaid_cone(value, perm, target)

    def _relaid_cone(self, value: Value, perm: Perm, target: Shape) -> Value | None:
        """Make a value that nothing else uses in the other layout from the start."""
        if not isinstance(value, Result) or self.uses[value] != 1 or value.rank != len(perm):
            return None
        op, inputs = value.call.op, value.call.inputs
        if isinstance(op, BroadcastTo):
            (narrow,) = inputs
            inner = self.relaid(narrow, perm)
            return None if inner is None else BroadcastTo(target)(inner)
        if isinstance(op, Random):
            # Other numbers fall on other elements, but they are as random as before.
            return op.with_shape(target)(*inputs)
        if isinstance(op, Elementwise):
            operands = [self.relaid(operand, perm) for operand in inputs]
            known = [operand for operand in operands if operand is not None]
            return op(*known) if len(known) == len(operands) else None
        return None


@dataclass
class Site:
    """A call with transposed operands: operand `index` is `transpose(source, perm)`."""

    op: Any
    operands: tuple[Value, ...]
    index: int
    source: Value
    perm: Perm
    walk: _Walk = field(repr=False)

    def relaid(self, rank: int) -> list[Value] | None:
        """All operands in the layout of `source`, or None when that would add transposes."""
        perm = _extended(self.perm, rank)
        made = [self.walk.relaid(operand, perm) for operand in self.operands]
        saved = {operand for operand in self.operands if turned(operand) and self.walk.uses[operand] == 1}
        added = {operand for operand, new in zip(self.operands, made, strict=True) if new is None}
        if added and (len(added) >= len(saved) or any(operand.rank != rank for operand in added)):
            return None
        inverse = inverse_permutation(perm)
        return [
            transpose(operand, inverse) if new is None else new
            for operand, new in zip(self.operands, made, strict=True)
        ]

    def only(self, op: Op) -> tuple[Value, ...] | None:
        """`op` of the source and the other operands as they are; transposed operands among these are refused."""
        if self.index != 0:
            return None
        return op.apply(self.source, *self.operands[1:])

    def axis(self, axis: int) -> int:
        """Where an axis of the transposed value lies in the source."""
        return self.perm[axis % len(self.perm)]

    def per_axis(self, entries: Sequence[Any]) -> tuple[Any, ...]:
        """An attribute with one entry for each axis, as the source has them."""
        return tuple(entries[axis] for axis in inverse_permutation(self.perm))

    def back(self, value: Value) -> Value:
        """A result in the layout of the source as the call gave it."""
        return transpose(value, _extended(self.perm, value.rank))


def _extended(perm: Perm, rank: int) -> Perm:
    """A permutation of trailing axes as one of `rank` axes."""
    lead = rank - len(perm)
    return (*range(lead), *(axis + lead for axis in perm))


def _without_leading_ones(shape: Shape) -> Shape:
    first = next((i for i, dim in enumerate(shape) if dim != 1), len(shape))
    return shape[first:]


def _ints(shape: Shape) -> tuple[int, ...]:
    return tuple(dim for dim in shape if isinstance(dim, int))


# -- the table

Handler = Callable[[Site], "Sequence[Value] | None"]
_HANDLERS: dict[type[Op], Handler] = {}


def sinks(*ops: type[Op]) -> Callable[[Handler], Handler]:
    """Decorator: the function sinks transposes through these op classes and their subclasses."""

    def enter(handler: Handler) -> Handler:
        for op in ops:
            _HANDLERS[op] = handler
        return handler

    return enter


def _handler(op: type[Op]) -> Handler | None:
    return next((_HANDLERS[base] for base in op.__mro__ if base in _HANDLERS), None)


@sinks(Elementwise, PRelu)
def _elementwise(site: Site) -> Sequence[Value] | None:
    rank = max(operand.rank for operand in site.operands)
    operands = site.relaid(rank)
    return None if operands is None else [site.back(site.op(*operands))]


@sinks(Concat)
def _concat(site: Site) -> Sequence[Value] | None:
    operands = site.relaid(len(site.perm))
    if operands is None or any(operand.rank != len(site.perm) for operand in operands):
        return None
    return [site.back(Concat(site.axis(site.op.axis))(*operands))]


@sinks(Softmax, LogSoftmax, CumSum, Split)
def _along_axis(site: Site) -> Sequence[Value] | None:
    made = site.only(replace(site.op, axis=site.axis(site.op.axis)))
    return None if made is None else [site.back(result) for result in made]


@sinks(BatchNorm, BatchNormTrain)
def _normalization(site: Site) -> Sequence[Value] | None:
    """The first result has the shape of x; the others are vectors."""
    made = site.only(replace(site.op, axis=site.axis(site.op.axis)))
    return None if made is None else [site.back(made[0]), *made[1:]]


@sinks(Dropout)
def _dropout(site: Site) -> Sequence[Value] | None:
    """Each element is as likely to be dropped as before; which ones are is another draw."""
    shape = site.op.noise_shape
    if shape is not None and len(shape) != len(site.perm):
        return None
    made = site.only(site.op if shape is None else replace(site.op, noise_shape=site.per_axis(shape)))
    return None if made is None else [site.back(made[0])]


@sinks(Reduction)
def _reduction(site: Site) -> Sequence[Value] | None:
    axes = sorted(site.axis(axis) for axis in site.op.axes)
    reduced = replace(site.op, axes=tuple(axes))(site.source)
    return [site.back(reduced) if site.op.keepdims else _drop(reduced, site.perm, axes)]


@sinks(ArgMax, ArgMin)
def _arg_extremum(site: Site) -> Sequence[Value] | None:
    axis = site.axis(site.op.axis)
    return [_drop(replace(site.op, axis=axis)(site.source), site.perm, [axis])]


def _drop(value: Value, perm: Perm, axes: Sequence[int]) -> Value:
    """A result from which `axes` of the source are gone, in the order that `perm` gives to the others."""
    left = [axis for axis in perm if axis not in axes]
    return transpose(value, [sorted(left).index(axis) for axis in left])


@sinks(Reverse)
def _reverse(site: Site) -> Sequence[Value] | None:
    return [site.back(Reverse(tuple(site.axis(axis) for axis in site.op.axes))(site.source))]


@sinks(Pad, Slice, Dilate, Tile, Repeat)
def _per_axis(site: Site) -> Sequence[Value] | None:
    entries = {key: site.per_axis(value) for key, value in site.op.attributes().items() if key != "value"}
    return [site.back(replace(site.op, **entries)(site.source))]


@sinks(BroadcastTo)
def _broadcast(site: Site) -> Sequence[Value] | None:
    perm = _extended(site.perm, len(site.op.shape))
    shape = tuple(site.op.shape[axis] for axis in inverse_permutation(perm))
    source = reshape(site.source, (*(1 for _ in range(len(perm) - len(site.perm))), *site.source.shape))
    return [transpose(BroadcastTo(shape)(source), perm)]


@sinks(Reshape)
def _reshape(site: Site) -> Sequence[Value] | None:
    """Axes that are merged must lie side by side in the source too; each group of axes then moves as one."""
    before = site.operands[0].shape
    groups = matching_axes(before, site.op.shape)
    if groups is None:
        return None
    moved: list[tuple[float, list[int]]] = []
    for old, new in groups:
        places = [site.perm[axis] for axis in old if before[axis] != 1]
        skipped = [] if not places else [a for a in range(places[0], places[-1]) if a not in places]
        if places != sorted(places) or any(site.source.shape[axis] != 1 for axis in skipped):
            return None
        moved.append((places[0] if places else float("inf"), new))
    order = [axis for _, new in sorted(moved, key=lambda group: group[0]) for axis in new]
    made = reshape(site.source, [site.op.shape[axis] for axis in order])
    return [transpose(made, inverse_permutation(order))]
