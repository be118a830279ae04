"""California housing: what houses cost in 20640 districts of California in 1990."""

from __future__ import annotations

import os

from kgraph.errors import ArgumentError, describe
from kgraph.keras.datasets.parts import Parts, load_table

SMALL = 600


def load_data(
    version: str = "large",
    path: str | os.PathLike[str] = "california_housing.npz",
    test_split: float = 0.2,
    seed: int | None = 113,
) -> Parts:
    """The districts as ((x_train, y_train), (x_test, y_test)), a `test_split` of them for the test.

    seed     of the order of the districts
    version  "large" for all of them, "small" for the first 600
    x        float32[n, 8]: income, age of the houses, rooms, bedrooms, population, people per household, latitude,
             longitude
    y        float32[n], the median price in dollars

    Raises ArgumentError for another version and unless 0 <= test_split < 1, what `get_file` raises, and FileError for
    a file that holds something else.
    """
    if version not in ("small", "large"):
        raise ArgumentError(describe("bad version", expected="'small' or 'large'", got=repr(version)))
    return load_table("california_housing.npz", path, test_split, seed, SMALL if version == "small" else None)
