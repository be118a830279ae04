"""A variable's value is in exactly one place, and moves without being lost."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.errors import ShapeError
from kgraph.ir.graph import Variable
from kgraph.ir.storage import Storage
from kgraph.ir.types import Array


class Shelf:
    """A home that keeps arrays in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[Storage, Array] = {}

    def fetch(self, storage: Storage) -> Array:
        return self.kept[storage].copy()

    def store(self, storage: Storage, array: Array) -> None:
        self.kept[storage] = array.copy()

    def release(self, storage: Storage) -> None:
        del self.kept[storage]


def settle(storage: Storage, shelf: Shelf) -> None:
    shelf.kept[storage] = storage.move_to(shelf)


def test_reading_and_writing_copies() -> None:
    original = np.arange(3, dtype="float32")
    storage = Variable("v", original).storage
    original[0] = 9
    taken = storage.read()
    taken[1] = 9
    assert storage.read().tolist() == [0, 1, 2]
    new = np.ones(3, "float32")
    storage.write(new)
    new[0] = 9
    assert storage.read().tolist() == [1, 1, 1]


def test_a_value_is_converted_to_the_dtype_and_refused_in_another_shape() -> None:
    storage = Variable("v", np.zeros(2, "float32")).storage
    storage.write([1, 2])
    assert storage.read().dtype == np.float32
    with pytest.raises(ShapeError, match=r"float32\[2\]"):
        storage.write(np.zeros(3))


def test_a_value_moves_from_home_to_home() -> None:
    storage = Variable("v", np.zeros(2, "float32")).storage
    first, second = Shelf(), Shelf()
    settle(storage, first)
    assert storage.home is first
    storage.write([1, 2])
    assert first.kept[storage].tolist() == [1, 2]
    settle(storage, second)
    assert not first.kept
    assert storage.read().tolist() == [1, 2]
    storage.bring_back()
    assert storage.home is None
    assert not second.kept
    assert storage.read().tolist() == [1, 2]
    storage.bring_back()
    assert storage.read().tolist() == [1, 2]


def test_a_write_on_the_shelf_is_checked_too() -> None:
    storage = Variable("v", np.zeros(2, "float32")).storage
    shelf = Shelf()
    settle(storage, shelf)
    with pytest.raises(ShapeError):
        storage.write(np.zeros((2, 1)))


def test_changes_of_what_models_compute_are_counted_and_bookkeeping_is_not() -> None:
    weight, metric = Variable("w", 0.0), Variable("m", 0.0, role="metric")
    before = Storage.writes
    metric.storage.write(1.0)
    assert Storage.writes == before
    weight.storage.write(1.0)
    assert Storage.writes > before


def test_a_value_is_filled_in_place_where_it_is() -> None:
    def count(array: Array) -> None:
        array[...] = np.arange(3)

    storage = Variable("v", np.zeros(3, "float32")).storage
    before = Storage.writes
    storage.fill(count)
    assert storage.read().tolist() == [0, 1, 2]
    assert Storage.writes == before + 1
    shelf = Shelf()
    settle(storage, shelf)
    storage.write(np.zeros(3))
    storage.fill(count)
    assert shelf.kept[storage].tolist() == [0, 1, 2]


def test_zeros_of_one_number_are_writable_zeros() -> None:
    storage = Variable("v", np.broadcast_to(np.float32(0), (2, 3))).storage
    storage.fill(lambda array: array.fill(2))
    assert storage.read().tolist() == [[2, 2, 2], [2, 2, 2]]
    assert Variable("w", np.broadcast_to(np.float32(3), (2,))).storage.read().tolist() == [3, 3]
