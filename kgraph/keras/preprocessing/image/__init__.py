"""Images: read, written, varied at random, and as batches from arrays, folders and tables."""

from __future__ import annotations

from kgraph.keras.preprocessing.image.affine import (
    apply_affine_transform,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)
from kgraph.keras.preprocessing.image.arrays import NumpyArrayIterator
from kgraph.keras.preprocessing.image.colours import (
    apply_brightness_shift,
    apply_channel_shift,
    random_brightness,
    random_channel_shift,
)
from kgraph.keras.preprocessing.image.directory import DirectoryIterator
from kgraph.keras.preprocessing.image.files import array_to_img, img_to_array, load_img, save_img
from kgraph.keras.preprocessing.image.generator import ImageDataGenerator
from kgraph.keras.preprocessing.image.iterator import Iterator
from kgraph.keras.preprocessing.image.table import DataFrameIterator

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "img_to_array",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
]
