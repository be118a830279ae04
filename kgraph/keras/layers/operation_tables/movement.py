"""Operations of keras.ops.numpy that move elements without computing on them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import Dim
from kgraph.ir.types import SIGNED, UNSIGNED, normalize_axis
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import (
    Function,
    as_number,
    as_tensor,
    axes_of,
    cast,
    common,
)
from kgraph.keras.tensor import Tensor
from kgraph.ops import elementwise as e
from kgraph.ops import indexing, logic
from kgraph.ops import shape as s
from kgraph.ops.broadcast import broadcast_to, reshape


def _item(x: Any, key: Any) -> Tensor:
    parts = list(key) if isinstance(key, list | tuple) else [key]
    return x[tuple(as_tensor(part) if isinstance(part, list) else part for part in parts)]


def _squeeze(x: Any, axis: Any = None) -> Tensor:
    axes = [i for i, size in enumerate(x.shape) if size == 1] if axis is None else axes_of(axis, x.ndim)
    for a in sorted(axes, reverse=True):
        x = K.squeeze(x, a)
    return x


def _expand(x: Any, axis: Any) -> Tensor:
    count = 1 if isinstance(axis, int) else len(axis)
    for a in sorted(axes_of(axis, x.ndim + count)):
        x = K.expand_dims(x, a)
    return x


def _transpose(x: Any, axes: Any = None) -> Tensor:
    return K.transpose(x) if axes is None else K.permute_dimensions(x, axes_of(axes, x.ndim))


def _flip(x: Any, axis: Any = None) -> Tensor:
    return K.reverse(x, tuple(range(x.ndim)) if axis is None else axes_of(axis, x.ndim))


def _reshape(x: Any, newshape: Any) -> Tensor:
    return K.reshape(
        x, (newshape,) if isinstance(newshape, int) else tuple(-1 if d is None else d for d in newshape)
    )


def _positions(indices: Any, size: Dim) -> ir.Value:
    """Indices as positions on an axis of `size`; those below zero count from its end."""
    value = as_tensor(indices).value
    if value.dtype not in SIGNED | UNSIGNED:
        raise ArgumentError(describe("positions on an axis", expected="integers", got=value.type))
    if value.dtype not in ("int32", "int64"):
        value = logic.cast(value, "int64")
    length = Tensor(s.DimValue(size, value.dtype)()).value
    return logic.where(logic.less(value, 0), e.add(value, length), value)


def _picked(x: ir.Value, positions: Any, axis: int) -> Tensor:
    """The elements of an axis of known size at constant positions."""
    return Tensor(s.Gather(axis)(x, ir.Constant(np.asarray(positions, "int64"))))


def _known(x: ir.Value, axis: int, what: str) -> int:
    """The size of an axis. Raises ShapeError where it varies."""
    size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeError(describe(f"{what} needs a static axis", expected="an integer size", got=x.type))
    return size


def _along(x: Any, axis: int | None) -> tuple[ir.Value, int]:
    """A tensor and the axis that is meant; without one all elements in one axis."""
    found = as_tensor(x)
    if axis is None:
        return K.reshape(found, (-1,)).value, 0
    return found.value, normalize_axis(axis, found.ndim)


def _take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    value, place = _along(x, axis)
    return Tensor(s.Gather(place)(value, _positions(indices, value.shape[place])))


def _take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    value, place = _along(x, axis)
    found = as_tensor(indices)
    chosen = _positions(K.reshape(found, (-1,)) if axis is None else found, value.shape[place])
    return Tensor(indexing.TakeAlongAxis(place)(value, chosen))


def _repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    value, place = _along(x, axis)
    if isinstance(repeats, int):
        return Tensor(s.Repeat(tuple(repeats if i == place else 1 for i in range(value.rank)))(value))
    return _picked(value, np.repeat(np.arange(_known(value, place, "Repeat")), repeats), place)


def _tile(x: Any, repeats: Any) -> Tensor:
    found = as_tensor(x)
    counts = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    counts = (1,) * (found.ndim - len(counts)) + counts
    return K.tile(_expand(found, list(range(len(counts) - found.ndim))), counts)


def _pad(x: Any, constant_values: Any = None, *, pad_width: Any, mode: str = "constant") -> Tensor:
    """As NumPy's: one width, one pair, or a pair for each axis."""
    found = as_tensor(x)
    widths = np.broadcast_to(np.asarray(pad_width, "int64"), (found.ndim, 2)).tolist()
    if mode == "constant":
        value = 0.0 if constant_values is None else float(constant_values)
        numbers = as_number(found)
        return cast(Tensor(s.pad(numbers.value, [tuple(pair) for pair in widths], value)), found.dtype)
    if constant_values is not None:
        raise ArgumentError(
            describe("Pad: constant_values", expected=f"none with {mode}", got=constant_values)
        )
    for axis, pair in enumerate(widths):
        if any(pair):
            size = _known(found.value, axis, f"Pad in the mode {mode}")
            found = _picked(found.value, np.pad(np.arange(size), pair, mode), axis)
    return found


