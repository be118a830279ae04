"""Rotations, shifts, shears and zooms of images, by SciPy, which comes with the extra `kgraph[image]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgraph.errors import ArgumentError, ShapeError, describe, optional_library
from kgraph.keras.preprocessing.checks import one_of
from kgraph.keras.preprocessing.image.draws import draws

FILL_MODES = ("constant", "nearest", "reflect", "wrap", "mirror", "grid-constant", "grid-mirror", "grid-wrap")
"""The four of Keras and the others of SciPy."""


def apply_affine_transform(
    x: NDArray[Any],
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 0,
    col_axis: int = 1,
    channel_axis: int = 2,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> NDArray[Any]:
    """An image whose pixel at p is that of x at c + R T S Z (p − c), c its middle and p = (row, column).

    theta         R turns by that many degrees: [[cos, −sin], [sin, cos]]
    tx, ty        T adds tx to the row and ty to the column
    shear         S is [[1, −sin], [0, cos]] of that many degrees
    zx, zy        Z multiplies the row by zx and the column by zy, so less than 1 enlarges
    fill_mode     what stands outside of the image: "nearest", "constant" (cval), "reflect" or "wrap"
    order         of the splines between pixels, 0 (the nearest) to 5
    returns       an array of the shape and dtype of x; x itself when there is nothing to do

    Raises ShapeError when x has not three axes, ArgumentError for other axes, modes and orders, LibraryError without
    SciPy.
    """
    x = np.asarray(x)
    if x.ndim != 3:
        raise ShapeError(describe("an image has three axes", expected="rank 3", got=f"shape {x.shape}"))
    axes = (row_axis, col_axis, channel_axis)
    if sorted(axis % 3 if -3 <= axis < 3 else axis for axis in axes) != [0, 1, 2]:
        raise ArgumentError(
            describe(
                "bad axes of an image", expected="0, 1 and 2 for rows, columns and channels", got=str(axes)
            )
        )
    one_of("apply_affine_transform", "fill_mode", fill_mode, FILL_MODES)
    one_of("apply_affine_transform", "order", str(order), "012345")
    if (theta, tx, ty, shear, zx, zy) == (0, 0, 0, 0, 1, 1):
        return x
    matrix = _rotation(theta) @ _shift(tx, ty) @ _shear(shear) @ np.diag([zx, zy, 1.0])
    middle = (np.array([x.shape[row_axis], x.shape[col_axis]]) - 1) / 2
    offset = middle + matrix[:2, 2] - matrix[:2, :2] @ middle
    # Rows before columns, as the matrix has them, and a plane for each channel.
    planes = np.ascontiguousarray(x.transpose(channel_axis, row_axis, col_axis))
    moved = np.empty_like(planes)
    transform = _ndimage().affine_transform
    for plane, result in zip(planes, moved, strict=True):
        transform(plane, matrix[:2, :2], offset, output=result, order=order, mode=fill_mode, cval=cval)
    return moved.transpose(np.argsort([axis % 3 for axis in (channel_axis, row_axis, col_axis)]))


def _rotation(degrees: float) -> NDArray[np.float64]:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def _shift(rows: float, columns: float) -> NDArray[np.float64]:
    return np.array([[1, 0, rows], [0, 1, columns], [0, 0, 1.0]])


def _shear(degrees: float) -> NDArray[np.float64]:
    return np.array([[1, -np.sin(np.deg2rad(degrees)), 0], [0, np.cos(np.deg2rad(degrees)), 0], [0, 0, 1]])


def _ndimage() -> Any:
    with optional_library("turning and moving images needs SciPy", "image"):
        from scipy import ndimage
    return ndimage


def random_rotation(
    x: NDArray[Any],
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray[Any]:
    """x turned by up to `rg` degrees either way; the other arguments are those of `apply_affine_transform`."""
    theta = draws().uniform(-rg, rg)
    axes = (row_axis, col_axis, channel_axis)
    return apply_affine_transform(x, theta, 0, 0, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shift(
    x: NDArray[Any],
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray[Any]:
    """x moved by up to `wrg` of its width and `hrg` of its height either way, both as fractions."""
    random = draws()
    tx = random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = random.uniform(-wrg, wrg) * x.shape[col_axis]
    axes = (row_axis, col_axis, channel_axis)
    return apply_affine_transform(x, 0, tx, ty, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shear(
    x: NDArray[Any],
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray[Any]:
    """x sheared by up to `intensity` degrees either way."""
    shear = draws().uniform(-intensity, intensity)
    axes = (row_axis, col_axis, channel_axis)
    return apply_affine_transform(x, 0, 0, 0, shear, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_zoom(
    x: NDArray[Any],
    zoom_range: Sequence[float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray[Any]:
    """x zoomed by factors from zoom_range[0] to zoom_range[1], one for rows and one for columns."""
    low, high = pair("random_zoom", "zoom_range", zoom_range)
    zx, zy = (1.0, 1.0) if low == high == 1 else draws().uniform(low, high, 2)
    axes = (row_axis, col_axis, channel_axis)
    return apply_affine_transform(x, 0, 0, 0, 0, zx, zy, *axes, fill_mode, cval, interpolation_order)


def pair(owner: str, name: str, value: Any) -> tuple[float, float]:
    """The lowest and the highest value of a range. Raises ArgumentError for what is no pair of numbers."""
    if isinstance(value, list | tuple | np.ndarray) and len(value) == 2:
        if all(isinstance(each, int | float | np.number) for each in value):
            return value[0], value[1]
    raise ArgumentError(describe(f"{owner}: bad {name}", expected="two numbers", got=repr(value)))
