"""What goes into a network and what comes out of it: pixels as it was trained on them, and the names of classes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from kgraph.errors import FileError, ShapeError, describe
from kgraph.keras import backend as K
from kgraph.keras import settings
from kgraph.keras.applications.weights import CACHE, CLASSES
from kgraph.keras.layers.arguments import one_of, positive_int
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.download import get_file

__all__ = ["decode_predictions", "preprocess_input"]

CLASS_INDEX = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
CLASS_INDEX_HASH = "c2c37ea517e94d9795004a39431a14cb"


@dataclass(frozen=True)
class Scaling:
    """y = (x / divisor - mean) / deviation, for each of three channels or alike for all.

    With `reverse`, red, green and blue become blue, green and red first.
    """

    divisor: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    reverse: bool = False

    def shaped(self, numbers: tuple[float, ...], axis: int, dtype: str) -> np.ndarray[Any, Any]:
        """Numbers per channel, to go with images that have their channels on the axis."""
        return np.asarray(numbers, dtype).reshape((-1,) + (1,) * (-1 - axis))


MODES: Mapping[str, Scaling] = MappingProxyType(
    {
        "caffe": Scaling(mean=(103.939, 116.779, 123.68), reverse=True),
        "tf": Scaling(divisor=127.5, mean=(1.0,)),
        "torch": Scaling(divisor=255.0, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
    }
)
"""The ways in which networks want their pixels: less the mean of ImageNet, from -1 to 1, or normalised."""


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Pixels from 0 to 255 as a network wants them.   x [*S, channels] or [..., channels, rows, columns] -> y like x.

    x            one image or a batch of them, red, green and blue: an array, or a tensor within a model
    data_format  where the channels are, as the program has it by default
    mode         "caffe" blue, green and red, less their means; "tf" from -1 to 1; "torch" less their means, divided by
                 their deviations

    Numbers that are no floats become floatx; `x` stays as it is. Raises ArgumentError for unknown modes and formats,
    ShapeError for what is no image.
    """
    scaling = MODES[one_of(mode, tuple(MODES), "mode")]
    axis = -3 if K.normalize_data_format(data_format) == "channels_first" else -1
    pixels = x if isinstance(x, Tensor) else np.asarray(x)
    shape = pixels.shape
    colours = 3 if scaling.reverse or len(scaling.mean) == 3 else None
    if len(shape) not in (3, 4) or (colours is not None and shape[axis] != colours):
        expected = "an image or a batch of them, of rank 3 or 4" + (", with 3 channels" if colours else "")
        raise ShapeError(
            describe("these are no images", expected=expected, got=shape, where="preprocess_input")
        )
    dtype = str(pixels.dtype)
    if "float" not in dtype:
        dtype = settings.floatx()
        pixels = K.cast(pixels, dtype) if isinstance(pixels, Tensor) else pixels.astype(dtype)
    if scaling.reverse:
        pixels = K.reverse(pixels, axis) if isinstance(pixels, Tensor) else np.flip(pixels, axis)
    if scaling.divisor != 1.0:
        pixels = pixels / np.asarray(scaling.divisor, dtype)
    pixels = pixels - scaling.shaped(scaling.mean, axis, dtype)
    if scaling.deviation != (1.0,):
        pixels = pixels / scaling.shaped(scaling.deviation, axis, dtype)
    return pixels


def preprocessing(mode: str) -> Callable[..., Any]:
    """The `preprocess_input` of networks that have one mode."""

    def of_this_mode(x: Any, data_format: str | None = None) -> Any:
        return preprocess_input(x, data_format, mode)

    of_this_mode.__name__ = of_this_mode.__qualname__ = "preprocess_input"
    of_this_mode.__doc__ = f"`imagenet_utils.preprocess_input` with the mode {mode!r}."
    return of_this_mode


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, Any]]]:
    """For each row of probabilities [samples, 1000] the likeliest classes: (WordNet's number, name, probability).

    The names are in a file that is downloaded unless the cache has it. Raises ShapeError for other shapes,
    ArgumentError for a `top` that is no number, DownloadError when the file can't be had.
    """
    rows, count = np.asarray(preds), positive_int(top, "top")
    if rows.ndim != 2 or rows.shape[1] != CLASSES:
        expected = f"one row of {CLASSES} probabilities for each sample"
        raise ShapeError(
            describe(
                "these are no predictions", expected=expected, got=rows.shape, where="decode_predictions"
            )
        )
    names = _class_names()
    best = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    return [[(*names[i], row[i]) for i in chosen] for row, chosen in zip(rows, best, strict=True)]


def _class_names() -> list[tuple[str, str]]:
    """WordNet's number and the name of each class."""
    path = get_file("imagenet_class_index.json", CLASS_INDEX, cache_subdir=CACHE, file_hash=CLASS_INDEX_HASH)
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)
        return [(str(number), str(name)) for number, name in (entries[str(i)] for i in range(CLASSES))]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise FileError(
            describe("the file is no index of classes", expected=f"{CLASSES} of them", got=error, where=path)
        ) from None
