"""Fashion-MNIST: 70000 pictures of clothes in ten classes, 28 × 28 pixels."""

from __future__ import annotations

from kgraph.keras.datasets.files import fetch
from kgraph.keras.datasets.parts import Parts
from kgraph.keras.datasets.plain import read_idx


def load_data() -> Parts:
    """The pictures as ((x_train, y_train), (x_test, y_test)): 60000 for training, 10000 for the test.

    x  uint8[n, 28, 28], 0 (background) to 255
    y  uint8[n]: 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag,
       9 ankle boot

    Raises what `get_file` raises, and FileError for a file that holds something else.
    """
    (x_train, y_train), (x_test, y_test) = (
        (
            read_idx(fetch(f"{part}-images-idx3-ubyte.gz"), 3),
            read_idx(fetch(f"{part}-labels-idx1-ubyte.gz"), 1),
        )
        for part in ("train", "t10k")
    )
    return (x_train, y_train), (x_test, y_test)
