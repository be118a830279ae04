"""Windows that slide over the spatial axes: what convolution and pooling share.

Arrays are channels-first, [N, C, *S]. A window of size k with dilation d spans (k - 1) * d + 1 positions; `pads` are
(before, after) on each spatial axis. The arithmetic works on symbolic sizes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Dim, Shape, as_ints, maximum
from kgraph.ir.types import Array, TensorType
from kgraph.ops.base import expect_float

Pads = tuple[tuple[Dim, Dim], ...]
MAX_SPATIAL = 3


def span(window: int, dilation: int = 1) -> int:
    """How many positions a window covers from its first to its last element."""
    return (window - 1) * dilation + 1


def same_pads(size: Dim, window: int, stride: int = 1, dilation: int = 1) -> tuple[Dim, Dim]:
    """Pads that give ceil(size / stride) windows; of an odd total the larger half comes after, as in TensorFlow."""
    count = _ceil_div(size, stride)
    total = maximum((count - 1) * stride + span(window, dilation) - size, 0)
    before = total // 2
    return before, total - before


def causal_pads(window: int, dilation: int = 1) -> tuple[Dim, Dim]:
    """Pads with which, at stride 1, output t sees no input later than t."""
    return span(window, dilation) - 1, 0


def output_size(size: Dim, window: int, stride: int, dilation: int, pads: tuple[Dim, Dim]) -> Dim:
    """How many windows fit on an axis. Raises ShapeError when a known size holds not even one."""
    before, after = pads
    # The general formula is right for these pads as well, but would not be seen to be equal when symbolic.
    if pads == same_pads(size, window, stride, dilation):
        return _ceil_div(size, stride)
    room = before + size + after - span(window, dilation)
    if isinstance(room, int) and room < 0:
        raise ShapeError(
            describe(
                "the window is larger than the padded input",
                expected=f"at most {before + size + after}",
                got=span(window, dilation),
            )
        )
    return room // stride + 1


def output_shape(
    x: TensorType, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Pads
) -> Shape:
    """The spatial shape of what a window makes of x [N, C, *S]. Raises ShapeError for what does not fit."""
    expect_float(x)
    spatial = x.rank - 2
    if not 1 <= spatial <= MAX_SPATIAL:
        raise ShapeError(
            describe("wrong rank", expected=f"[N, C, *S] with 1 to {MAX_SPATIAL} spatial axes", got=x)
        )
    for name, values in {"window": window, "strides": strides, "dilations": dilations, "pads": pads}.items():
        if len(values) != spatial:
            raise ShapeError(describe(f"wrong number of {name}", expected=spatial, got=tuple(values)))
    for name, numbers in {"window": window, "strides": strides, "dilations": dilations}.items():
        if any(number < 1 for number in numbers):
            raise ShapeError(describe(f"{name} must be positive", expected="at least 1", got=tuple(numbers)))
    return tuple(map(output_size, x.shape[2:], window, strides, dilations, pads))


def windows(
    x: Array,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Pads,
    value: float = 0.0,
) -> Array:
    """A read-only view [N, C, *out, *window] on x [N, C, *S] padded with `value`."""
    amounts = [as_ints(pair) for pair in pads]
    padded = np.pad(x, [(0, 0), (0, 0), *amounts], constant_values=value) if np.any(amounts) else x
    spans = tuple(map(span, window, dilations))
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, tuple(range(2, x.ndim)))
    every = tuple(slice(None, None, step) for step in (*strides, *dilations))
    return view[(slice(None), slice(None), *every)]


def add_windows(
    values: Array,
    shape: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Pads,
) -> Array:
    """The transpose of `windows`: [N, C, *out, *window] summed into [N, C, *shape]; what falls on pads is dropped."""
    spatial = len(shape)
    out, window = values.shape[2 : 2 + spatial], values.shape[2 + spatial :]
    amounts = [as_ints(pair) for pair in pads]
    padded_shape = [before + size + after for size, (before, after) in zip(shape, amounts, strict=True)]
    padded = np.zeros((*values.shape[:2], *padded_shape), values.dtype)
    for offset in product(*map(range, window)):
        place = [
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, n, s in zip(offset, dilations, out, strides, strict=True)
        ]
        padded[(slice(None), slice(None), *place)] += values[(slice(None),) * (2 + spatial) + offset]
    inside: list[Any] = [slice(b, b + size) for size, (b, _) in zip(shape, amounts, strict=True)]
    return padded[(slice(None), slice(None), *inside)]


def _ceil_div(size: Dim, by: int) -> Dim:
    return (size + (by - 1)) // by
