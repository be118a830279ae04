"""The bundled digits: whole, balanced, split the same way every time."""

from __future__ import annotations

import hashlib

import numpy as np

from kgraph.keras.datasets import digits
from tests.house.layout import PACKAGE


def test_shapes_dtypes_and_ranges() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape) == ((1442, 8, 8), (1442,))
    assert (x_test.shape, y_test.shape) == ((355, 8, 8), (355,))
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8
    assert (x_train.min(), x_train.max()) == (x_test.min(), x_test.max()) == (0, 16)
    assert set(y_train) == set(y_test) == set(range(10))


def test_both_parts_are_balanced() -> None:
    (_, y_train), (_, y_test) = digits.load_data()
    assert abs(np.bincount(y_train) - 4 * np.bincount(y_test)).max() < digits.TEST_EVERY


def test_no_image_is_lost_or_moved_to_the_other_part() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x, y = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    assert hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest() == (
        "fd52f70d83ecd066ea1843ca361930588d5edb649f91eafe840f777370d9ca21"
    )


def test_the_file_is_small_and_holds_no_pickles() -> None:
    file = PACKAGE / "keras" / "datasets" / "digits.npz"
    assert file.stat().st_size < 100_000
    with np.load(file, allow_pickle=False) as data:
        assert sorted(data) == ["x", "y"]
