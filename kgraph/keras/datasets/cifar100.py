"""CIFAR-100: 60000 coloured pictures in 100 classes, 32 × 32 pixels."""

from __future__ import annotations

from kgraph.errors import ArgumentError, describe
from kgraph.keras.datasets.cifar import in_format, load_batch
from kgraph.keras.datasets.files import fetch
from kgraph.keras.datasets.parts import Parts


def load_data(label_mode: str = "fine") -> Parts:
    """The pictures as ((x_train, y_train), (x_test, y_test)): 50000 for training, 10000 for the test.

    label_mode  "fine" for the 100 classes, "coarse" for the 20 groups of them
    x           uint8[n, 32, 32, 3], or uint8[n, 3, 32, 32] where `image_data_format()` is "channels_first"
    y           int64[n, 1]

    Raises ArgumentError for another mode, what `get_file` raises, and FileError for a file that holds something else.
    """
    if label_mode not in ("fine", "coarse"):
        raise ArgumentError(describe("bad label_mode", expected="'fine' or 'coarse'", got=repr(label_mode)))
    folder = fetch("cifar-100-python-target") / "cifar-100-python"
    (x_train, y_train), (x_test, y_test) = (
        load_batch(folder / part, f"{label_mode}_labels") for part in ("train", "test")
    )
    return (in_format(x_train), y_train[:, None]), (in_format(x_test), y_test[:, None])
