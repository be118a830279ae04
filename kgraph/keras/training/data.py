"""From what users hand to fit, evaluate and predict to arrays of numbers, by name and of the types a function takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kgraph.errors import ArgumentTypeError, DataError, UnsupportedError, describe
from kgraph.ir.graph import Input
from kgraph.ir.types import Array
from kgraph.keras.tensor import Tensor
from kgraph.keras.training.batches import is_batches
from kgraph.keras.training.stored import StoredArray, is_stored


def fit_array(data: Any, leaf: Input, what: str) -> Array:
    """One array as the leaf takes it: a last axis of size 1 is added or taken away, the dtype converted.

    Raises DataError, naming what it is, what was expected and what came, when the rank or a size differs.
    """
    array = as_array(data, what)
    if array.ndim == leaf.rank - 1 and array.ndim >= 1:
        array = array.reshape((*array.shape, 1))
    elif array.ndim == leaf.rank + 1 and array.shape[-1] == 1 and leaf.rank >= 1:
        array = array.reshape(array.shape[:-1])
    fits = array.ndim == leaf.rank and all(
        size == dim or not isinstance(dim, int)
        for size, dim in zip(array.shape[1:], leaf.shape[1:], strict=True)
    )
    if not fits:
        got = f"{array.dtype.name}{list(array.shape)}"
        raise DataError(describe(f"{what} does not fit the model", expected=leaf.type, got=got))
    return array if array.dtype.name == leaf.dtype else array.astype(leaf.dtype)


def as_array(data: Any, what: str) -> Array:
    """An array of numbers; a `StoredArray` for data that stay in a file.

    Raises ArgumentTypeError for text and objects, DataError for rows of different lengths and for generators and
    Sequences, UnsupportedError for tensors.
    """
    refuse_batches(data, what)
    if hasattr(data, "to_numpy"):
        data = data.to_numpy()
    try:
        array: Any = StoredArray.of(data, what) if is_stored(data) else np.asarray(data)
    except ValueError as error:
        raise DataError(describe(f"{what} is no array", expected="rows of equal length", got=error)) from None
    if array.dtype.kind not in "fiub":
        raise ArgumentTypeError(
            describe(f"{what} is no array of numbers", expected="numbers", got=f"{array.dtype} {array.shape}")
        )
    return array


def refuse_batches(data: Any, what: str) -> None:
    """Raise UnsupportedError for symbolic tensors, DataError for data that give batches where arrays are needed."""
    if isinstance(data, Tensor):
        raise UnsupportedError(
            describe(
                f"{what}: this kind of data is not taken yet", expected="arrays", got=type(data).__name__
            )
        )
    if is_batches(data):
        raise DataError(describe(f"{what} gives batches", expected="arrays", got=type(data).__name__))


def is_several(data: Any) -> bool:
    """Whether some data is a list of arrays, rather than one array (which may be written as nested lists)."""
    return isinstance(data, list | tuple) and len(data) > 0 and all(hasattr(item, "shape") for item in data)


def in_order(data: Any, names: Sequence[str], what: str, ranks: Sequence[int]) -> list[Any]:
    """The entries of one value, a list or a dict, one per name. `ranks` are those that the arrays should have.

    Raises DataError when they do not match the names.
    """
    if data is None:
        raise DataError(describe(f"no {what} data", expected=", ".join(names), got="None"))
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise DataError(
                describe(
                    f"{what} data is missing for {missing[0]!r}",
                    expected=", ".join(names),
                    got=", ".join(map(str, data)) or "an empty dict",
                )
            )
        return [data[name] for name in names]
    if len(names) == 1:
        return [data[0] if _holds_one(data, ranks[0]) else data]
    if not isinstance(data, list | tuple) or len(data) != len(names):
        got = len(data) if isinstance(data, list | tuple) else f"one {type(data).__name__}"
        raise DataError(
            describe(f"wrong number of {what} arrays", expected=f"{len(names)}: {', '.join(names)}", got=got)
        )
    return list(data)


def _holds_one(data: Any, rank: int) -> bool:
    """Whether a list of length 1 is a list of one array rather than an array of one sample, by its depth."""
    if not isinstance(data, list | tuple) or len(data) != 1:
        return False
    return hasattr(data[0], "shape") or _depth(data[0]) >= max(rank, 1)


def _depth(data: Any) -> int:
    """How deeply lists are nested, by their first entries."""
    if hasattr(data, "shape"):
        return len(data.shape)
    return 1 + _depth(data[0]) if isinstance(data, list | tuple) and len(data) else 0


def count_samples(arrays: Mapping[str, Array]) -> int:
    """The number of samples that all arrays share. Raises DataError when they differ or there are none."""
    sizes = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(sizes) > 1:
        got = ", ".join(f"{name} {len(array) if array.ndim else 'none'}" for name, array in arrays.items())
        raise DataError(describe("arrays differ in their number of samples", expected="one number", got=got))
    if not sizes or 0 in sizes:
        raise DataError(describe("there are no samples", expected="at least one", got=0))
    return sizes.pop()


@dataclass(frozen=True)
class ArrayData:
    """Arrays in memory or files, cut into batches: the x, y and sample weight arrays of a function, in its order."""

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
