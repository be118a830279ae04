"""Data that stay in a file: rows of h5py data sets and of `HDF5Matrix`, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from kgraph.errors import DataError, describe
from kgraph.ir.types import Array
from kgraph.keras.utils.hdf5_matrix import HDF5Matrix, read_rows

BLOCK = 1 << 24
"""How many bytes are read at a time where all of the data have to be looked at."""


def is_stored(data: Any) -> bool:
    """Whether some data are in a file: an `HDF5Matrix`, or a data set of h5py, known by how it is read."""
    return isinstance(data, HDF5Matrix | StoredArray) or (
        hasattr(data, "read_direct") and hasattr(data, "shape")
    )


@dataclass(frozen=True)
class StoredArray:
    """Rows of a source as an array of a shape and a dtype. Nothing is read until rows are asked for.

    `array[start:stop]` and `take` read; `rows`, `reshape` and `astype` only say how.
    """

    source: Any
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, source: Any, what: str) -> StoredArray:
        """All rows of a source. Raises DataError for a data set that is one number."""
        if isinstance(source, StoredArray):
            return source
        if not source.shape:
            raise DataError(describe(f"{what} has no rows", expected="an array", got=source))
        return cls(source, 0, tuple(source.shape), np.dtype(source.dtype).newbyteorder("="))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, start: int, stop: int) -> StoredArray:
        """The rows from `start` to before `stop`."""
        return replace(self, start=self.start + start, shape=(stop - start, *self.shape[1:]))

    def reshape(self, shape: tuple[int, ...]) -> StoredArray:
        """The same rows in another shape; their number stays."""
        return replace(self, shape=shape)

    def astype(self, dtype: DTypeLike) -> StoredArray:
        """The same rows as another dtype."""
        return replace(self, dtype=np.dtype(dtype))

    def __getitem__(self, key: slice) -> Array:
        first, last, _ = key.indices(len(self))
        return self._as_rows(self.source[self.start + first : self.start + last])

    def take(self, indices: Array, axis: int, out: Array, mode: str) -> Array:
        """Read rows in the order given into a buffer. `axis` is 0 and the indices are in range, whatever `mode`."""
        indices = self.start + indices
        from_file = (
            self.source[indices] if isinstance(self.source, HDF5Matrix) else read_rows(self.source, indices)
        )
        np.copyto(out, self._as_rows(from_file))
        return out

    def _as_rows(self, read: Array) -> Array:
        return np.asarray(read).reshape((len(read), *self.shape[1:])).astype(self.dtype, copy=False)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    def min(self) -> Any:
        """The smallest entry, a block at a time."""
        return min(block.min() for block in self._blocks())

    def max(self) -> Any:
        """The largest entry, a block at a time."""
        return max(block.max() for block in self._blocks())

    def _blocks(self) -> Iterator[Array]:
        rows = max(BLOCK * len(self) // max(self.size * self.dtype.itemsize, 1), 1)
        return (self[start : start + rows] for start in range(0, len(self), rows))
