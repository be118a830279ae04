"""Convolution and the two products that its gradients are made of.

Convolution is bilinear: y = conv(x, w). Together with its transposes in x and in w it forms a closed family, so each
op's gradient is the other two and differentiation of any order works.

Layouts: x [N, C, *S], w [O, C / groups, *K] (as ONNX has them), y [N, O, *S']. Keras keeps kernels as
[*K, C / groups, O]: `from_keras_kernel` puts the Transpose in front. It is a plain op on a small tensor, so constants
fold, several readers share it, it cancels against other transposes, and no convolution needs a second meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Shape, as_ints, product
from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType
from kgraph.ops.base import same_dtype
from kgraph.ops.broadcast import ReduceSum, reshape
from kgraph.ops.elementwise import add
from kgraph.ops.linalg import matmul
from kgraph.ops.patches import add_patches, patches, window_slices
from kgraph.ops.samples import floats
from kgraph.ops.shape import Reverse, stack, transpose
from kgraph.ops.windows import Pads, add_windows, causal_pads, output_shape, span, windows

Sizes = tuple[int, ...]

NARROW = 64
"""Rows of patches up to which the gradient in the kernel is one product (measured with onnxruntime on the CPU)."""


@dataclass(frozen=True, repr=False)
class Convolution(Op):
    """The attributes of a convolution; one entry per spatial axis, pads as (before, after)."""

    strides: tuple[int, ...] = ()
    pads: Pads = ()
    dilations: tuple[int, ...] = ()
    groups: int = 1

    @property
    def attributes_of_conv(self) -> tuple[tuple[int, ...], Pads, tuple[int, ...], int]:
        return self.strides, self.pads, self.dilations, self.groups

    def result_of_conv(self, x: TensorType, w: TensorType) -> TensorType:
        """The type of conv(x, w). Raises ShapeError when the operands do not fit."""
        dtype = same_dtype(x, w)
        if w.rank != x.rank:
            raise ShapeError(describe("kernel of the wrong rank", expected=x.rank, got=w))
        out_channels, per_group, *kernel = w.static_shape
        spatial = output_shape(x, kernel, self.strides, self.dilations, self.pads)
        if self.groups < 1 or out_channels % self.groups:
            raise ShapeError(
                describe(
                    "groups do not divide the filters", expected=f"{self.groups} | {out_channels}", got=w
                )
            )
        if isinstance(x.shape[1], int) and x.shape[1] != per_group * self.groups:
            raise ShapeError(
                describe(
                    "channels do not fit the kernel",
                    expected=f"{per_group} * {self.groups} groups = {per_group * self.groups}",
                    got=x.shape[1],
                )
            )
        return TensorType(dtype, (x.shape[0], out_channels, *spatial))

    def expect_result(self, dy: TensorType, x: TensorType, w: TensorType) -> None:
        """Raise ShapeError unless `dy` has the type of conv(x, w)."""
        wanted = self.result_of_conv(x, w)
        pairs = zip(dy.shape, wanted.shape, strict=True) if dy.rank == wanted.rank else [(0, 1)]
        if any(a != b for a, b in pairs if isinstance(a, int) and isinstance(b, int)):
            raise ShapeError(describe("not the result of this convolution", expected=wanted, got=dy))

    def _split(self, x: Value) -> Value:
        return _split_groups(x, self.groups, len(self.strides))

    # -- NumPy: everything is a batched product [groups, rows, inner] @ [groups, inner, columns]

    def _columns(self, x: Array, kernel: Sequence[int]) -> Array:
        """x -> [groups, N * out, C / groups * K]."""
        view = windows(x, kernel, self.strides, self.dilations, self.pads)
        return _grouped_rows(view, self.groups, len(kernel))

    def _rows(self, y: Array) -> Array:
        """y [N, O, *S'] -> [groups, N * out, O / groups]."""
        return _grouped_rows(y, self.groups, y.ndim - 2)


@op("conv")
class Conv(Convolution):
    """y[n, o, s] = sum over c, k of x[n, c, s * stride + k * dilation - before] w[o, c, k]; x is 0 outside.

    x [N, C, *S], w [O, C / groups, *K] -> y [N, O, *S'], float; 1 to 3 spatial axes. The filters of a group see the
    channels of that group. (Cross-correlation, as in every deep learning library.)
    """

    def infer(self, x: TensorType, w: TensorType) -> TensorType:
        return self.result_of_conv(x, w)

    def evaluate(self, x: Array, w: Array) -> Array:
        """One product per image and group. The columns of a 1x1 kernel are the pixels, without a copy."""
        view = windows(x, w.shape[2:], self.strides, self.dilations, self.pads)
        out = view.shape[2 : x.ndim]
        taps = np.moveaxis(view, range(x.ndim, view.ndim), range(2, x.ndim))
        flat = w.reshape(self.groups, w.shape[0] // self.groups, -1)
        columns = taps.reshape(x.shape[0], self.groups, flat.shape[2], prod(out))
        return np.matmul(flat, columns).reshape(x.shape[0], w.shape[0], *out)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        x, w = call.inputs
        return self._input_grad(x)(dy, w), self._filter_grad(w)(x, dy)

    def decompose(self, x: Value, w: Value) -> Value:
        """Patches of x against the flattened kernel, one product per image and group."""
        kernel = w.type.static_shape[2:]
        columns = self._split(patches(x, kernel, self.strides, self.dilations, self.pads))
        out = self.infer(x.type, w.type).shape
        return reshape(matmul(_flat_kernel(w, self.groups), columns), out)

    def _input_grad(self, x: Value) -> ConvInputGrad:
        return ConvInputGrad(*self.attributes_of_conv, x.shape[2:])

    def _filter_grad(self, w: Value) -> ConvFilterGrad:
        return ConvFilterGrad(*self.attributes_of_conv, w.type.static_shape[2:])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, w in _cases():
            yield Sample(cls(*attributes), (floats(*x), floats(*w)))


@op("conv_bias")
class ConvBias(Convolution):
    """conv(x, w) + b, one number per filter.  x [N, C, *S], w [O, C / groups, *K], b [O] -> y [N, O, *S'].

    What passes make of the two; runtimes do both at once.
    """

    def decompose(self, x: Value, w: Value, b: Value) -> Value:
        ones = (1,) * len(self.strides)
        return add(Conv(*self.attributes_of_conv)(x, w), reshape(b, (*b.shape, *ones)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, w in _cases():
            yield Sample(cls(*attributes), (floats(*x), floats(*w), floats(w[0])))


@op("conv_input_grad")
class ConvInputGrad(Convolution):
    """The transpose of `conv` in x: dy [N, O, *S'], w [O, C / groups, *K] -> dx [N, C, *shape].

    `shape` says which of the inputs that a strided convolution maps to S' is meant. Keras calls this a transposed
    convolution.
    """

    shape: Shape = ()

    def infer(self, dy: TensorType, w: TensorType) -> TensorType:
        if w.rank != dy.rank or w.rank < 2:
            raise ShapeError(describe("kernel of the wrong rank", expected=dy.rank, got=w))
        x = dy.with_shape((dy.shape[0], w.static_shape[1] * self.groups, *self.shape))
        self.expect_result(dy, x, w)
        return x

    def evaluate(self, dy: Array, w: Array) -> Array:
        flat = w.reshape(self.groups, w.shape[0] // self.groups, -1)
        columns = np.matmul(self._rows(dy), flat)
        columns = columns.reshape(self.groups, dy.shape[0], *dy.shape[2:], *w.shape[1:])
        spatial = len(self.shape)
        columns = np.moveaxis(columns, (0, spatial + 2), (1, 2))
        columns = columns.reshape(dy.shape[0], -1, *dy.shape[2:], *w.shape[2:])
        return add_windows(columns, as_ints(self.shape), self.strides, self.dilations, self.pads)

    def vjp(self, call: Call, ddx: Value) -> Gradients:
        dy, w = call.inputs
        kernel = w.type.static_shape[2:]
        attributes = self.attributes_of_conv
        return Conv(*attributes)(ddx, w), ConvFilterGrad(*attributes, kernel)(ddx, dy)

    def as_conv(self, kernel: Sequence[int]) -> Conv | None:
        """At stride 1 this is the convolution with `flipped_kernel`, if no pad is larger than the window; else None."""
        spans = map(span, kernel, self.dilations)
        known = [(k - 1 - a, k - 1 - b) for k, (a, b) in zip(spans, self.pads, strict=True)]
        fits = all(isinstance(amount, int) and amount >= 0 for pair in known for amount in pair)
        if self.groups != 1 or set(self.strides) != {1} or not fits:
            return None
        return Conv(self.strides, tuple(known), self.dilations)

    def decompose(self, dy: Value, w: Value) -> Value:
        """The flattened kernel against dy gives what each window adds to its patch of dx."""
        kernel = w.type.static_shape[2:]
        columns = matmul(_flat_kernel(w, self.groups), self._split(dy), transpose_a=True)
        channels = w.type.static_shape[1] * self.groups
        apart = reshape(columns, (dy.shape[0], channels, product(kernel), *dy.shape[2:]))
        return add_patches(apart, self.shape, kernel, self.strides, self.dilations, self.pads)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, w in _cases():
            y = Conv(*attributes).infer(TensorType("float32", x), TensorType("float32", w)).static_shape
            yield Sample(cls(*attributes, x[2:]), (floats(*y), floats(*w)))


@op("conv_filter_grad")
class ConvFilterGrad(Convolution):
    """The transpose of `conv` in w: x [N, C, *S], dy [N, O, *S'] -> dw [O, C / groups, *kernel]."""

    kernel: tuple[int, ...] = ()

    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        channels, filters = x.shape[1], dy.shape[1]
        if not isinstance(channels, int) or not isinstance(filters, int):
            raise ShapeError(describe("channels must be known", expected="integers", got=f"{x} and {dy}"))
        w = x.with_shape((filters, channels // self.groups, *self.kernel))
        self.expect_result(dy, x, w)
        return w

    def evaluate(self, x: Array, dy: Array) -> Array:
        flat = np.matmul(self._rows(dy).swapaxes(1, 2), self._columns(x, self.kernel))
        return flat.reshape(dy.shape[1], x.shape[1] // self.groups, *self.kernel)

    def vjp(self, call: Call, ddw: Value) -> Gradients:
        x, dy = call.inputs
        attributes = self.attributes_of_conv
        return ConvInputGrad(*attributes, x.shape[2:])(dy, ddw), Conv(*attributes)(x, ddw)

    def decompose(self, x: Value, dy: Value) -> Value:
        """Products of dy with what the windows see of x, one per image and group, summed over the images.

        One product for each position in the window copies x least. Patches, which copy everything twice, make one
        product of them all; that pays where the separate ones would be too narrow.
        """
        window = (self.kernel, self.strides, self.dilations, self.pads)
        filters, per_group, *kernel = self.infer(x.type, dy.type).static_shape
        rows, taps = filters // self.groups, prod(kernel)
        if per_group * taps <= NARROW:
            columns = self._split(patches(x, *window))
            each = matmul(columns, self._split(dy), transpose_b=True)
            total = transpose(ReduceSum((0,), False)(each), (0, 2, 1))
        else:
            gradient = self._split(dy)
            slices = (self._split(piece) for piece in window_slices(x, *window))
            products = [matmul(gradient, piece, transpose_b=True) for piece in slices]
            total = stack([ReduceSum((0,), False)(each) for each in products], 3)
        return reshape(reshape(total, (self.groups, rows, per_group, taps)), (filters, per_group, *kernel))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, w in _cases():
            y = Conv(*attributes).infer(TensorType("float32", x), TensorType("float32", w)).static_shape
            yield Sample(cls(*attributes, w[2:]), (floats(*x), floats(*y)))


def conv(
    x: Value,
    w: Value,
    strides: Sequence[int] | None = None,
    pads: Pads | None = None,
    dilations: Sequence[int] | None = None,
    groups: int = 1,
) -> Value:
    """`Conv` with strides and dilations 1 and no pads unless given."""
    return Conv(*_attributes(x.rank - 2, strides, pads, dilations), groups)(x, w)


def conv_transpose(
    x: Value,
    w: Value,
    shape: Shape,
    strides: Sequence[int] | None = None,
    pads: Pads | None = None,
    dilations: Sequence[int] | None = None,
    groups: int = 1,
) -> Value:
    """`ConvInputGrad` to the spatial `shape`: x [N, C, *S], w [C, O / groups, *K] -> [N, O, *shape]."""
    return ConvInputGrad(*_attributes(x.rank - 2, strides, pads, dilations), groups, tuple(shape))(x, w)


def from_keras_kernel(kernel: Value) -> Value:
    """A kernel [*K, C / groups, O] as the ops here take it, [O, C / groups, *K]."""
    spatial = kernel.rank - 2
    return transpose(kernel, (spatial + 1, spatial, *range(spatial)))


def flipped_kernel(w: Value) -> Value:
    """w [O, C, *K] turned round, with filters and channels exchanged: what `ConvInputGrad.as_conv` takes."""
    spatial = range(2, w.rank)
    return transpose(Reverse(tuple(spatial))(w), (1, 0, *spatial))


def _attributes(
    spatial: int, strides: Sequence[int] | None, pads: Pads | None, dilations: Sequence[int] | None
) -> tuple[tuple[int, ...], Pads, tuple[int, ...]]:
    ones = (1,) * spatial
    none: Pads = ((0, 0),) * spatial
    return (
        ones if strides is None else tuple(strides),
        none if pads is None else tuple(pads),
        ones if dilations is None else tuple(dilations),
    )


def _flat_kernel(w: Value, groups: int) -> Value:
    filters, per_group, *kernel = w.type.static_shape
    return reshape(w, (groups, filters // groups, per_group * prod(kernel)))


def _split_groups(x: Value, groups: int, spatial: int) -> Value:
    """[N, C, *rest, *out] -> [N, groups, C / groups * rest, prod(out)], where out has `spatial` axes."""
    rows = product(x.shape[1 : x.rank - spatial])
    return reshape(x, (x.shape[0], groups, rows // groups, product(x.shape[x.rank - spatial :])))


def _type(x: Array) -> TensorType:
    return TensorType(x.dtype.name, x.shape)


def _grouped_rows(x: Array, groups: int, spatial: int) -> Array:
    """[N, C, *out, *rest] -> [groups, N * out, C / groups * rest], where out has `spatial` axes."""
    n, c, *others = x.shape
    split = x.reshape(n, groups, c // groups, *others)
    rows = np.moveaxis(split, (1, 2), (0, spatial + 2))
    return rows.reshape(groups, n * int(np.prod(others[:spatial])), -1)


def _cases() -> Iterable[tuple[tuple[Sizes, Pads, Sizes, int], Sizes, Sizes]]:
    """(strides, pads, dilations, groups), the shape of x, the shape of w."""
    none: Pads = ((0, 0), (0, 0))
    yield ((1, 1), none, (1, 1), 1), (2, 3, 5, 6), (4, 3, 3, 3)
    yield ((1, 1), ((1, 1), (0, 1)), (1, 1), 1), (2, 2, 4, 5), (3, 2, 3, 2)
    # Strides that leave a rest, pads larger on one side, dilation.
    yield ((2, 3), ((0, 1), (2, 0)), (1, 1), 1), (2, 2, 6, 7), (3, 2, 3, 2)
    yield ((2, 2), none, (1, 1), 1), (1, 2, 6, 8), (2, 2, 3, 1)
    yield ((3, 2), none, (1, 1), 1), (1, 2, 6, 6), (2, 2, 1, 1)
    yield ((1, 2), ((2, 1), (0, 0)), (2, 1), 1), (1, 2, 6, 5), (2, 2, 3, 2)
    # Groups: two of them; depthwise; depthwise with a multiplier.
    yield ((1, 1), ((1, 1), (1, 1)), (1, 1), 2), (2, 4, 4, 3), (6, 2, 3, 3)
    yield ((2, 1), none, (1, 1), 3), (2, 3, 5, 4), (3, 1, 3, 2)
    yield ((1, 1), ((0, 1), (0, 1)), (1, 1), 3), (1, 3, 4, 4), (6, 1, 2, 2)
    # One spatial axis (the second causal), and three.
    yield ((2,), ((1, 0),), (1,), 1), (2, 3, 7), (4, 3, 3)
    yield ((1,), (causal_pads(2, 2),), (2,), 1), (2, 3, 5), (2, 3, 2)
    yield ((1, 2, 1), ((0, 0), (1, 0), (0, 0)), (1, 1, 1), 1), (1, 2, 3, 4, 3), (2, 2, 2, 2, 3)
    yield ((1, 1, 1), ((0, 0), (0, 0), (0, 0)), (1, 1, 1), 2), (1, 2, 2, 3, 2), (2, 1, 1, 2, 2)
