"""Rows of data sets in HDF5 files, read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kgraph.errors import ArgumentError, FileError, describe

Normalizer = Callable[[NDArray[Any]], NDArray[Any]]


class HDF5Matrix:
    """Some rows of a data set in an HDF5 file, to be used as an array by fit, evaluate and predict.

    datapath    the file
    dataset     the name of the data set in it, such as "train/images"
    start, end  the rows from `start` to before `end`; by default all of them
    normalizer  called on what is read, rows at a time; gives as many rows, of whatever shape and dtype

    Only the rows asked for are in memory: `matrix[10:20]`, `matrix[3]`, `matrix[[7, 2, 2]]`, which mean what they
    mean for arrays. The file stays open as long as the matrix is there.

    Raises `FileNotFoundError` when there is no such file, `FileError` when it is no HDF5 file, and `ArgumentError`
    for a data set that it doesn't have and rows that the data set doesn't have.
    """

    def __init__(
        self,
        datapath: str | os.PathLike[str],
        dataset: str,
        start: int = 0,
        end: int | None = None,
        normalizer: Normalizer | None = None,
    ) -> None:
        self.data = _open(os.fspath(datapath), dataset)
        rows = self.data.shape[0]
        self.start, self.end = start, rows if end is None else end
        self.normalizer = normalizer
        if not 0 <= self.start < self.end <= rows:
            raise ArgumentError(
                describe(
                    "HDF5Matrix: no such rows",
                    expected=f"0 <= start < end <= {rows}",
                    got=f"start={start}, end={end}",
                    where=f"{dataset} of {os.fspath(datapath)}",
                )
            )
        # What one row becomes tells about all of them.
        first = self.data if normalizer is None else np.asarray(normalizer(self.data[start : start + 1]))
        self._row_shape: tuple[int, ...] = tuple(first.shape[1:])
        self._dtype: np.dtype[Any] = first.dtype

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: int | slice | ArrayLike) -> NDArray[Any]:
        if isinstance(key, int | np.integer):
            return self._read(np.array([key]))[0]
        if not isinstance(key, slice):
            return self._read(np.asarray(key))
        first, last, step = key.indices(len(self))
        if step != 1:
            return self._read(np.arange(first, last, step))
        return self._normalized(self.data[self.start + first : self.start + max(first, last)])

    def _read(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows by number, counted from the end where negative, or those where a mask is True."""
        numbers = np.flatnonzero(rows) if rows.dtype.kind == "b" and rows.shape == (len(self),) else rows
        numbers = numbers.astype(int) if rows.size == 0 else numbers
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or np.any(~self._has(numbers)):
            raise IndexError(f"HDF5Matrix: rows {rows.tolist()} of {len(self)}")
        return self._normalized(read_rows(self.data, self.start + numbers % len(self)))

    def _has(self, numbers: NDArray[Any]) -> NDArray[Any]:
        return (numbers >= -len(self)) & (numbers < len(self))

    def _normalized(self, rows: NDArray[Any]) -> NDArray[Any]:
        return rows if self.normalizer is None else np.asarray(self.normalizer(rows))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, and the shape of one."""
        return (len(self), *self._row_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of what is read."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """The number of axes, that of the rows included."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries of all rows."""
        return int(np.prod(self.shape))


def read_rows(data: Any, rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of an h5py data set in the order given, which may be any, with repetitions.

    HDF5 reads rows in the order that they have in the file, each once; neighbours it reads in one go.
    """
    ordered, places = np.unique(rows, return_inverse=True)
    if len(ordered) == 0:
        return np.empty((0, *data.shape[1:]), data.dtype)
    first, last = int(ordered[0]), int(ordered[-1])
    found = data[first : last + 1] if last - first + 1 == len(ordered) else data[ordered]
    return found if np.array_equal(rows, ordered) else found[places]


def _open(path: str, dataset: str) -> Any:
    import h5py

    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise FileError(
            describe("the file cannot be read", expected="an HDF5 file", got=error, where=path)
        ) from None
    data = file.get(dataset)
    if not isinstance(data, h5py.Dataset) or not data.shape:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        file.close()
        expected = f"one of {', '.join(names)}"
        raise ArgumentError(
            describe("HDF5Matrix: no such data set", expected=expected, got=dataset, where=path)
        )
    return data
