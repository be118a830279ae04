"""The small helpers of keras.utils.generic_utils."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.errors import ArgumentTypeError
from kgraph.keras.utils import generic_utils as g


def test_lists() -> None:
    entries = [1]
    assert g.to_list(entries) is entries
    assert g.to_list((1, 2)) == [(1, 2)]
    assert g.to_list((1, 2), allow_tuple=True) == [1, 2]
    assert g.unpack_singleton([3]) == g.unpack_singleton((3,)) == 3
    assert g.unpack_singleton([1, 2]) == [1, 2]
    assert [g.is_all_none(x) for x in (None, [None, None], 0, [None, 1], [])] == [
        True,
        True,
        False,
        False,
        True,
    ]
    first, second = object(), object()
    assert g.object_list_uid([first, second]) == g.object_list_uid([first, second])
    assert g.object_list_uid([first, second]) != g.object_list_uid([second, first])


def test_slices() -> None:
    x = np.arange(10)
    first, none = g.slice_arrays([x, None], 2, 4)
    np.testing.assert_array_equal(first, [2, 3])
    assert none is None
    np.testing.assert_array_equal(g.slice_arrays(x, [7, 1]), [7, 1])
    np.testing.assert_array_equal(g.slice_arrays(x, 8), [8, 9])


def test_shapes() -> None:
    assert g.transpose_shape([2, 3, 4, 5], "channels_first", (1, 2)) == [2, 5, 3, 4]
    assert g.transpose_shape((2, 3), "channels_last", ()) == (2, 3)
    with pytest.raises(ArgumentTypeError, match="bad format"):
        g.transpose_shape((2, 3), "last", ())


def test_keys() -> None:
    g.check_for_unexpected_keys("sizes", {"a": 1}, ["a", "b"])
    with pytest.raises(ArgumentTypeError, match="unknown keys in sizes"):
        g.check_for_unexpected_keys("sizes", {"c": 1}, ["a", "b"])
