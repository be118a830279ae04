"""1797 images of handwritten digits, 8 × 8 pixels: small and real, and part of the package.

Origin: the test file of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (1998), UCI
Machine Learning Repository, https://doi.org/10.24432/C50P49, under CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). The pixels are the authors': the number of black points in each
4 × 4 field of a 32 × 32 bitmap. 13 people wrote the digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Split = tuple[NDArray[np.uint8], NDArray[np.uint8]]

TEST_EVERY = 5
"""Of each digit every fifth image is held out. The file is ordered by writer, so both parts have images of every
writer: what is measured on the test part is how well a model knows these writers, not how it takes to new ones."""


def load_data() -> tuple[Split, Split]:
    """The digits as ((x_train, y_train), (x_test, y_test)), the same split every time.

    x  uint8[n, 8, 8], 0 (white) to 16 (black)
    y  uint8[n], the digit, 0 to 9

    1442 images are for training. The held-out 355 are, in the order of the original file, the fifth, tenth,
    fifteenth … image of each digit.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, y_train.shape, x_test.shape, y_test.shape
    ((1442, 8, 8), (1442,), (355, 8, 8), (355,))
    """
    from importlib.resources import files  # loads much that nothing else needs

    with (
        files(__package__).joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as data,
    ):
        x, y = data["x"], data["y"]
    held_out = np.zeros(len(y), bool)
    for digit in range(10):
        held_out[np.flatnonzero(y == digit)[TEST_EVERY - 1 :: TEST_EVERY]] = True
    return (x[~held_out], y[~held_out]), (x[held_out], y[held_out])
