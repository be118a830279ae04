"""The gradient of a strided convolution in its input, as convolutions in the blocked layout.

    dx[i] = sum over t of dy[(i + p - t) / s] w[t],  for those t that make the index whole

with stride s and padding p. All pixels i of one phase, i modulo s, meet the same taps of the kernel, which are s apart.
So each phase is a convolution of dy with a part of the kernel, at stride 1, and dx is the phases interleaved. Nothing
is multiplied by the zeros that a stride would put between the pixels of dy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from kgraph.ir.dims import Dim
from kgraph.ir.graph import Value
from kgraph.ops.conv import ConvInputGrad, flipped_kernel
from kgraph.ops.patches import interleave
from kgraph.ops.shape import Slice, full
from kgraph.plugins.onnx.blocked.ops import BlockedConv, blocked_kernel


@dataclass(frozen=True)
class _Phase:
    """The pixels i = phase, phase + s, ... along one axis."""

    first: int
    """Their first tap."""
    pads: tuple[int, int]
    """What dy must be padded with, so that the taps reach all of them and nothing else."""


def strided_input_gradient(op: ConvInputGrad, dy: Value, w: Value, block: int) -> Value | None:
    """dx [N, C / b, H, W, b] from dy [N, O / b, H', W', b] and w [O, C, KH, KW].

    None for dilations, groups and sizes that are not known, or where the strides do not divide H and W, or where dy
    would have to be cut.
    """
    filters, channels, *kernel = w.type.static_shape
    if op.groups != 1 or set(op.dilations) != {1}:
        return None
    axes = [_phases(*each) for each in zip(op.shape, dy.shape[2:4], kernel, op.strides, op.pads, strict=True)]
    if not all(axes):
        return None
    planes: dict[tuple[int, ...], Value] = {}
    for place in product(*map(range, op.strides)):
        phases = [axis[i] for axis, i in zip(axes, place, strict=True)]
        firsts = [phase.first for phase in phases]
        if any(first >= size for first, size in zip(firsts, kernel, strict=True)):
            sizes = [size // stride for size, stride in zip(op.shape, op.strides, strict=True)]
            planes[place] = full((dy.shape[0], channels // block, *sizes, block), 0.0, dy.dtype)
            continue
        part = Slice((0, 0, *firsts), (filters, channels, *kernel), (1, 1, *op.strides))(w)
        conv = BlockedConv((1, 1), tuple(phase.pads for phase in phases))
        planes[place] = conv(dy, blocked_kernel(flipped_kernel(part), block))
    return interleave(planes, len(axes))


def _phases(size: Dim, seen: Dim, taps: int, stride: int, pads: tuple[Dim, Dim]) -> Sequence[_Phase]:
    """The phases of an axis of `size` pixels, of which a convolution sees `seen` windows; none if they do not suit."""
    before = pads[0]
    if not (isinstance(size, int) and isinstance(seen, int) and isinstance(before, int)) or size % stride:
        return ()
    found = []
    for place in range(stride):
        window, first = divmod(place + before, stride)
        # Pixel number q of the phase meets windows q + window, and as many before it as there are further taps.
        further = max(taps - first - 1, 0) // stride
        found.append(_Phase(first, (further - window, window + size // stride - seen)))
    suits = all(min(phase.pads) >= 0 for phase in found if phase.first < taps)
    return found if suits else ()
