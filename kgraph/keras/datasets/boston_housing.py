"""Boston housing: what houses cost in 506 places around Boston in the 1970s.

One of the 13 attributes supposes that people pay for living among their own: for new work take `california_housing`.
"""

from __future__ import annotations

import os

from kgraph.keras.datasets.parts import Parts, load_table


def load_data(
    path: str | os.PathLike[str] = "boston_housing.npz", test_split: float = 0.2, seed: int | None = 113
) -> Parts:
    """The places as ((x_train, y_train), (x_test, y_test)), a `test_split` of them for the test.

    seed  of the order of the places
    x     float64[n, 13]
    y     float64[n], the median price in 1000 dollars

    Raises ArgumentError unless 0 <= test_split < 1, what `get_file` raises, and FileError for a file that holds
    something else.
    """
    return load_table("boston_housing.npz", path, test_split, seed)
