"""The ops of the blocked layout: into it, out of it, and convolution inside of it.

Each decomposes into ops on plain tensors. That is its meaning, and what a machine with another block size runs.
"""

from __future__ import annotations

from collections.abc import Iterable

from kgraph.errors import ShapeError, describe
from kgraph.ir.graph import Value
from kgraph.ir.op import Op, Sample, op
from kgraph.ir.types import Array, TensorType
from kgraph.ir.verify import compatible
from kgraph.ops.activations import Relu
from kgraph.ops.base import same_dtype
from kgraph.ops.broadcast import reshape
from kgraph.ops.conv import Conv, ConvBias, ConvFilterGrad
from kgraph.ops.elementwise import add, mul
from kgraph.ops.samples import floats
from kgraph.ops.shape import pad, transpose
from kgraph.ops.windows import Pads, output_shape
from kgraph.passes.rows import by_rows, each_of_all, each_of_the_first, sum_of_all

ALIGNED = 4
"""What must divide the number of channels that the runtime's node is to bring into blocks."""


def _small(*shape: int) -> Array:
    """Values whose sums of products stay near 1, where absolute and relative errors are alike."""
    return floats(*shape, low=-0.4, high=0.4)


@op("to_blocked")
class ToBlocked(Op):
    """x [N, C, *S], or [N, *S, C] with `channels_last`, -> y [N, C / block, *S, block].

    The last block is filled up with zeros. A C that is not known must be a multiple of ALIGNED.
    """

    block: int = 16
    channels_last: bool = False

    def decompose(self, x: Value) -> Value:
        spatial = x.rank - 2
        axis = x.rank - 1 if self.channels_last else 1
        channels = x.shape[axis]
        blocks = (channels + (self.block - 1)) // self.block
        missing = blocks * self.block - channels
        if missing != 0:
            x = pad(x, tuple((0, missing if i == axis else 0) for i in range(x.rank)))
        split = reshape(x, (*x.shape[:axis], blocks, self.block, *x.shape[axis + 1 :]))
        if self.channels_last:
            return transpose(split, (0, spatial + 1, *range(1, spatial + 1), spatial + 2))
        return transpose(split, (0, 1, *range(3, spatial + 3), 2))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for block in (8, 16):
            yield Sample(cls(block), (floats(2, 32, 3, 4),))
            yield Sample(cls(block, True), (floats(2, 3, 4, 32),))
            yield Sample(cls(block), (floats(2, 20, 3, 4),))
            yield Sample(cls(block, True), (floats(2, 3, 4, 4),))
        yield Sample(cls(2), (floats(2, 4, 3),))


@op("from_blocked")
class FromBlocked(Op):
    """x [N, C / block, *S, block] -> y [N, C, *S], or [N, *S, C] with `channels_last`."""

    channels_last: bool = False

    def decompose(self, x: Value) -> Value:
        spatial = x.rank - 3
        n, blocks, *size, block = x.shape
        if self.channels_last:
            return reshape(
                transpose(x, (0, *range(2, spatial + 2), 1, spatial + 2)), (n, *size, blocks * block)
            )
        return reshape(transpose(x, (0, 1, spatial + 2, *range(2, spatial + 2))), (n, blocks * block, *size))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for block in (2, 8, 16):
            yield Sample(cls(), (floats(2, 2, 3, 4, block),))
            yield Sample(cls(True), (floats(2, 2, 3, 4, block),))


