"""One seed for everything."""

from __future__ import annotations

import random

import numpy as np

from kgraph.errors import ArgumentError, describe


def set_random_seed(seed: int) -> None:
    """Seed Python's and NumPy's global generators; the same seed then gives the same weights and training.

    kgraph has no generator of its own that a seed would have to reach: initial values come from NumPy's, and so does
    the random state that `compile` gives a model, from which its shuffles and dropout masks follow. So
    `numpy.random.seed`, as older programs call it, does the same for a model.

    Raises `ArgumentError` unless 0 <= seed < 2³².
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ArgumentError(
            describe("set_random_seed", expected="an integer from 0 to 2**32 - 1", got=repr(seed))
        )
    random.seed(int(seed))
    np.random.seed(int(seed))
