"""Images brighter or darker, and with the values of all channels shifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgraph.keras.preprocessing.image.affine import pair
from kgraph.keras.preprocessing.image.draws import draws
from kgraph.keras.preprocessing.image.files import array_to_img, img_to_array


def apply_channel_shift(x: NDArray[Any], intensity: float, channel_axis: int = 0) -> NDArray[Any]:
    """min(max(x + intensity, min x), max x). The result does not depend on which axis has the channels."""
    return np.clip(x + intensity, x.min(), x.max())


def random_channel_shift(x: NDArray[Any], intensity_range: float, channel_axis: int = 0) -> NDArray[Any]:
    """`apply_channel_shift` by up to `intensity_range` either way."""
    return apply_channel_shift(x, draws().uniform(-intensity_range, intensity_range), channel_axis)


def apply_brightness_shift(
    x: NDArray[Any], brightness: float, scale: bool = True, data_format: str | None = None
) -> NDArray[Any]:
    """An image with its values times `brightness`, in whole numbers from 0 to 255.

    scale    whether values are first spread over 0 … 255. Without it, only those of an image that goes beyond these
             are, and brought back afterwards
    returns  an array of the default dtype

    Raises LibraryError without Pillow, ArgumentError for what is no image.
    """
    low, high = x.min(), x.max()
    beyond = low < 0 or high > 255
    image = array_to_img(x, data_format, scale or bool(beyond))
    from PIL import ImageEnhance

    brighter = img_to_array(ImageEnhance.Brightness(image).enhance(brightness), data_format)
    return brighter / 255 * (high - low) + low if beyond and not scale else brighter


def random_brightness(x: NDArray[Any], brightness_range: Sequence[float], scale: bool = True) -> NDArray[Any]:
    """`apply_brightness_shift` with a factor from brightness_range[0] to brightness_range[1]."""
    low, high = pair("random_brightness", "brightness_range", brightness_range)
    return apply_brightness_shift(x, draws().uniform(low, high), scale)
