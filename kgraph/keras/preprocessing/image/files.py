"""Images as files, as objects of Pillow, and as arrays. Pillow comes with the extra `kgraph[image]`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kgraph.errors import ArgumentError, ArgumentTypeError, FileError, describe, optional_library
from kgraph.keras import settings
from kgraph.keras.preprocessing.checks import channels, one_of, size_of_images
from kgraph.keras.saving.atomic import atomic_write
from kgraph.keras.utils.warn import warn_user

if TYPE_CHECKING:
    from PIL.Image import Image

MODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"grayscale": ("L", "I;16", "I"), "rgb": ("RGB",), "rgba": ("RGBA",)}
)
"""Pillow's names for the modes that a color mode takes as they are; others become the first."""

CHANNELS: Mapping[str, int] = MappingProxyType({"grayscale": 1, "rgb": 3, "rgba": 4})

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow() -> Any:
    """Pillow's `Image` module. Raises LibraryError where there is none."""
    with optional_library("images need Pillow", "image"):
        from PIL import Image
    return Image


def load_img(
    path: Any,
    color_mode: str | bool = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
    *,
    grayscale: bool | None = None,
) -> Image:
    """An image from a file, decoded, as an object of Pillow.

    path           a path, or an open file in binary mode
    color_mode     "rgb", "rgba", or "grayscale", which leaves 16 and 32 bits as they are
    target_size    (height, width) to resize it to
    interpolation  how: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos"
    keep_aspect_ratio  whether to cut the middle that has the shape of the target before resizing
    grayscale      the old spelling of color_mode="grayscale"

    Raises FileError for what is no image or a damaged one, FileNotFoundError and other OSErrors as `open` does,
    ArgumentError for other modes and sizes, LibraryError without Pillow.
    """
    if isinstance(color_mode, bool):  # where Keras 2 had `grayscale`
        grayscale, color_mode = color_mode, "rgb"
    if grayscale is not None:
        new = "grayscale" if grayscale else color_mode
        warn_user(
            f"load_img: grayscale= is the old spelling of color_mode={new!r}", category=DeprecationWarning
        )
        color_mode = new
    one_of("load_img", "color_mode", color_mode, MODES)
    one_of("load_img", "interpolation", interpolation, INTERPOLATIONS)
    size = None if target_size is None else size_of_images("load_img", target_size)
    library, content = pillow(), _content(path)
    try:
        image = library.open(content)
        image.load()
        if image.mode not in MODES[color_mode]:
            image = image.convert(MODES[color_mode][0])
        if size is not None and image.size != size[::-1]:
            box = _middle(image.size, size[::-1]) if keep_aspect_ratio else None
            image = image.resize(size[::-1], library.Resampling[interpolation.upper()], box)
    except Exception as error:  # whatever a decoder stumbles over, it is the file that is at fault
        raise FileError(
            describe(
                "no image can be read from this file",
                expected="a whole image in a format that Pillow reads",
                got=f"{type(error).__name__}: {error}",
                where=str(getattr(path, "name", "an open file"))
                if hasattr(path, "read")
                else os.fsdecode(path),
            )
        ) from error
    return image


def _content(path: Any) -> BytesIO:
    if hasattr(path, "read"):
        return BytesIO(path.read())
    if not isinstance(path, str | bytes | os.PathLike):
        raise ArgumentTypeError(
            describe("load_img: no path", expected="a path or an open file", got=type(path).__name__)
        )
    with open(path, "rb") as file:
        return BytesIO(file.read())


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest part, around the middle, of an image (width, height) that has the shape of the target."""
    width = min(size[0], size[1] * target[0] // target[1])
    height = min(size[1], size[0] * target[1] // target[0])
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


def img_to_array(img: Any, data_format: str | None = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """An image as an array, `dtype`[height, width, channels], or [channels, height, width] for "channels_first".

    data_format and dtype are those of `keras.backend` by default. Raises ArgumentError for what is no image.
    """
    order = channels("img_to_array", data_format)
    x = np.asarray(img, dtype=settings.floatx() if dtype is None else dtype)
    if x.ndim not in (2, 3):
        raise ArgumentError(
            describe("img_to_array: no image", expected="two or three axes", got=f"shape {x.shape}")
        )
    x = x[..., None] if x.ndim == 2 else x
    return x.transpose(2, 0, 1) if order == "channels_first" else x


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: DTypeLike | None = None
) -> Image:
    """An array as an image of Pillow: grey for one channel, RGB for three, RGBA for four.

    x            [height, width, channels], or [channels, height, width] for "channels_first"
    scale        whether 255 (x − min x) / max(x − min x) rather than x gives the pixels
    dtype        in which that is computed

    Fractions are cut off. Of one channel with values above 255 it makes an image of 32 bits; otherwise values outside
    of 0 … 255 become these. data_format and dtype are those of `keras.backend` by default.
    Raises ArgumentError for other shapes and for values that are not finite, LibraryError without Pillow.
    """
    order = channels("array_to_img", data_format)
    values = np.asarray(x, dtype=settings.floatx() if dtype is None else dtype)
    if values.ndim == 3 and order == "channels_first":
        values = values.transpose(1, 2, 0)
    if values.ndim != 3 or values.shape[2] not in CHANNELS.values() or not values.size:
        raise ArgumentError(
            describe(
                "array_to_img: no image",
                expected=f"one of 1, 3 or 4 channels, {order}",
                got=f"shape {np.shape(x)}",
            )
        )
    if not np.isfinite(values).all():
        raise ArgumentError(
            describe("array_to_img: no pixels", expected="finite values", got="NaN or infinity")
        )
    if scale:
        values = values - values.min()
        highest = values.max()
        values = (values / highest if highest != 0 else values) * 255
    image = pillow().fromarray
    if values.shape[2] > 1:
        return image(np.clip(values, 0, 255).astype(np.uint8))
    if values.max() > 255:
        return image(values[..., 0].astype(np.int32))
    return image(np.clip(values[..., 0], 0, 255).astype(np.uint8))


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array as an image file, whole or not at all.

    path         where to, or an open file, which needs a file_format
    x            as `array_to_img` takes it, with data_format and scale
    file_format  "png", "jpeg" …; by default what the path ends in
    kwargs       for Pillow's `Image.save`, such as quality=90

    JPEG has no transparency: with a warning it is left out. Raises ArgumentError for formats that Pillow doesn't have
    or that cannot hold the image, LibraryError without Pillow, OSErrors as `open` does.
    """
    image, library = array_to_img(x, data_format, scale), pillow()
    is_path = isinstance(path, str | bytes | os.PathLike)
    ending = Path(os.fsdecode(path)).suffix if is_path and file_format is None else f".{file_format}"
    format = library.registered_extensions().get(ending.lower(), (file_format or "").upper())
    if format not in library.SAVE:
        raise ArgumentError(
            describe(
                "save_img: no format for images",
                expected="a path that ends in .png, .jpg … or file_format=",
                got=f"{path}, file_format={file_format!r}",
            )
        )
    if format == "JPEG" and image.mode == "RGBA":
        warn_user("save_img: JPEG has no transparency, which is left out")
        image = image.convert("RGB")
    try:
        content = BytesIO()
        image.save(content, format=format, **kwargs)
    except (OSError, ValueError, TypeError) as error:
        raise ArgumentError(
            describe(f"save_img: not to be written as {format}", got=error, where=str(path))
        ) from error
    if is_path:
        with atomic_write(path) as whole:
            whole.write_bytes(content.getbuffer())
    else:
        path.write(content.getbuffer())
