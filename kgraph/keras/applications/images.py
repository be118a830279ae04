"""Where images enter: the shape that they have, and the tensor that a network is built upon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.keras import settings
from kgraph.keras.layers.base import adopt
from kgraph.keras.layers.input import Input
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.warn import warn_user

Shape = tuple[int | None, int | None, int | None]


@dataclass(frozen=True)
class Sizes:
    """How large the images of a network may be, in rows and columns.

    published  those of published weights, squares all; the first is the default
    least      the smallest that leaves something after all the halving
    fixed      whether they must be known when the network is made
    """

    published: tuple[int, ...] = (224,)
    least: int = 32
    fixed: bool = False


def channels_first() -> bool:
    """Whether the program has the channels of images before their rows."""
    return settings.image_data_format() == "channels_first"


def channel_axis() -> int:
    """The axis of the channels, in a batch."""
    return 1 if channels_first() else 3


def channels_of(image: Tensor) -> int:
    """How many channels a batch of images has. Raises ShapeError when that is not known."""
    count = image.shape[channel_axis()]
    if count is None:
        raise ShapeError(describe("the number of channels must be known", got=image.value.type))
    return count


def spatial(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rows and columns of the shape of a batch."""
    return shape[2:4] if channels_first() else shape[1:3]


def image_shape(given: Any, sizes: Sizes, include_top: bool, imagenet: bool, where: str) -> Shape:
    """The shape of one image, in the program's data format; `given` is that of the caller, or None.

    A network with a classifier has the default size unless told otherwise, one without takes any, if it can. Raises
    ArgumentError for a shape that the network or the published weights do not go with.
    """
    if given is None:
        side = sizes.published[0] if include_top or sizes.fixed else None
        return _arranged(side, side, 3)
    rows, columns, channels = _read(given, where)
    if imagenet and channels != 3:
        raise _refusal("weights='imagenet' are of images with 3 channels", "3", given, where)
    if imagenet and include_top and (rows != columns or rows not in sizes.published):
        fitting = " or ".join(str(_arranged(side, side, 3)) for side in sizes.published)
        raise _refusal("weights='imagenet' with a classifier are of another size", fitting, given, where)
    if (include_top or sizes.fixed) and None in (rows, columns):
        raise _refusal("this network is of images of a known size", "no None", given, where)
    if any(size is not None and size < sizes.least for size in (rows, columns)):
        raise _refusal("these images are too small", f"{sizes.least} × {sizes.least} or more", given, where)
    if channels not in (1, 3):
        warn_user(f"{where}: images have 1 or 3 channels as a rule, not {channels} as in input_shape={given}")
    return _arranged(rows, columns, channels)


def entrance(tensor: Any, shape: Shape, is_given: bool, is_fixed: bool, where: str) -> Tensor:
    """The tensor to build a network upon: a new input of the shape, or the caller's.

    A tensor that no layer has made becomes an input of its own. Raises ArgumentError when it is not one of images, not
    of the shape that was given beside it, or not of a known size where `is_fixed` asks for one.
    """
    if tensor is None:
        return Input(shape=shape)
    image = adopt(tensor) if isinstance(tensor, Tensor) else tensor
    if not isinstance(image, Tensor) or image._keras_history is None:
        image = Input(tensor=image)
    fits = image.ndim == 4 and (
        not is_given
        or all(a == b or a is None or b is None for a, b in zip(image.shape[1:], shape, strict=True))
    )
    if not fits or (is_fixed and None in spatial(image.shape)):
        expected = f"a batch of images of {shape}" if is_given else "a batch of images, of rank 4"
        expected += " and a known size" if is_fixed else ""
        raise ArgumentError(
            describe("input_tensor has another shape", expected=expected, got=image.shape, where=where)
        )
    return image


def published_side(image: Tensor, sizes: Sizes) -> int | None:
    """The rows of an image that published weights are of, or None."""
    rows, columns = spatial(image.shape)
    return rows if rows == columns and rows in sizes.published else None


def _read(given: Any, where: str) -> Shape:
    entries = tuple(given) if isinstance(given, list | tuple) else ()
    good = len(entries) == 3 and all(
        entry is None or (isinstance(entry, int | np.integer) and not isinstance(entry, bool) and entry > 0)
        for entry in entries
    )
    first, second, third = entries if good else (None, None, None)
    rows, columns, channels = (second, third, first) if channels_first() else (first, second, third)
    if channels is None:
        order = "channels, rows and columns" if channels_first() else "rows, columns and channels"
        raise _refusal("bad input_shape", f"{order}; only rows and columns may be None", given, where)
    return rows, columns, channels


def _arranged(rows: int | None, columns: int | None, channels: int | None) -> Shape:
    return (channels, rows, columns) if channels_first() else (rows, columns, channels)


def _refusal(summary: str, expected: str, given: Any, where: str) -> ArgumentError:
    return ArgumentError(describe(summary, expected=expected, got=f"input_shape={given!r}", where=where))
