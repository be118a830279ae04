"""Lowerings of `plugins/onnx/blocked`, and of pools in the blocked layout.

onnxruntime's nodes for the layout declare their tensors as [N, C, H, W]; the five axes of the IR are the same bytes, so
the Reshape between them moves nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kgraph.ir.dims import Dim, as_ints
from kgraph.ir.graph import Call, Function, Input, Value
from kgraph.ops.pool import Pool
from kgraph.ops.shape import Repeat
from kgraph.ops.windows import Pads
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.blocked.filters import filter_gradient, missing_images
from kgraph.plugins.onnx.blocked.ops import (
    ALIGNED,
    BlockedAffine,
    BlockedAxpy,
    BlockedConv,
    BlockedConvAdd,
    BlockedFilterGrad,
    FromBlocked,
    ToBlocked,
)
from kgraph.plugins.onnx.emit import Emitter

DOMAIN = "com.microsoft.nchwc"

TABLE = LoweringTable()


@TABLE.lowers(ToBlocked)
def to_blocked(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    op, (x,) = call.op, call.inputs
    assert isinstance(op, ToBlocked)
    channels = x.shape[-1 if op.channels_last else 1]
    aligned = not isinstance(channels, int) or channels % ALIGNED == 0
    if not aligned or not is_native(emitter, call.results[0]):
        return emitter.expand(call)
    made = emitter.node("ReorderInput", *operands, domain=DOMAIN, channels_last=int(op.channels_last))
    return _unflattened(emitter, made, call.results[0])


@TABLE.lowers(FromBlocked)
def from_blocked(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    op, (x,) = call.op, call.inputs
    assert isinstance(op, FromBlocked)
    channels = x.shape[1] * x.shape[-1]
    if not is_native(emitter, x) or not isinstance(channels, int):
        return emitter.expand(call)
    return emitter.node(
        "ReorderOutput",
        _flattened(emitter, operands[0], x),
        domain=DOMAIN,
        channels=channels,
        channels_last=int(op.channels_last),
    )


@TABLE.lowers(BlockedConv, BlockedConvAdd)
def blocked_conv(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    op, (image, kernel) = call.op, call.inputs[:2]
    if not is_native(emitter, call.results[0]):
        return emitter.expand(call)
    x, w, *others = operands
    if isinstance(op, BlockedConvAdd):
        others = ["", _flattened(emitter, others[0], call.inputs[2])]
        op = BlockedConv(dilations=op.dilations)
    assert isinstance(op, BlockedConv)
    before, after = zip(*op.pads, strict=True)
    made = emitter.node(
        "Conv",
        _flattened(emitter, x, image) if image.rank == 5 else x,
        _flattened_kernel(emitter, w, kernel),
        *others,
        domain=DOMAIN,
        kernel_shape=kernel.shape[2:4],
        strides=op.strides,
        pads=(*before, *after),
        dilations=op.dilations,
        group=1,
        activation="Relu" if op.relu else None,
    )
    return _unflattened(emitter, made, call.results[0])


@TABLE.lowers(BlockedAffine)
def blocked_affine(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    op, x = call.op, call.inputs[0]
    assert isinstance(op, BlockedAffine)
    if not is_native(emitter, x) or not _is_known_image(x):
        return emitter.expand(call)
    name, scale, *shift = operands
    channels = _channels(x)
    weights = emitter.node("Reshape", scale, emitter.ints((channels, 1, 1, 1)))
    shifts = [emitter.node("Reshape", value, emitter.ints((channels,))) for value in shift]
    return _channelwise(emitter, call, x, name, weights, *shifts, pads=op.pads, relu=op.relu)


@TABLE.lowers(BlockedAxpy)
def blocked_axpy(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    a, x, y = call.inputs
    if not is_native(emitter, x) or not _is_known_image(x):
        return emitter.expand(call)
    known, shape = emitter.known(a), (_channels(x), 1, 1, 1)
    if known is None:
        weights = emitter.node("Expand", operands[0], emitter.ints(shape))
    else:
        weights = emitter.constant(np.broadcast_to(known, shape))
    return _channelwise(emitter, call, x, operands[1], weights, "", _flattened(emitter, operands[2], y))


def _channelwise(
    emitter: Emitter,
    call: Call,
    x: Value,
    name: str,
    *others: str,
    pads: Pads = ((0, 0), (0, 0)),
    relu: bool = False,
) -> str:
    """A convolution of x with a window of one pixel and a group for each channel.

    `others` are the weights [C, 1, 1, 1], a bias [C] or none, and what is added in its place [N, C, H, W] or none.
    """
    before, after = zip(*pads, strict=True)
    made = emitter.node(
        "Conv",
        _flattened(emitter, name, x),
        *others,
        domain=DOMAIN,
        kernel_shape=(1, 1),
        strides=(1, 1),
        pads=(*before, *after),
        dilations=(1, 1),
        group=_channels(x),
        activation="Relu" if relu else None,
    )
    return _unflattened(emitter, made, call.results[0])


def _channels(x: Value) -> int:
    """C of a blocked tensor whose sizes are known."""
    return as_ints((x.shape[1] * x.shape[4],))[0]


@TABLE.lowers(BlockedFilterGrad)
def blocked_filter_grad(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    """Convolutions, with images of zeros at first where they must be: decided when the batch is known."""
    op, (x, dy) = call.op, call.inputs
    assert isinstance(op, BlockedFilterGrad)
    if not is_native(emitter, dy) or not _is_known_image(x, dy):
        return emitter.expand(call)
    x_leaf, dy_leaf = Input("x", x.type), Input("dy", dy.type)
    captured: dict[Value, str] = dict(zip((x_leaf, dy_leaf), operands, strict=True))

    def graph(missing: Dim) -> Function:
        return Function("dw", (x_leaf, dy_leaf), {"dw": filter_gradient(op, x_leaf, dy_leaf, missing)})

    missing = missing_images(dy.shape[0], dy)
    if isinstance(missing, int):
        return emitter.inline(graph(missing), captured)
    fits = emitter.node(
        "Reshape", emitter.node("Equal", emitter.dim(missing), emitter.ints([0])), emitter.ints([])
    )
    return emitter.node(
        "If",
        fits,
        then_branch=emitter.subgraph(graph(0), "complete", captured),
        else_branch=emitter.subgraph(graph(missing), "filled", captured),
    )


def _is_known_image(*values: Value) -> bool:
    return all(isinstance(size, int) for value in values for size in value.shape[1:])


def is_blocked_pool(emitter: Emitter, op: Pool, x: Value) -> bool:
    """Whether a pool over (H, W, b) is one over H and W in the layout of this machine."""
    return (
        is_native(emitter, x)
        and len(op.window) == 3
        and (op.window[-1], op.strides[-1], op.pads[-1]) == (1, 1, (0, 0))
        and all(isinstance(amount, int) for pair in op.pads for amount in pair)
    )


def blocked_pool(emitter: Emitter, name: str, call: Call, operand: str, **attributes: Any) -> str:
    """A pool node of the layout."""
    op, (x,) = call.op, call.inputs
    assert isinstance(op, Pool)
    before, after = zip(*op.pads[:2], strict=True)
    made = emitter.node(
        name,
        _flattened(emitter, operand, x),
        domain=DOMAIN,
        kernel_shape=op.window[:2],
        strides=op.strides[:2],
        pads=(*before, *after),
        **attributes,
    )
    return _unflattened(emitter, made, call.results[0])


def blocked_repeat(emitter: Emitter, call: Call, operand: str) -> str:
    """Pixels of the layout, repeated."""
    op, (x,) = call.op, call.inputs
    assert isinstance(op, Repeat)
    made = emitter.node(
        "Upsample", _flattened(emitter, operand, x), domain=DOMAIN, scales=op.counts[:4], mode="nearest"
    )
    return _unflattened(emitter, made, call.results[0])


def is_native(emitter: Emitter, blocked: Value) -> bool:
    """Whether this is a tensor as the kernels of this machine want it."""
    return blocked.rank == 5 and blocked.dtype == "float32" and blocked.shape[-1] == emitter.target.block


def _flattened(emitter: Emitter, name: str, x: Value) -> str:
    """[N, C / b, H, W, b] declared as [N, C, H, W]."""
    n, outer, height, width, block = x.shape
    return emitter.reshape(name, x.shape, (n, outer * block, height, width))


def _unflattened(emitter: Emitter, name: str, y: Value) -> str:
    """[N, C, H, W] declared as [N, C / b, H, W, b]."""
    n, outer, height, width, block = y.shape
    return emitter.reshape(name, (n, outer * block, height, width), y.shape)


def _flattened_kernel(emitter: Emitter, name: str, w: Value) -> str:
    """A blocked kernel declared as [O, C, KH, KW]."""
    outer, inner, height, width, *blocks = w.shape
    rows = inner * blocks[0] if len(blocks) == 2 else inner
    return emitter.node("Reshape", name, emitter.reshape_target((outer * blocks[-1], rows, height, width)))
