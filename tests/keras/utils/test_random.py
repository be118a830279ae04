"""One seed for everything."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kgraph.errors import ArgumentError
from kgraph.keras.utils import set_random_seed


@pytest.fixture(autouse=True)
def generators_come_back() -> object:
    python, numpy = random.getstate(), np.random.get_state()
    yield
    random.setstate(python)
    np.random.set_state(numpy)


def test_the_same_seed_gives_the_same_numbers() -> None:
    def numbers(seed: int) -> tuple[float, float]:
        set_random_seed(seed)
        return random.random(), np.random.rand()

    assert numbers(7) == numbers(7) == numbers(np.int64(7))
    assert numbers(7) != numbers(8)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", None])
def test_a_bad_seed_is_named(seed: object) -> None:
    with pytest.raises(ArgumentError, match=repr(seed).replace("*", ".")):
        set_random_seed(seed)
