"""Lowerings of `ops/shape.py` and `ops/broadcast.py`."""

from __future__ import annotations

from math import prod

import numpy as np

from kgraph.ir.dims import as_ints
from kgraph.ir.graph import Call
from kgraph.ops import shape
from kgraph.ops.broadcast import BroadcastTo, Reshape
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter
from kgraph.plugins.onnx.lowerings.activations import NARROW
from kgraph.plugins.onnx.lowerings.blocked import blocked_repeat, is_native

TABLE = LoweringTable()

SMALL = 1 << 12
"""Elements of a constant that is better repeated in the file than at run time."""


@TABLE.lowers(Reshape)
def reshape(emitter: Emitter, call: Call, operands: list[str]) -> str:
    return emitter.reshape(operands[0], call.inputs[0].shape, call.results[0].shape)


@TABLE.lowers(BroadcastTo)
def broadcast_to(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """Expand takes the larger of two sizes, so that an axis which stays as it is may be a 1 there."""
    x, shape = call.inputs[0], call.results[0].shape
    array = emitter.known(x)
    if array is not None and call.results[0].type.is_static and prod(as_ints(shape)) <= SMALL:
        return emitter.constant(np.broadcast_to(array, as_ints(shape)))
    axes = zip(shape, (*[1] * (len(shape) - x.rank), *x.shape), strict=True)
    return emitter.node("Expand", *operands, emitter.shape(tuple(1 if a == b else a for a, b in axes)))


@TABLE.lowers(shape.Transpose)
def transpose(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """A transpose that only moves axes of size 1 moves no element, so it is a Reshape."""
    op = call.op
    assert isinstance(op, shape.Transpose)
    moved = [axis for axis in op.perm if call.inputs[0].shape[axis] != 1]
    if moved == sorted(moved):
        return emitter.reshape(operands[0], call.inputs[0].shape, call.results[0].shape)
    return emitter.node("Transpose", *operands, perm=list(op.perm))


@TABLE.lowers(shape.Concat)
def concat(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, shape.Concat)
    return emitter.node("Concat", *operands, axis=op.axis)


@TABLE.lowers(shape.Split)
def split(emitter: Emitter, call: Call, operands: list[str]) -> list[str]:
    op = call.op
    assert isinstance(op, shape.Split)
    if len(op.sizes) == 1:
        return [emitter.node("Identity", *operands)]
    return emitter.node_multi("Split", *operands, emitter.ints(op.sizes), outputs=len(op.sizes), axis=op.axis)


@TABLE.lowers(shape.Slice)
def slice_(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """Only the axes that are cut are named."""
    op = call.op
    assert isinstance(op, shape.Slice)
    size = call.inputs[0].shape
    ranges = list(zip(op.starts, op.stops, op.steps, strict=True))
    cut = [
        axis for axis, (start, stop, step) in enumerate(ranges) if (start, stop, step) != (0, size[axis], 1)
    ]
    if not cut:
        return emitter.node("Identity", *operands)
    starts = emitter.shape(tuple(op.starts[axis] for axis in cut))
    stops = emitter.shape(tuple(op.stops[axis] for axis in cut))
    return emitter.node(
        "Slice", *operands, starts, stops, emitter.ints(cut), emitter.ints(op.steps[a] for a in cut)
    )


@TABLE.lowers(shape.Pad)
def pad(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, shape.Pad)
    pads = tuple(before for before, _ in op.pads) + tuple(after for _, after in op.pads)
    value = emitter.constant(np.asarray(op.value, call.inputs[0].dtype))
    return emitter.node("Pad", *operands, emitter.shape(pads), value)


@TABLE.lowers(shape.Dilate)
def dilate(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """Each stretched axis gets a partner axis, which is padded with zeros; the tail that this adds is cut off."""
    op = call.op
    assert isinstance(op, shape.Dilate)
    x = call.inputs[0]
    split = tuple(
        d for size, step in zip(x.shape, op.steps, strict=True) for d in ((size, 1) if step > 1 else (size,))
    )
    tails = [t for step in op.steps for t in ((0, step - 1) if step > 1 else (0,))]
    value = emitter.constant(np.zeros((), x.dtype))
    apart = emitter.node("Reshape", *operands, emitter.reshape_target(split))
    padded = emitter.node("Pad", apart, emitter.ints([0] * len(tails) + tails), value)
    joined = tuple(size * step for size, step in zip(x.shape, op.steps, strict=True))
    whole = emitter.node("Reshape", padded, emitter.reshape_target(joined))
    cut = [axis for axis, step in enumerate(op.steps) if step > 1]
    stops = emitter.shape(tuple(call.results[0].shape[axis] for axis in cut))
    return emitter.node("Slice", whole, emitter.ints([0] * len(cut)), stops, emitter.ints(cut))


@TABLE.lowers(shape.Reverse)
def reverse(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, shape.Reverse)
    axes, count = [axis % call.inputs[0].rank for axis in op.axes], len(op.axes)
    last, first = np.iinfo("int64").max, np.iinfo("int64").min
    ranges = (
        emitter.ints([last] * count),
        emitter.ints([first] * count),
        emitter.ints(axes),
        emitter.ints([-1] * count),
    )
    return emitter.node("Slice", *operands, *ranges)


@TABLE.lowers(shape.Tile)
def tile(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, shape.Tile)
    return emitter.node("Tile", *operands, emitter.ints(op.repeats))


@TABLE.lowers(shape.Repeat)
def repeat(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    """Resize is 15 times faster than a broadcast, but takes only floats."""
    op = call.op
    assert isinstance(op, shape.Repeat)
    if call.inputs[0].dtype not in NARROW:
        return emitter.expand(call)
    if is_native(emitter, call.inputs[0]) and (*op.counts[:2], op.counts[4]) == (1, 1, 1):
        return blocked_repeat(emitter, call, *operands)
    factors = emitter.constant(op.counts, "float32")
    how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return emitter.node("Resize", *operands, "", factors, mode="nearest", **how)


@TABLE.lowers(shape.Gather)
def gather(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, shape.Gather)
    return emitter.node("Gather", *operands, axis=op.axis)


@TABLE.lowers(shape.ScatterAdd)
def scatter_add(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """ScatterND(add) into zeros along the first axis, several times faster than ScatterElements. Other axes move."""
    op = call.op
    assert isinstance(op, shape.ScatterAdd)
    emitter.require(16, "adding up at repeated positions", call)
    updates, indices = call.inputs
    axis, index_rank = op.axis, indices.rank
    name, target = operands[0], op.shape
    if axis:
        order = [*range(axis, axis + index_rank), *range(axis), *range(axis + index_rank, updates.rank)]
        name = emitter.node("Transpose", name, perm=order)
        target = (op.shape[axis], *op.shape[:axis], *op.shape[axis + 1 :])
    wide = (
        operands[1]
        if indices.dtype == "int64"
        else emitter.node("Cast", operands[1], to=emitter.elem_type("int64"))
    )
    positions = emitter.node("Unsqueeze", wide, emitter.ints([index_rank]))
    zeros = emitter.node("Expand", emitter.constant(np.zeros((), updates.dtype)), emitter.shape(target))
    summed = emitter.node("ScatterND", zeros, positions, name, reduction="add")
    if not axis:
        return summed
    return emitter.node("Transpose", summed, perm=[*range(1, axis + 1), 0, *range(axis + 1, len(target))])


@TABLE.lowers(shape.DimValue)
def dim_value(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, shape.DimValue)
    scalar = emitter.scalar_dim(op.dim)
    return scalar if op.dtype == "int64" else emitter.node("Cast", scalar, to=emitter.elem_type(op.dtype))


@TABLE.lowers(shape.Iota)
def iota(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, shape.Iota)
    stop = emitter.scalar_dim(op.count)
    counted = emitter.node("Range", emitter.constant(0, "int64"), stop, emitter.constant(1, "int64"))
    if op.dtype == "int64":
        return counted
    return emitter.node("Cast", counted, to=emitter.elem_type(op.dtype))
