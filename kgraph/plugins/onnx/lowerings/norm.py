"""Lowerings of `ops/norm.py`. Batch normalisation in training decomposes: CUDA has no kernel for it."""

from __future__ import annotations

from kgraph.ir.graph import Call
from kgraph.ops.norm import BatchNorm, LayerNorm
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter

TABLE = LoweringTable()


@TABLE.lowers(BatchNorm)
def batch_norm(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    """ONNX has the channels on axis 1 only."""
    op, x = call.op, call.inputs[0]
    assert isinstance(op, BatchNorm)
    if op.axis % x.rank != 1:
        return emitter.expand(call)
    return emitter.node("BatchNormalization", *operands, epsilon=op.epsilon)


@TABLE.lowers(LayerNorm)
def layer_norm(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    """Native since opset 17, over the last axes."""
    op, rank = call.op, call.inputs[0].rank
    assert isinstance(op, LayerNorm)
    first = rank - len(op.axes)
    if emitter.opset < 17 or {axis % rank for axis in op.axes} != set(range(first, rank)):
        return emitter.expand(call)
    return emitter.node("LayerNormalization", *operands, axis=first - rank, epsilon=op.epsilon)
