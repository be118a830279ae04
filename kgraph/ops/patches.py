"""Patches: what every window sees, as tensors, in plain ops.

With them convolution and pooling are matrix products, comparisons and sums, for backends and dtypes that have
nothing better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from kgraph.ir.dims import Shape, maximum
from kgraph.ir.graph import Value
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add
from kgraph.ops.shape import Slice, full, index_axis, pad, stack
from kgraph.ops.windows import Pads, output_shape, span


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
    """The transpose of `window_slices`: each [N, C, *out] goes back to where it was seen; the sum [N, C, *shape].

    Slices whose places are the same modulo the strides are added up first, a shift apart; the sums are then
    interleaved, once. So nothing is as large as the result before the result is there.
    """
    out = slices[0].shape[2:]
    reach = [(span(w, d) - 1) // s for w, d, s in zip(window, dilations, strides, strict=True)]
    planes: dict[tuple[int, ...], Value] = {}
    for offset, piece in zip(product(*map(range, window)), slices, strict=True):
        places = [divmod(o * d, s) for o, d, s in zip(offset, dilations, strides, strict=True)]
        phase = tuple(rest for _, rest in places)
        around = [(shift, most - shift) for (shift, _), most in zip(places, reach, strict=True)]
        placed = pad(piece, ((0, 0), (0, 0), *around))
        planes[phase] = add(planes[phase], placed) if phase in planes else placed
    covered = tuple(n + most for n, most in zip(out, reach, strict=True))
    none = full((*slices[0].shape[:2], *covered), 0.0, slices[0].dtype)
    whole = interleave({p: planes.get(p, none) for p in product(*map(range, strides))}, len(strides))
    return _crop(whole, pads, shape)


def interleave(planes: Mapping[tuple[int, ...], Value], axes: int) -> Value:
    """Element [..., i, ...] of plane (p, ...) becomes element [..., i * s + p, ...], s being the number of planes."""
    for axis in range(axes - 1, -1, -1):
        groups: dict[tuple[int, ...], list[Value]] = {}
        for phase, plane in planes.items():
            groups.setdefault(phase[:-1], []).append(plane)
        planes = {phase: _merge(members, axis + 2) for phase, members in groups.items()}
    return planes[()]


def _merge(planes: Sequence[Value], axis: int) -> Value:
    if len(planes) == 1:
        return planes[0]
    shape = list(planes[0].shape)
    shape[axis] = shape[axis] * len(planes)
    return reshape(stack(planes, axis + 1), shape)


def _crop(x: Value, pads: Pads, shape: Shape) -> Value:
    """x [N, C, *S] from behind the pads on, `shape` of it; zeros where it is too short."""
    starts = [before for before, _ in pads]
    stops = [start + size for start, size in zip(starts, shape, strict=True)]
    missing = [maximum(stop - size, 0) for stop, size in zip(stops, x.shape[2:], strict=True)]
    x = pad(x, ((0, 0), (0, 0), *((0, amount) for amount in missing)))
    if x.shape[2:] == tuple(shape):
        return x
    return Slice((0, 0, *starts), (*x.shape[:2], *stops), (1,) * x.rank)(x)


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
