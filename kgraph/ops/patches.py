"""Patches: what every window sees, as tensors, in plain ops.

With them convolution and pooling are matrix products, comparisons and sums, for backends and dtypes that have
nothing better.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from kgraph.ir.dims import Dim, Shape
from kgraph.ir.graph import Value
from kgraph.ops.elementwise import add
from kgraph.ops.shape import Dilate, Slice, index_axis, pad, stack
from kgraph.ops.windows import Pads, output_shape


def window_slices(
    x: Value,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Pads,
    value: float = 0.0,
) -> list[Value]:
    """x [N, C, *S] -> for each position in the window, in row-major order, what all windows see there: [N, C, *out]."""
    out = output_shape(x.type, window, strides, dilations, pads)
    padded = pad(x, ((0, 0), (0, 0), *pads), value)
    made = []
    for offset in product(*map(range, window)):
        starts = [o * d for o, d in zip(offset, dilations, strict=True)]
        stops = [start + (n - 1) * s + 1 for start, n, s in zip(starts, out, strides, strict=True)]
        bounds = (0, 0, *starts), (*x.shape[:2], *stops), (1, 1, *strides)
        whole = all((a, b) == (0, size) for a, b, size in zip(starts, stops, padded.shape[2:], strict=True))
        made.append(padded if whole and set(strides) == {1} else Slice(*bounds)(padded))
    return made


def patches(
    x: Value, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Pads
) -> Value:
    """`window_slices` as one tensor [N, C, K, *out] (the image-to-column transformation)."""
    return stack(window_slices(x, window, strides, dilations, pads), 2)


def add_slices(
    slices: Sequence[Value],
    shape: Shape,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Pads,
) -> Value:
    """The transpose of `window_slices`: each [N, C, *out] goes back to where it was seen; the sum [N, C, *shape]."""
    total: Value | None = None
    spread = (1, 1, *strides)
    padded = [before + size + after for size, (before, after) in zip(shape, pads, strict=True)]
    for offset, piece in zip(product(*map(range, window)), slices, strict=True):
        apart = piece if set(strides) == {1} else Dilate(spread)(piece)
        around: list[tuple[Dim, Dim]] = [(0, 0), (0, 0)]
        for o, d, size, have in zip(offset, dilations, padded, apart.shape[2:], strict=True):
            around.append((o * d, size - o * d - have))
        placed = pad(apart, around)
        total = placed if total is None else add(total, placed)
    assert total is not None, "a window has at least one position"
    starts = (0, 0, *(before for before, _ in pads))
    stops = (*total.shape[:2], *(b + size for size, (b, _) in zip(shape, pads, strict=True)))
    return total if total.shape[2:] == tuple(shape) else Slice(starts, stops, (1,) * total.rank)(total)


def add_patches(
    columns: Value,
    shape: Shape,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Pads,
) -> Value:
    """The transpose of `patches`: [N, C, K, *out] -> [N, C, *shape]."""
    slices = [index_axis(columns, 2, position) for position in range(int(columns.shape[2]))]  # type: ignore[arg-type]  # the window is static
    return add_slices(slices, shape, window, strides, dilations, pads)
