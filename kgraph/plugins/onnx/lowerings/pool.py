"""Lowerings of `ops/pool.py`. What is missing here is decomposed."""

from __future__ import annotations

from typing import Any

import numpy as np

from kgraph.ir.dims import Dim
from kgraph.ir.graph import Call, Result, Value
from kgraph.ops.pool import AveragePool, MaxPool
from kgraph.ops.shape import Pad
from kgraph.ops.windows import Pads
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter
from kgraph.plugins.onnx.lowerings.activations import NARROW
from kgraph.plugins.onnx.lowerings.blocked import blocked_pool, is_blocked_pool

TABLE = LoweringTable()

# onnxruntime (from 1.17 on) makes a Pad before a pool the pool's own padding, though the zeros of the Pad count in the
# largest value and that padding does not; 1.20 does so with averages too. A pool with `auto_pad` it leaves alone.
UNPADDED = {"auto_pad": "VALID"}


@TABLE.lowers(MaxPool)
def max_pool(emitter: Emitter, call: Call, operands: list[str]) -> str:
    op = call.op
    assert isinstance(op, MaxPool)
    (x,) = operands
    if is_blocked_pool(emitter, op, call.inputs[0]):
        return blocked_pool(emitter, "MaxPool", call, x)
    pads = flat_pads(emitter, op.pads)
    if pads is None or (any(pads) and _is_padded(call.inputs[0])):
        amounts = ((0, 0), (0, 0), *op.pads)
        both = tuple(before for before, _ in amounts) + tuple(after for _, after in amounts)
        lowest = emitter.constant(np.asarray(-np.inf, call.inputs[0].dtype))
        x, pads = emitter.node("Pad", x, emitter.shape(both), lowest), None
    return emitter.node("MaxPool", x, kernel_shape=op.window, strides=op.strides, **_padding(pads))


@TABLE.lowers(AveragePool)
def average_pool(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    op = call.op
    assert isinstance(op, AveragePool)
    if is_blocked_pool(emitter, op, call.inputs[0]):
        return blocked_pool(emitter, "AveragePool", call, *operands, count_include_pad=0)
    pads = flat_pads(emitter, op.pads)
    if pads is None or call.inputs[0].dtype not in NARROW:
        return emitter.expand(call)
    return emitter.node(
        "AveragePool",
        *operands,
        kernel_shape=op.window,
        strides=op.strides,
        count_include_pad=0,
        **_padding(pads),
    )


def _padding(pads: list[int] | None) -> dict[str, Any]:
    """The attributes for pads in the order of ONNX, None for no more than the input has."""
    return {"pads": pads} if pads is not None and any(pads) else UNPADDED


def _is_padded(x: Value) -> bool:
    return isinstance(x, Result) and isinstance(x.call.op, Pad)


def flat_pads(emitter: Emitter, pads: Pads) -> list[int] | None:
    """Pads as the attribute of an ONNX node, all before and then all after; None when they must be a Pad node.

    An attribute holds no symbols, and cuDNN's pooling knows only the same pads on both sides.
    """
    flat: list[Dim] = [before for before, _ in pads] + [after for _, after in pads]
    known = [amount for amount in flat if isinstance(amount, int)]
    if len(known) < len(flat) or (
        emitter.target.device == "cuda" and any(before != after for before, after in pads)
    ):
        return None
    return known
