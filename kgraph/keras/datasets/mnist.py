"""MNIST: 70000 handwritten digits, 28 × 28 pixels."""

from __future__ import annotations

import os

from kgraph.keras.datasets.files import fetch
from kgraph.keras.datasets.parts import Parts
from kgraph.keras.datasets.plain import read_npz


def load_data(path: str | os.PathLike[str] = "mnist.npz") -> Parts:
    """The digits as ((x_train, y_train), (x_test, y_test)): 60000 for training, 10000 for the test.

    path  name in the cache
    x     uint8[n, 28, 28], 0 (background) to 255
    y     uint8[n], 0 to 9

    Raises what `get_file` raises, and FileError for a file that holds something else.
    """
    x_train, y_train, x_test, y_test = read_npz(
        fetch("mnist.npz", path), "x_train", "y_train", "x_test", "y_test"
    )
    return (x_train, y_train), (x_test, y_test)