def _split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Equal sections, whose number is given, or what lies between positions."""
    value, place = _along(x, axis)
    if not isinstance(indices_or_sections, int):
        cuts = [0, *indices_or_sections, None]
        before = (slice(None),) * place
        return [Tensor(value)[(*before, slice(*pair))] for pair in pairwise(cuts)]
    size = _known(value, place, "Split")
    length, rest = divmod(size, indices_or_sections)
    if rest or length < 0:
        raise ShapeError(describe("Split: equal sections", expected=f"of {size}", got=indices_or_sections))
    return [Tensor(piece) for piece in s.split(value, [length] * indices_or_sections, place)]


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """The slices of an axis, without it."""
    value, place = _along(x, axis)
    pieces = _split(x, _known(value, place, "Unstack") if num is None else num, axis)
    return [K.squeeze(piece, place) for piece in pieces]


def _moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    found = as_tensor(x)
    sources, places = axes_of(source, found.ndim), axes_of(destination, found.ndim)
    order = [axis for axis in range(found.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return K.permute_dimensions(found, order)


def _swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    found = as_tensor(x)
    order = list(range(found.ndim))
    one, other = axes_of((axis1, axis2), found.ndim)
    order[one], order[other] = other, one
    return K.permute_dimensions(found, order)


def _roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """As NumPy's: what leaves an axis at its end enters at its start. Without an axis all elements are one row."""
    found = as_tensor(x)
    if axis is None:
        return Tensor(reshape(_roll(K.reshape(found, (-1,)), shift, 0).value, found.dims))
    axes = axes_of(axis, found.ndim)
    shifts = np.broadcast_to(np.asarray(shift, "int64"), len(axes)).tolist()
    for place, step in zip(axes, shifts, strict=True):
        size = found.dims[place]
        here = e.sub(s.Iota(size, "int64")(), step)
        there = e.Mod()(here, e.maximum(s.DimValue(size, "int64")(), 1))
        found = Tensor(s.Gather(place)(found.value, there))
    return found


MOVEMENT: Mapping[str, Function] = MappingProxyType(
    {
        "BroadcastTo": lambda x, shape: Tensor(broadcast_to(as_tensor(x).value, tuple(shape))),
        "Concatenate": lambda xs, axis=-1: K.concatenate(common(*xs), axis=axis),
        "ExpandDims": _expand,
        "Flip": _flip,
        "GetItem": _item,
        "Moveaxis": _moveaxis,
        "Pad": _pad,
        "Ravel": lambda x: K.reshape(as_tensor(x), (-1,)),
        "Repeat": _repeat,
        "Reshape": _reshape,
        "Roll": _roll,
        "Split": _split,
        "Squeeze": _squeeze,
        "Stack": lambda xs, axis=0: K.stack(common(*xs), axis=axis),
        "Swapaxes": _swapaxes,
        "Take": _take,
        "TakeAlongAxis": _take_along_axis,
        "Tile": _tile,
        "Transpose": _transpose,
    }
)
