"""The bundled digits: whole, balanced, split the same way every time."""

from __future__ import annotations

import hashlib

import numpy as np

from kgraph.keras.datasets import digits
from tests.house.layout import PACKAGE


def test_shapes_dtypes_and_ranges() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape) == ((1438, 8, 8), (1438,))
    assert (x_test.shape, y_test.shape) == ((359, 8, 8), (359,))
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8
    assert (x_train.min(), x_train.max()) == (x_test.min(), x_test.max()) == (0, 16)
    assert set(y_train) == set(y_test) == set(range(10))


def test_both_parts_are_balanced() -> None:
    for _, y in digits.load_data():
        shares = np.bincount(y) / len(y)
        assert shares.min() > 0.07
        assert shares.max() < 0.13


def test_the_split_keeps_every_image_in_its_place() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x, y = np.empty((1797, 8, 8), np.uint8), np.empty(1797, np.uint8)
    held_out = np.arange(1797) % 5 == 4
    x[held_out], x[~held_out], y[held_out], y[~held_out] = x_test, x_train, y_test, y_train
    assert y[:10].tolist() == list(range(10))
    assert hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest() == (
        "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
    )


def test_the_file_is_small_and_holds_no_pickles() -> None:
    file = PACKAGE / "keras" / "datasets" / "digits.npz"
    assert file.stat().st_size < 100_000
    with np.load(file, allow_pickle=False) as data:
        assert sorted(data) == ["x", "y"]
