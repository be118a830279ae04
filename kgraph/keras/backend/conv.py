"""Convolution and pooling of K. Kernels are [*K, channels, filters]; `data_format` says where the data has channels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.ir.dims import Dim, maximum
from kgraph.ir.dims import product as size_of
from kgraph.ir.graph import Value
from kgraph.keras.backend.math import as_float
from kgraph.keras.backend.shape import normalize_data_format, spatial_axes
from kgraph.keras.backend.sizes import as_dims
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops import conv as ops
from kgraph.ops import pool
from kgraph.ops import shape as s
from kgraph.ops.broadcast import reshape
from kgraph.ops.linalg import matmul
from kgraph.ops.windows import Pads, causal_pads, same_pads, span

Sizes = int | Sequence[int]


def conv1d(
    x: Any,
    kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Tensor:
    """x [batch, steps, C] with kernel [k, C, filters]; the padding may also be "causal"."""
    return _conv(x, as_value(kernel), strides, padding, data_format, dilation_rate)


def conv2d(
    x: Any,
    kernel: Any,
    strides: Sizes = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = (1, 1),
) -> Tensor:
    """x [batch, rows, columns, C] with kernel [h, w, C, filters]."""
    return _conv(x, as_value(kernel), strides, padding, data_format, dilation_rate)


def conv3d(
    x: Any,
    kernel: Any,
    strides: Sizes = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = (1, 1, 1),
) -> Tensor:
    """x [batch, *S, C] with kernel [*K, C, filters], over three spatial axes."""
    return _conv(x, as_value(kernel), strides, padding, data_format, dilation_rate)


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Sizes = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = (1, 1),
) -> Tensor:
    """Each channel with its own kernels [h, w, C, m] -> C * m channels, those of one input channel together."""
    return _depthwise(x, as_value(depthwise_kernel), strides, padding, data_format, dilation_rate)


def separable_conv1d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Tensor:
    """A depthwise convolution with [k, C, m], then one with [1, C * m, filters]."""
    y = _depthwise(x, as_value(depthwise_kernel), strides, padding, data_format, dilation_rate)
    return conv1d(y, pointwise_kernel, 1, "valid", data_format)


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Sizes = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = (1, 1),
) -> Tensor:
    """A depthwise convolution with [h, w, C, m], then one with [1, 1, C * m, filters]."""
    y = _depthwise(x, as_value(depthwise_kernel), strides, padding, data_format, dilation_rate)
    return conv2d(y, pointwise_kernel, 1, "valid", data_format)


def _depthwise(
    x: Any, kernel: Value, strides: Sizes, padding: str, data_format: str | None, dilation_rate: Sizes
) -> Tensor:
    *window, channels, multiplier = kernel.type.static_shape
    grouped = reshape(kernel, (*window, 1, channels * multiplier))
    return _conv(x, grouped, strides, padding, data_format, dilation_rate, groups=channels)


def _conv(
    x: Any,
    kernel: Value,
    strides: Sizes,
    padding: str,
    data_format: str | None,
    dilation_rate: Sizes,
    groups: int = 1,
) -> Tensor:
    value = _channels_first(x, data_format)
    steps, gaps = _per_axis(strides, value), _per_axis(dilation_rate, value)
    window = kernel.type.static_shape[:-2]
    pads = _pads(padding, value, window, steps, gaps)
    made = ops.conv(value, ops.from_keras_kernel(kernel), steps, pads, gaps, groups)
    return _as_given(made, data_format)


def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Sizes = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = (1, 1),
) -> Tensor:
    """The transpose of `conv2d`: kernel [h, w, filters, C]; `output_shape` is that of the result, batch included."""
    return _conv_transpose(x, as_value(kernel), output_shape, strides, padding, data_format, dilation_rate)


def conv3d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Sizes = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """The transpose of `conv3d`: kernel [*K, filters, C]; `output_shape` is that of the result, batch included."""
    return _conv_transpose(x, as_value(kernel), output_shape, strides, padding, data_format, 1)


def _conv_transpose(
    x: Any,
    kernel: Value,
    output_shape: Any,
    strides: Sizes,
    padding: str,
    data_format: str | None,
    dilation_rate: Sizes,
) -> Tensor:
    value = _channels_first(x, data_format)
    steps, gaps = _per_axis(strides, value), _per_axis(dilation_rate, value)
    dims = as_dims(output_shape)
    shape = tuple(dims[axis] for axis in spatial_axes(value.rank, data_format))
    spans = tuple(map(span, kernel.type.static_shape[:-2], gaps))
    pads: list[tuple[Dim, Dim]] = []
    for size, out, stride, width in zip(value.shape[2:], shape, steps, spans, strict=True):
        total = maximum((size - 1) * stride + width - out, 0) if padding == "same" else 0
        pads.append((total // 2, total - total // 2))
    made = ops.conv_transpose(value, ops.from_keras_kernel(kernel), shape, steps, tuple(pads), gaps)
    return _as_given(made, data_format)


def pool2d(
    x: Any,
    pool_size: Sizes,
    strides: Sizes = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Tensor:
    """The maximum ("max") or mean ("avg") of each window over rows and columns; padding does not count."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def pool3d(
    x: Any,
    pool_size: Sizes,
    strides: Sizes = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Tensor:
    """The maximum ("max") or mean ("avg") of each window over three spatial axes; padding does not count."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def _pool(
    x: Any, pool_size: Sizes, strides: Sizes, padding: str, data_format: str | None, pool_mode: str
) -> Tensor:
    kinds = {"max": pool.max_pool, "avg": pool.average_pool}
    if pool_mode not in kinds:
        raise ArgumentError(describe("unknown pool_mode", expected='"max" or "avg"', got=repr(pool_mode)))
    value = _channels_first(x, data_format)
    window, steps = _per_axis(pool_size, value), _per_axis(strides, value)
    pads = _pads(padding, value, window, steps, (1,) * len(window))
    return _as_given(kinds[pool_mode](value, window, steps, pads), data_format)


def local_conv1d(
    inputs: Any, kernel: Any, kernel_size: Sizes, strides: Sizes, data_format: str | None = None
) -> Tensor:
    """A convolution whose kernel differs by position: kernel [windows, k * C, filters]."""
    return _local(inputs, as_value(kernel), kernel_size, strides, data_format)


def local_conv2d(
    inputs: Any,
    kernel: Any,
    kernel_size: Sizes,
    strides: Sizes,
    output_shape: Sequence[int],
    data_format: str | None = None,
) -> Tensor:
    """A convolution whose kernel differs by position: kernel [rows * columns, h * w * C, filters]."""
    return _local(inputs, as_value(kernel), kernel_size, strides, data_format)


def _local(x: Any, kernel: Value, kernel_size: Sizes, strides: Sizes, data_format: str | None) -> Tensor:
    value = as_float(x)
    axes = spatial_axes(value.rank, data_format)
    window, steps = _per_axis(kernel_size, value), _per_axis(strides, value)
    counts = [(value.shape[a] - k) // step + 1 for a, k, step in zip(axes, window, steps, strict=True)]
    pieces = []
    for offsets in product(*map(range, window)):
        piece = value
        for axis, start, count, step in zip(axes, offsets, counts, steps, strict=True):
            piece = s.slice_axis(piece, axis, start, start + (count - 1) * step + 1, step)
        pieces.append(piece)
    first = normalize_data_format(data_format) == "channels_first"
    # The elements of a window stand beside the channels, on the side where the kernel has them.
    stacked = s.stack(pieces, 2 if first else value.rank - 1)
    places = tuple(a + 1 for a in axes) if first else axes
    others = tuple(a for a in range(1, stacked.rank) if a not in places)
    rows = s.transpose(stacked, (*places, 0, *others))
    rows = reshape(rows, (size_of(counts), value.shape[0], kernel.shape[1]))
    made = reshape(matmul(rows, kernel), (*counts, value.shape[0], kernel.shape[2]))
    back = (
        (len(axes), len(axes) + 1, *range(len(axes)))
        if first
        else (len(axes), *range(len(axes)), len(axes) + 1)
    )
    return Tensor(s.transpose(made, back))


def _channels_first(x: Any, data_format: str | None) -> Value:
    value = as_float(x)
    if normalize_data_format(data_format) == "channels_first":
        return value
    return s.transpose(value, (0, value.rank - 1, *range(1, value.rank - 1)))


def _as_given(y: Value, data_format: str | None) -> Tensor:
    if normalize_data_format(data_format) == "channels_first":
        return Tensor(y)
    return Tensor(s.transpose(y, (0, *range(2, y.rank), 1)))


def _per_axis(sizes: Sizes, x: Value) -> tuple[int, ...]:
    return (sizes,) * (x.rank - 2) if isinstance(sizes, int) else tuple(sizes)


def _pads(
    padding: str, x: Value, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Pads | None:
    """What to add around the spatial axes. Raises ArgumentError for an unknown padding."""
    if padding == "same":
        return tuple(map(same_pads, x.shape[2:], window, strides, dilations))
    if padding == "causal" and x.rank == 3:
        return tuple(map(causal_pads, window, dilations))
    if padding != "valid":
        raise ArgumentError(describe("unknown padding", expected='"valid" or "same"', got=repr(padding)))
    return None
