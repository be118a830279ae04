"""The gradient of a convolution in its kernel, as a convolution in the blocked layout.

    dw[o, c, i, j] = sum over n, h, w of dy[n, o, h, w] x[n, c, h + i, w + j]

is itself a convolution: dy is the kernel, as large as an image, and the images n are the channels that are summed over.
What makes it fast is where c goes. Rows of x are laid out with c innermost, [W, c] in one axis, and the kernel is
dilated by the number of c's. Then output j * c + k of a row is shift j of channel k: one long row of outputs, in which
each number of dy that is loaded is used many times, without any copy of x per shift (im2col).

dy would be too large a kernel for the caches, so its rows are cut into chunks, which become further channels; x is cut
alike, into chunks that overlap.
"""

from __future__ import annotations

from math import prod

import numpy as np

from kgraph.ir.dims import Shape, as_ints
from kgraph.ir.graph import Constant, Value
from kgraph.ir.types import Array
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add, mul
from kgraph.ops.shape import Gather, Iota, Slice, concat, full, pad, transpose
from kgraph.ops.windows import Pads
from kgraph.plugins.onnx.blocked.ops import BlockedAffine, BlockedConv, BlockedFilterGrad, ToBlocked

CHUNK_BYTES = 1_200_000
"""The part of dy that is a kernel at a time should stay in the second level cache; 0.4 to 1.2 MB are alike."""

VECTORS = 4
"""How many blocks of filters the runtime computes at once."""


def filter_gradient(op: BlockedFilterGrad, x: Value, dy: Value, aligned: bool) -> Value:
    """dw [O, C, KH, KW] from x [N, cs, H, W, c] and dy [N, os, H', W', b] with known sizes but N.

    `aligned` says that b divides N; otherwise zero images are added.
    """
    outer, height, width, block = _sizes(dy)
    if not aligned:
        x, dy = _fill_batch(x, block), _fill_batch(dy, block)
    if any(pair != (0, 0) for pair in op.pads):
        # Not by the convolution below: its kernel is a third slower beside pads, and they are everywhere.
        x = _padded(x, op.pads, block)
    rows = _chunk_rows(height, width, block, outer)
    images, kernel = _images(op, x, height // rows, rows, block), _kernel(dy, rows)
    dilations = (op.strides[0], op.strides[1] * _sizes(x)[-1])
    made = BlockedConv((1, 1), ((0, 0), (0, 0)), dilations)(images, kernel)
    return _as_kernel(op, made, x, dy)


def _padded(x: Value, pads: Pads, block: int) -> Value:
    """x with zeros around the pixels: by a convolution where there is one, which is faster than a Pad."""
    if x.shape[4] != block:
        return pad(x, ((0, 0), (0, 0), *pads, (0, 0)))
    ones = np.ones((1, *as_ints(x.shape[1:2]), 1, 1, block), "float32")
    return BlockedAffine(pads=pads)(x, Constant(ones))


def _images(op: BlockedFilterGrad, x: Value, chunks: int, rows: int, block: int) -> Value:
    """x [N, cs, H, W, c] -> [cs, N / b * chunks, rows of a chunk, W * c, b]: n is innermost, in blocks.

    The first copy takes the rows of the chunks and puts cs before n.
    """
    n, (outer, height, width, inner) = x.shape[0], _sizes(x)
    seen, line = op.strides[0] * (rows - 1) + op.kernel[0], width * inner
    starts = np.arange(chunks)[:, None] * (rows * op.strides[0])
    within = np.arange(outer)[:, None] * height + (starts + np.arange(seen)).reshape(-1)
    picked = _pick(x, line, within[:, None, :], (n, 1))
    inside = ToBlocked(block)(reshape(picked, (outer, n, chunks * seen, line)))
    return reshape(inside, (outer, n // block * chunks, seen, line, block))


def _kernel(dy: Value, rows: int) -> Value:
    """dy [N, os, H', W', b] -> [os, N / b * chunks, rows, W', b of n, b of o]."""
    n, (outer, height, width, block) = dy.shape[0], _sizes(dy)
    within = np.arange(outer * height * width).reshape(outer, 1, height * width, 1)
    picked = _pick(dy, block, within, (n // block, 1, block))
    return reshape(picked, (outer, n // block * (height // rows), rows, width, block, block))


def _pick(x: Value, line: int, within: Array, images: Shape) -> Value:
    """x [N, ...] in lines of `line` elements, re-ordered in one copy: those at `within` each image, for all images.

    `images` is where the numbers of the images stand in the shape of the result. (A Gather copies on all threads, where
    a Transpose has one.)
    """
    n, per_image = x.shape[0], prod(_sizes(x)) // line
    numbers = reshape(mul(Iota(n, "int32")(), per_image), images)
    index = add(numbers, Constant(within.astype("int32")))
    return Gather(0)(reshape(x, (n * per_image, line)), index)


def _as_kernel(op: BlockedFilterGrad, made: Value, x: Value, dy: Value) -> Value:
    """[cs, os, KH, KW * c or more, b] -> [O, C, KH, KW]."""
    (high, wide), (blocks, inner), (outer, block) = op.kernel, x.shape[1::3], dy.shape[1::3]
    wanted = (blocks, outer, high, wide * inner, block)
    if wanted != made.shape:
        made = Slice((0,) * 5, wanted, (1,) * 5)(made)
    split = reshape(made, (blocks, outer, high, wide, inner, block))
    return reshape(transpose(split, (1, 5, 0, 4, 2, 3)), (outer * block, blocks * inner, high, wide))


def _sizes(x: Value) -> tuple[int, ...]:
    """The sizes behind the batch, which are known."""
    return as_ints(x.shape[1:])


def _fill_batch(x: Value, block: int) -> Value:
    """x with images of zeros behind, so that `block` divides their number."""
    n = x.shape[0]
    missing = (n + (block - 1)) // block * block - n
    return x if missing == 0 else concat([x, full((missing, *x.shape[1:]), 0.0, x.dtype)], 0)


def _chunk_rows(height: int, width: int, block: int, outer: int) -> int:
    """The largest number of rows that divides `height` and whose part of dy is within CHUNK_BYTES."""
    row_bytes = width * block * block * min(outer, VECTORS) * 4
    fitting = [
        rows for rows in range(1, height + 1) if height % rows == 0 and rows * row_bytes <= CHUNK_BYTES
    ]
    return max(fitting, default=1)
