"""From what users hand to fit, evaluate and predict to arrays in the order and of the types a function takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, UnsupportedError, describe
from kgraph.ir.graph import Input
from kgraph.keras.tensor import Tensor

Array = np.ndarray[Any, np.dtype[Any]]


def standardize(data: Any, leaves: Sequence[Input], names: Sequence[str], what: str) -> list[Array]:
    """Arrays for `leaves`, in order: from one array, a list, or a dict by name.

    A missing last axis of size 1 is added, and dtypes are converted. Raises DataError naming the input, what it
    expects and what came; UnsupportedError for kinds of data that are not taken yet.
    """
    arrays = in_order(data, names, what)
    return [
        fit_array(array, leaf, f"{what} {name!r}")
        for array, leaf, name in zip(arrays, leaves, names, strict=True)
    ]


def fit_array(data: Any, leaf: Input, what: str) -> Array:
    """One array as the leaf takes it. Raises DataError when its rank or a size differs."""
    array = as_array(data, what)
    if array.ndim == leaf.rank - 1 and array.ndim >= 1:
        array = array[..., np.newaxis]
    fits = array.ndim == leaf.rank and all(
        size == dim or not isinstance(dim, int)
        for size, dim in zip(array.shape[1:], leaf.shape[1:], strict=True)
    )
    if not fits:
        raise DataError(
            describe(
                f"{what} does not fit the model",
                expected=leaf.type,
                got=f"{array.dtype.name}{list(array.shape)}",
            )
        )
    if array.dtype.name != leaf.dtype:
        array = array.astype(leaf.dtype)
    return array


def as_array(data: Any, what: str) -> Array:
    """An array of numbers.

    Raises ArgumentTypeError for text and objects, UnsupportedError for tensors and generators.
    """
    if (
        isinstance(data, Tensor)
        or hasattr(data, "__next__")
        or (hasattr(data, "__len__") and hasattr(data, "on_epoch_end"))
    ):
        raise UnsupportedError(
            describe(
                f"{what}: this kind of data is not taken yet",
                expected="NumPy arrays",
                got=type(data).__name__,
            )
        )
    if hasattr(data, "to_numpy"):
        data = data.to_numpy()
    try:
        array = np.asarray(data)
    except ValueError as error:  # lists of different lengths
        raise DataError(describe(f"{what} is no array", expected="rows of equal length", got=error)) from None
    if array.dtype.kind not in "fiub":
        raise ArgumentTypeError(
            describe(f"{what} is no array of numbers", expected="numbers", got=f"{array.dtype} {array.shape}")
        )
    return array


def is_several(data: Any) -> bool:
    """Whether some data is a list of arrays, rather than one array (which may be written as nested lists)."""
    return isinstance(data, list | tuple) and len(data) > 0 and all(hasattr(item, "shape") for item in data)


def in_order(data: Any, names: Sequence[str], what: str) -> list[Any]:
    """The entries of one value, a list or a dict, one per name. Raises DataError when they do not match the names."""
    if data is None:
        raise DataError(describe(f"no {what} data", expected=", ".join(names), got=None))
    if isinstance(data, Mapping):
        missing, unknown = [n for n in names if n not in data], [k for k in data if k not in names]
        if missing:
            got = ", ".join(map(str, data)) + (
                f" (unknown: {', '.join(map(str, unknown))})" if unknown else ""
            )
            raise DataError(describe(f"{what} data is missing", expected=", ".join(names), got=got))
        return [data[name] for name in names]
    if len(names) == 1:
        single = isinstance(data, list | tuple) and len(data) == 1 and np.ndim(data[0]) > 0
        return [data[0] if single else data]
    if not isinstance(data, list | tuple) or len(data) != len(names):
        got = len(data) if isinstance(data, list | tuple) else f"one {type(data).__name__}"
        raise DataError(
            describe(f"wrong number of {what} arrays", expected=f"{len(names)}: {', '.join(names)}", got=got)
        )
    return list(data)


def check_lengths(arrays: Sequence[Array], names: Sequence[str]) -> int:
    """The number of samples that all arrays share. Raises DataError when they differ or there are none."""
    sizes = {len(array) for array in arrays}
    if len(sizes) > 1:
        got = ", ".join(f"{name} {len(array)}" for name, array in zip(names, arrays, strict=True))
        raise DataError(describe("arrays differ in their number of samples", expected="one number", got=got))
    if not sizes or 0 in sizes:
        raise DataError(describe("there are no samples", expected="at least one", got=0))
    return sizes.pop()


@dataclass
class ArrayData:
    """Arrays in memory, cut into batches: the x, y and sample weight arrays of a function, in its order."""

    arrays: Sequence[Array]
    batch_size: int
    size: int

    @property
    def steps(self) -> int:
        return -(-self.size // self.batch_size)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The first and the last-but-one sample of each batch."""
        for start in range(0, self.size, self.batch_size):
            yield start, min(start + self.batch_size, self.size)

    def split(self, fraction: float) -> tuple[ArrayData, ArrayData]:
        """The first samples, and the last `fraction` of them. Raises ArgumentError when one side would be empty."""
        if not 0.0 < fraction < 1.0:
            raise ArgumentError(describe("bad validation_split", expected="between 0 and 1", got=fraction))
        at = int(self.size * (1.0 - fraction))
        if at in (0, self.size):
            raise DataError(
                describe(
                    "validation_split leaves one side empty",
                    expected="samples on both",
                    got=f"{self.size} samples",
                )
            )
        first = ArrayData([a[:at] for a in self.arrays], self.batch_size, at)
        last = ArrayData([a[at:] for a in self.arrays], self.batch_size, self.size - at)
        return first, last


def class_weights(targets: Array, weights: Mapping[int, float]) -> Array:
    """A sample weight for each target: that of its class (one-hot, binary or integer labels).

    Raises DataError when a class has no weight.
    """
    labels = targets.argmax(axis=-1) if targets.ndim == 2 and targets.shape[-1] > 1 else targets.reshape(-1)
    if targets.ndim > 2:
        raise UnsupportedError(
            describe(
                "class_weight needs one label per sample", expected="rank 1 or 2", got=f"rank {targets.ndim}"
            )
        )
    labels = labels.astype("int64")
    missing = sorted(set(np.unique(labels).tolist()) - {int(key) for key in weights})
    if missing:
        raise DataError(
            describe(
                "class_weight lacks classes of the data",
                expected="a weight for each class",
                got=f"no {missing}",
            )
        )
    table = np.zeros(max(int(key) for key in weights) + 1, "float32")
    for key, weight in weights.items():
        table[int(key)] = weight
    return table[labels]
