"""Arrays before and after a model: one-hot labels and unit vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kgraph.errors import ArgumentError, describe


def to_categorical(
    y: ArrayLike, num_classes: int | None = None, dtype: DTypeLike = "float32"
) -> NDArray[Any]:
    """Class numbers as rows with a single one: result[..., c] = 1 where y[...] = c, else 0.

    y            integers [*S] from 0 to num_classes - 1; a last axis of length 1 is dropped first
    num_classes  length of the new last axis; by default the largest class number plus one
    returns      `dtype`[*S, num_classes]

    Raises `ArgumentError` for class numbers that are fractions, negative or too large, and for an empty `y`
    without `num_classes`.

    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    numbers = np.asarray(y)
    if numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    if num_classes is None and numbers.size == 0:
        raise ArgumentError(
            describe(
                "to_categorical: no classes",
                expected="num_classes, as y is empty",
                got=f"y of shape {numbers.shape}",
            )
        )
    count = int(numbers.max()) + 1 if num_classes is None else num_classes
    with np.errstate(invalid="ignore"):  # a NaN among the labels is caught by the comparison below
        classes = numbers.astype(np.int64)
    wrong = numbers[(classes != numbers) | (classes < 0) | (classes >= count)]
    if wrong.size:
        raise ArgumentError(
            describe(
                "to_categorical: no such class", expected=f"integers from 0 to {count - 1}", got=wrong.flat[0]
            )
        )
    return (classes[..., None] == np.arange(count)).astype(dtype)


def normalize(x: ArrayLike, axis: int | tuple[int, int] | None = -1, order: float | None = 2) -> NDArray[Any]:
    """x / ‖x‖ with the norm of that order taken along `axis`; where the norm is 0, x stays as it is.

    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return np.asarray(x / np.where(norm == 0, 1, norm))
