"""The files of CIFAR-10 and CIFAR-100: pickled dicts of images and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.keras.datasets.parts import Array
from kgraph.keras.datasets.plain import read_batch
from kgraph.keras.settings import image_data_format

CHANNELS, SIZE = 3, 32


def load_batch(path: Path, label_key: str = "labels") -> tuple[Array, Array]:
    """The images uint8[n, 3, 32, 32] and labels int64[n] of a file. Raises FileError for another one."""
    found = read_batch(path)
    x, y = found.get("data"), found.get(label_key)
    if (
        not isinstance(x, np.ndarray)
        or x.shape[1:] != (CHANNELS * SIZE * SIZE,)
        or x.dtype != np.uint8
        or not isinstance(y, list)
        or not {int}.issuperset(map(type, y))
        or len(x) != len(y)
    ):
        expected = f"data, uint8[n, {CHANNELS * SIZE * SIZE}], and {label_key}, a list of n integers"
        got = ", ".join(
            f"{name}: {getattr(entry, 'shape', type(entry).__name__)}" for name, entry in found.items()
        )
        raise FileError(
            describe(
                "the file of a data set is another one", expected=expected, got=got[:300], where=str(path)
            )
        )
    return x.reshape(-1, CHANNELS, SIZE, SIZE), np.asarray(y, np.int64)


def in_format(x: Array) -> Array:
    """Images [n, 3, 32, 32] with their channels where `image_data_format()` says."""
    return x.transpose(0, 2, 3, 1) if image_data_format() == "channels_last" else x