@op("blocked_conv")
class BlockedConv(Op):
    """`conv` with two spatial axes in the blocked layout, plus a bias, then the activation.

    x [N, C / b, H, W, b], w [O / b, C / b, KH, KW, b of C, b of O], bias [O] or none -> y [N, O / b, H', W', b].
    x may also be plain, [N, C, H, W], when it has fewer than b channels; then w is [O / b, C, KH, KW, b].
    """

    strides: tuple[int, ...] = (1, 1)
    pads: Pads = ((0, 0), (0, 0))
    dilations: tuple[int, ...] = (1, 1)
    relu: bool = False

    def infer(self, x: TensorType, w: TensorType, *bias: TensorType) -> TensorType:
        dtype = same_dtype(x, w, *bias)
        if (x.rank, w.rank) not in ((5, 6), (4, 5)) or len(bias) > 1:
            raise ShapeError(
                describe("not a blocked convolution", expected="ranks 5, 6 or 4, 5", got=f"{x}, {w}")
            )
        if any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in ((x.shape[1], w.shape[1]),)):
            raise ShapeError(describe("channels do not fit the kernel", expected=w.shape[1], got=x))
        kernel = [size for size in w.shape[2:4] if isinstance(size, int)]
        plane = x.with_shape(x.shape[:4])
        out = output_shape(plane, kernel, self.strides, self.dilations, self.pads)
        return TensorType(dtype, (x.shape[0], w.shape[0], *out, w.shape[-1]))

    def decompose(self, x: Value, w: Value, *bias: Value) -> Value:
        plain = FromBlocked()(x) if x.rank == 5 else x
        kernel, block = plain_kernel(w), int(w.type.static_shape[-1])
        attributes = (self.strides, self.pads, self.dilations, 1)
        y = ConvBias(*attributes)(plain, kernel, *bias) if bias else Conv(*attributes)(plain, kernel)
        return ToBlocked(block)(Relu()(y) if self.relu else y)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for block in (2, 8, 16):
            x, w = _small(2, 2, 5, 6, block), _small(1, 2, 3, 2, block, block)
            yield Sample(cls(), (x, w))
            yield Sample(cls((2, 1), ((1, 1), (0, 1)), (1, 2), True), (x, w, _small(block)))
            yield Sample(cls(), (_small(2, 1, 5, 6), _small(2, 1, 3, 3, block), _small(2 * block)))


@op("blocked_conv_add")
class BlockedConvAdd(Op):
    """y plus a dilated `blocked_conv` of x and w, by the same kernel: it adds to what is there already."""

    dilations: tuple[int, ...] = (1, 1)

    def infer(self, x: TensorType, w: TensorType, y: TensorType) -> TensorType:
        made = BlockedConv(dilations=self.dilations).infer(x, w)
        if not compatible(made, y):
            raise ShapeError(describe("cannot be added to the convolution", expected=made, got=y))
        return made

    def decompose(self, x: Value, w: Value, y: Value) -> Value:
        return add(y, BlockedConv(dilations=self.dilations)(x, w))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for block in (2, 8, 16):
            x, w = _small(2, 2, 5, 6, block), _small(1, 2, 3, 2, block, block)
            yield Sample(cls(), (x, w, _small(2, 1, 3, 5, block)))
            x, w = _small(2, 1, 5, 6), _small(2, 1, 3, 3, block)
            yield Sample(cls((1, 2)), (x, w, _small(2, 2, 3, 2, block)))


@op("blocked_filter_grad")
class BlockedFilterGrad(Op):
    """`conv_filter_grad` in the layout.

    x [N, C / c, H, W, c], dy [N, O / b, H', W', b] -> dw [C / c, O / b, KH, KW, c, b]

    The blocks of x need not be those of dy: a channels_last tensor of few channels is one block.
    """

    strides: tuple[int, ...] = (1, 1)
    pads: Pads = ((0, 0), (0, 0))
    kernel: tuple[int, ...] = (1, 1)

    def decompose(self, x: Value, dy: Value) -> Value:
        op = ConvFilterGrad(self.strides, self.pads, (1, 1), 1, self.kernel)
        made = op(FromBlocked()(x), FromBlocked()(dy))
        (inner, c), (outer, b) = x.shape[1::3], dy.shape[1::3]
        return transpose(reshape(made, (outer, b, inner, c, *self.kernel)), (2, 0, 4, 5, 3, 1))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        none: Pads = ((0, 0), (0, 0))
        cases = (
            (cls((1, 1), none, (3, 2)), (6, 4), 0),
            (cls((1, 1), ((1, 1), (1, 1)), (3, 3)), (4, 3), 3),
            (cls((2, 1), ((0, 1), (1, 0)), (2, 3)), (8, 4), 0),
        )
        # Batches that the block divides, and others.
        for n, block in ((3, 2), (16, 8), (5, 16), (8, 16), (32, 16)):
            for case, size, channels in cases:
                arrays = _small(n, 1, *size, channels or block), _small(n, 2, 4, 3, block)
                yield Sample(case, arrays, tolerance=3e-5, why="sums of some hundred products")


