"""The gradient of a convolution in its kernel, as a convolution in the blocked layout.

    dw[o, c, i, j] = sum over n, h, w of dy[n, o, h, w] x[n, c, h + i, w + j]

is itself a convolution: dy is the kernel, as large as an image, and the images n are the channels that are summed over.
What makes it fast is where c goes. Rows of x are laid out with c innermost, [W, c] in one axis, and the kernel is
dilated by the number of c's. Then output j * c + k of a row is shift j of channel k: one long row of outputs, in which
each number of dy that is loaded is used many times, without any copy of x per shift (im2col).

Large images are convolved one by one, with a single channel, and their gradients added up. Then nothing is copied at
all: blocks of c are the batch of that convolution, and dy lies in memory as its kernel does.

That would be too little work for each image where they are small. There the rows of dy are cut into chunks, and x
alike, into chunks that overlap. The channels are the chunks of all images, image by image, in blocks; the last block is
filled up with zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

import numpy as np

from kgraph.ir.dims import Dim, as_ints
from kgraph.ir.graph import Constant, Value
from kgraph.ir.types import Array
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add, div, minimum, mul
from kgraph.ops.scan import scan
from kgraph.ops.shape import DimValue, Gather, Iota, Slice, concat, full, pad
from kgraph.ops.windows import Pads
from kgraph.plugins.onnx.blocked.ops import (
    ALIGNED,
    BlockedAffine,
    BlockedConv,
    BlockedConvAdd,
    BlockedFilterGrad,
    ToBlocked,
)

CHUNK_BYTES = 1_200_000
"""The part of dy that is a kernel at a time should stay in the second level cache; 0.4 to 1.2 MB are alike."""

VECTORS = 4
"""How many blocks of filters the runtime computes at once."""

LARGE = 3
"""The number of chunks from which an image is worth a convolution of its own."""


def missing_images(n: Dim, dy: Value) -> Dim:
    """How many images of zeros must follow `n` images, so that the runtime can bring their chunks into blocks."""
    chunks, _ = _chunks(dy)
    step = 1 if chunks >= LARGE else ALIGNED // gcd(ALIGNED, chunks)
    return (n + (step - 1)) // step * step - n if step > 1 else 0


def filter_gradient(op: BlockedFilterGrad, x: Value, dy: Value, missing: Dim = 0) -> Value:
    """dw [cs, os, KH, KW, c, b] from x [N, cs, H, W, c] and dy [N, os, H', W', b] with known sizes but N.

    `missing` images of zeros are added at first.
    """
    x, dy = _filled(x, missing), _filled(dy, missing)
    if any(pair != (0, 0) for pair in op.pads):
        # Not by the convolution below: its kernel is a third slower beside pads, and they are everywhere.
        x = _padded(x, op.pads, _sizes(dy)[-1])
    chunks, _ = _chunks(dy)
    made = _of_images(op, x, dy) if chunks >= LARGE else _of_chunks(op, x, dy)
    (outer, *_, block), (blocks, *_, inner) = _sizes(dy), _sizes(x)
    wanted = (blocks, outer, op.kernel[0], op.kernel[1] * inner, block)
    if wanted != made.shape:
        made = Slice((0,) * 5, wanted, (1,) * 5)(made)
    return reshape(made, (blocks, outer, *op.kernel, inner, block))


def _of_images(op: BlockedFilterGrad, x: Value, dy: Value) -> Value:
    """dw [cs, os, >= KH, >= KW * c, b], the sum over the images."""
    (blocks, height, width, inner), (outer, high, wide, block) = _sizes(x), _sizes(dy)
    convolution = BlockedConvAdd((op.strides[0], op.strides[1] * inner))

    def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        return [convolution(*slices, *carries)], []

    images = reshape(x, (x.shape[0], blocks, 1, height, width * inner))
    kernels = reshape(dy, (dy.shape[0], outer, 1, high, wide, block))
    rows, columns = height - op.strides[0] * (high - 1), width - op.strides[1] * (wide - 1)
    nothing = full((blocks, outer, rows, columns * inner, block), 0.0, x.dtype)
    (made,), _ = scan(step, [nothing], [images, kernels], keep=False, name="images")
    return made


def _of_chunks(op: BlockedFilterGrad, x: Value, dy: Value) -> Value:
    """dw [cs, os, >= KH, >= KW * c, b], with all chunks as channels."""
    chunks, rows = _chunks(dy)
    convolution = BlockedConv(dilations=(op.strides[0], op.strides[1] * _sizes(x)[-1]))
    return convolution(_images(op, x, chunks, rows, _sizes(dy)[-1]), _kernel(dy, chunks, rows))


def _padded(x: Value, pads: Pads, block: int) -> Value:
    """x with zeros around the pixels: by a convolution where there is one, which is faster than a Pad."""
    if x.shape[4] != block:
        return pad(x, ((0, 0), (0, 0), *pads, (0, 0)))
    ones = np.ones((1, *as_ints(x.shape[1:2]), 1, 1, block), "float32")
    return BlockedAffine(pads=pads)(x, Constant(ones))


def _images(op: BlockedFilterGrad, x: Value, chunks: int, rows: int, block: int) -> Value:
    """x [N, cs, H, W, c] -> [cs, N chunks / b, rows of a chunk, W * c, b].

    The first copy takes the rows of the chunks and puts cs before N.
    """
    n, (outer, height, width, inner) = x.shape[0], _sizes(x)
    seen, line = op.strides[0] * (rows - 1) + op.kernel[0], width * inner
    starts = np.arange(chunks)[:, None] * (rows * op.strides[0])
    within = np.arange(outer)[:, None] * height + (starts + np.arange(seen)).reshape(-1)
    firsts = reshape(mul(Iota(n, "int32")(), outer * height), (n, 1))
    picked = _pick(x, line, firsts, within[:, None, :])
    return ToBlocked(block)(reshape(picked, (outer, n * chunks, seen, line)))


def _kernel(dy: Value, chunks: int, rows: int) -> Value:
    """dy [N, os, H', W', b] -> [os, N chunks / b, rows, W', b of N chunks, b of o].

    Where x has been filled up with zeros, there is some number of the last chunk.
    """
    n, (outer, height, width, block) = dy.shape[0], _sizes(dy)
    pixels = rows * width
    blocks = (n * chunks + (block - 1)) // block
    chunk = minimum(Iota(blocks * block, "int32")(), DimValue(n * chunks - 1, "int32")())
    image = div(chunk, chunks)
    first = add(mul(image, (outer - 1) * height * width), mul(chunk, pixels))
    within = np.arange(outer)[:, None] * (height * width) + np.arange(pixels)
    picked = _pick(dy, block, reshape(first, (blocks, 1, block)), within.reshape(outer, 1, pixels, 1))
    return reshape(picked, (outer, blocks, rows, width, block, block))


def _pick(x: Value, line: int, firsts: Value, within: Array) -> Value:
    """x [N, ...] in lines of `line` elements, re-ordered in one copy: those at the sums of `firsts` and `within`.

    (A Gather copies on all threads, where a Transpose has one.)
    """
    lines = reshape(x, (x.shape[0] * (prod(_sizes(x)) // line), line))
    return Gather(0)(lines, add(firsts, Constant(within.astype("int32"))))


def _sizes(x: Value) -> tuple[int, ...]:
    """The sizes behind the batch, which are known."""
    return as_ints(x.shape[1:])


def _filled(x: Value, missing: Dim) -> Value:
    """x with images of zeros behind."""
    return x if missing == 0 else concat([x, full((missing, *x.shape[1:]), 0.0, x.dtype)], 0)


def _chunks(dy: Value) -> tuple[int, int]:
    """The number of chunks of an image, and of rows of each: the most that divide it and are within CHUNK_BYTES."""
    outer, height, width, block = _sizes(dy)
    row_bytes = width * block * block * min(outer, VECTORS) * 4
    fitting = [
        rows for rows in range(1, height + 1) if height % rows == 0 and rows * row_bytes <= CHUNK_BYTES
    ]
    rows = max(fitting, default=1)
    return height // rows, rows
