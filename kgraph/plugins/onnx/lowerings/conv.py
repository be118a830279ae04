"""Lowerings of `ops/conv.py`: the runtime's own kernels for float32 and float16, matrix products for the rest."""

from __future__ import annotations

import numpy as np

from kgraph.ir.dims import Dim, maximum
from kgraph.ir.graph import Call, Function, Input
from kgraph.ops.conv import Conv, ConvBias, ConvInputGrad, flipped_kernel
from kgraph.ops.windows import span
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter
from kgraph.plugins.onnx.lowerings.activations import NARROW

TABLE = LoweringTable()


@TABLE.lowers(Conv, ConvBias)
def conv(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    op = call.op
    assert isinstance(op, Conv | ConvBias)
    x, *others = operands
    if call.inputs[0].dtype not in NARROW:
        return emitter.expand(call)
    befores, afters = [before for before, _ in op.pads], [after for _, after in op.pads]
    pads: list[Dim] = [*befores, *afters]
    if not all(isinstance(amount, int) for amount in pads):
        x, pads = _pad(emitter, x, befores, afters, call.inputs[0].dtype), [0] * len(pads)
    return emitter.node(
        "Conv",
        x,
        *others,
        kernel_shape=call.inputs[1].type.static_shape[2:],
        strides=op.strides,
        pads=pads,
        dilations=op.dilations,
        group=op.groups,
    )


@TABLE.lowers(ConvInputGrad)
def conv_input_grad(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    """ConvTranspose, whose whole result is then cut, or filled up with zeros, to the shape that is asked for.

    The node does both where sizes are known. CUDA does it only for the same pads on both sides, so there, and for
    symbolic sizes, what is left is done by Slice and Pad.
    """
    op = call.op
    assert isinstance(op, ConvInputGrad)
    dy, w = call.inputs
    if dy.dtype not in NARROW:
        return emitter.expand(call)
    filters, channels, *kernel = w.type.static_shape
    flipped = op.as_conv(kernel)
    if flipped is not None and emitter.target.device == "cpu" and channels >= filters:
        # ConvTranspose adds up its columns on one thread, which takes longest when there are many of them.
        leaves = Input("dy", dy.type), Input("w", w.type)
        graph = Function("dx", leaves, {"dx": flipped(leaves[0], flipped_kernel(leaves[1]))})
        return emitter.inline(graph, dict(zip(leaves, operands, strict=True)))
    spans = map(span, kernel, op.dilations)
    whole = [(n - 1) * s + k for n, s, k in zip(dy.shape[2:], op.strides, spans, strict=True)]
    before = [amount for amount, _ in op.pads]
    after = [n - b - size for n, b, size in zip(whole, before, op.shape, strict=True)]
    cut = [(b, a) for b, a in zip(before, after, strict=True) if isinstance(b, int) and isinstance(a, int)]
    if len(cut) < len(whole):
        by_node, missing = [(0, 0)] * len(whole), [0] * len(whole)
    else:
        by_node, missing = [(b, max(a, 0)) for b, a in cut], [max(-a, 0) for _, a in cut]
        if emitter.target.device == "cuda":
            by_node = [(min(pair), min(pair)) for pair in by_node]
    made = emitter.node(
        "ConvTranspose",
        *operands,
        kernel_shape=kernel,
        strides=op.strides,
        pads=[b for b, _ in by_node] + [a for _, a in by_node],
        dilations=op.dilations,
        group=op.groups,
        output_padding=missing,
    )
    starts = [b - done for b, (done, _) in zip(before, by_node, strict=True)]
    sizes = [n - b - a + m for n, (b, a), m in zip(whole, by_node, missing, strict=True)]
    return _cut(emitter, made, starts, sizes, list(op.shape), dy.dtype)


def _cut(emitter: Emitter, x: str, starts: list[Dim], have: list[Dim], wanted: list[Dim], dtype: str) -> str:
    """`x` [N, C, *have] from `starts` on, to [N, C, *wanted], zeros where it ends too early."""
    if set(starts) == {0} and have == wanted:
        return x
    stops = [start + size for start, size in zip(starts, wanted, strict=True)]
    short = [maximum(stop - size, 0) for stop, size in zip(stops, have, strict=True)]
    if any(amount != 0 for amount in short):
        x = _pad(emitter, x, [0] * len(short), short, dtype)
    axes = emitter.ints(range(2, 2 + len(stops)))
    return emitter.node("Slice", x, emitter.shape(tuple(starts)), emitter.shape(tuple(stops)), axes)


def _pad(emitter: Emitter, x: str, befores: list[Dim], afters: list[Dim], dtype: str) -> str:
    """`x` [N, C, *S] with zeros around its spatial axes."""
    zero = emitter.constant(np.zeros((), dtype))
    return emitter.node("Pad", x, emitter.shape((0, 0, *befores, 0, 0, *afters)), zero)
