"""One-hot labels and unit vectors."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.errors import ArgumentError
from kgraph.keras.utils import normalize, np_utils, to_categorical


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (4,)),
        ((5,), (5, 4)),
        ((5, 1), (5, 4)),
        ((5, 3), (5, 3, 4)),
        ((5, 3, 1), (5, 3, 4)),
        ((1,), (1, 4)),
        ((0,), (0, 4)),
    ],
)
def test_one_hot_is_undone_by_argmax(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    y = np.random.default_rng(0).integers(0, 4, shape)
    result = to_categorical(y, 4)
    assert result.shape == expected
    assert result.dtype == np.float32
    assert (result.sum(-1) == 1).all()
    assert (result.argmax(-1) == y.reshape(expected[:-1])).all()


def test_the_largest_label_gives_the_number_of_classes() -> None:
    assert to_categorical([0, 3]).shape == (2, 4)


@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8", "bool"])
def test_the_dtype_is_the_one_asked_for(dtype: str) -> None:
    assert to_categorical([0.0, 1.0], dtype=dtype).dtype == dtype


@pytest.mark.parametrize("y", [[0, 3], [-1], [0.5], [np.nan], [np.inf]])
def test_labels_that_are_no_class_are_named(y: list[float]) -> None:
    with pytest.raises(ArgumentError, match="integers from 0 to 2") as caught:
        to_categorical(y, 3)
    assert str(y[-1]) in str(caught.value)


def test_no_labels_need_the_number_of_classes() -> None:
    with pytest.raises(ArgumentError, match="num_classes"):
        to_categorical([])


@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_normalized_vectors_have_norm_one(axis: int, order: float) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4))
    result = normalize(x, axis, order)
    np.testing.assert_allclose(np.linalg.norm(result, order, axis), 1, rtol=1e-12)
    np.testing.assert_allclose(np.sign(result), np.sign(x))


def test_a_zero_vector_stays_zero() -> None:
    assert (normalize(np.zeros((2, 3))) == 0).all()


def test_the_older_import_path_has_the_same_functions() -> None:
    assert np_utils.to_categorical is to_categorical
    assert np_utils.normalize is normalize