@op("blocked_affine")
class BlockedAffine(Op):
    """x [N, C / b, H, W, b] -> x scale + shift, then the activation; both [1, C / b, 1, 1, b], without a shift 0.

    With `pads`, of zeros around the pixels of x at first. A normalisation is that, and the runtime has a kernel for it:
    a convolution with a window of one pixel and a group for each channel.
    """

    relu: bool = False
    pads: Pads = ((0, 0), (0, 0))

    def infer(self, x: TensorType, scale: TensorType, *shift: TensorType) -> TensorType:
        same_dtype(x, scale, *shift)
        channels = (1, x.shape[1], 1, 1, x.shape[4]) if x.rank == 5 else ()
        if any(type.shape != channels for type in (scale, *shift)) or len(shift) > 1:
            got = ", ".join(map(str, (x, scale, *shift)))
            raise ShapeError(describe("not one number for each channel", expected=channels, got=got))
        n, outer, *size, block = x.shape
        padded = [before + pixels + after for pixels, (before, after) in zip(size, self.pads, strict=True)]
        return x.with_shape((n, outer, *padded, block))

    def decompose(self, x: Value, scale: Value, *shift: Value) -> Value:
        y = mul(pad(x, ((0, 0), (0, 0), *self.pads, (0, 0))), scale)
        for value in shift:
            y = add(y, value)
        return Relu()(y) if self.relu else y

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for block in (2, 8, 16):
            x, scale, shift = floats(2, 3, 3, 4, block), floats(1, 3, 1, 1, block), floats(1, 3, 1, 1, block)
            yield Sample(cls(), (x, scale))
            yield Sample(cls(), (x, scale, shift))
            yield Sample(cls(True, ((1, 2), (0, 1))), (x, scale, shift))


@op("blocked_axpy")
class BlockedAxpy(Op):
    """a x + y for a number a [] and x, y [N, C / b, H, W, b], by the same kernel: it adds to what is there already."""

    def infer(self, a: TensorType, x: TensorType, y: TensorType) -> TensorType:
        same_dtype(a, x, y)
        if a.rank or x != y or x.rank != 5:
            got = ", ".join(map(str, (a, x, y)))
            raise ShapeError(
                describe("operands do not fit", expected="a number and equal blocked types", got=got)
            )
        return y

    def decompose(self, a: Value, x: Value, y: Value) -> Value:
        return add(mul(x, a), y)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for block in (2, 8, 16):
            yield Sample(cls(), (floats(), floats(2, 3, 3, 4, block), floats(2, 3, 3, 4, block)))


by_rows(BlockedConv, BlockedAffine)(each_of_the_first)
by_rows(ToBlocked, FromBlocked)(each_of_all)
by_rows(BlockedFilterGrad)(sum_of_all)


def blocked_kernel(w: Value, block: int) -> Value:
    """w [O, C, KH, KW] -> [O / b, C / b, KH, KW, b of C, b of O]; with fewer than b channels [O / b, C, KH, KW, b]."""
    filters, channels, *kernel = w.shape
    if isinstance(channels, int) and channels < block:
        split = reshape(w, (filters // block, block, channels, *kernel))
        return transpose(split, (0, 2, 3, 4, 1))
    split = reshape(w, (filters // block, block, channels // block, block, *kernel))
    return transpose(split, (0, 2, 4, 5, 3, 1))


def plain_gradient(dw: Value) -> Value:
    """[C / c, O / b, KH, KW, c, b] -> [O, C, KH, KW]."""
    inner, outer, *kernel, c, b = dw.shape
    return reshape(transpose(dw, (1, 5, 0, 4, 2, 3)), (outer * b, inner * c, *kernel))


def plain_kernel(w: Value) -> Value:
    """The inverse of `blocked_kernel`."""
    if w.rank == 5:
        outer, channels, *kernel, block = w.shape
        return reshape(transpose(w, (0, 4, 1, 2, 3)), (outer * block, channels, *kernel))
    outer, inner, *kernel, rows, block = w.shape
    return reshape(transpose(w, (0, 5, 1, 4, 2, 3)), (outer * block, inner * rows, *kernel))
