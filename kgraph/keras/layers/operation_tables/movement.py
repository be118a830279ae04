"""Operations of keras.ops.numpy that move elements without computing on them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import Function, as_tensor, axes_of, common
from kgraph.keras.tensor import Tensor


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


MOVEMENT: Mapping[str, Function] = MappingProxyType(
    {
        "Concatenate": lambda xs, axis=-1: K.concatenate(common(*xs), axis=axis),
        "ExpandDims": _expand,
        "Flip": _flip,
        "GetItem": _item,
        "Reshape": _reshape,
        "Squeeze": _squeeze,
        "Stack": lambda xs, axis=0: K.stack(common(*xs), axis=axis),
        "Transpose": _transpose,
    }
)
