"""CIFAR-10: 60000 coloured pictures in ten classes, 32 × 32 pixels."""

from __future__ import annotations

import numpy as np

from kgraph.keras.datasets.cifar import in_format, load_batch
from kgraph.keras.datasets.files import fetch
from kgraph.keras.datasets.parts import Parts


def load_data() -> Parts:
    """The pictures as ((x_train, y_train), (x_test, y_test)): 50000 for training, 10000 for the test.

    x  uint8[n, 32, 32, 3], or uint8[n, 3, 32, 32] where `image_data_format()` is "channels_first"
    y  uint8[n, 1]: 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck

    Raises what `get_file` raises, and FileError for a file that holds something else.
    """
    folder = fetch("cifar-10-batches-py-target") / "cifar-10-batches-py"
    batches = [load_batch(folder / f"data_batch_{number}") for number in range(1, 6)]
    xs, ys = zip(*batches, strict=True)
    x_train, y_train = np.concatenate(xs), np.concatenate(ys)
    x_test, y_test = load_batch(folder / "test_batch")
    return (in_format(x_train), y_train[:, None].astype(np.uint8)), (
        in_format(x_test),
        y_test[:, None].astype(np.uint8),
    )
