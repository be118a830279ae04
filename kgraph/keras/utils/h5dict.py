"""`H5Dict`: an HDF5 file, a group of one, or a dict, all written and read as a dict of dicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ArgumentTypeError, FileError, describe

PIECE = 64000
"""Bytes of the largest attribute; HDF5 itself allows 64 kB with what stands around it. Longer lists go in pieces."""


class H5Dict:
    """A mapping whose entries are arrays (data sets), other values (attributes) and further mappings (groups).

    path  a path, an `h5py.Group`, or a dict, which is used as it is
    mode  "a" to read and write, "r" to read, "w" to start anew

    Asking for an entry that isn't there makes a group, so `f["a"]["b"] = array` works at once; reading only, it is an
    error. Lists of texts that are too long for one attribute go to several, as in Keras's model files.

    Raises ArgumentTypeError for another `path`, ArgumentError for writing what is there already or may not be written,
    FileError for a file that isn't HDF5, and for links to other files.
    """

    def __init__(self, path: Any, mode: str = "a") -> None:
        if not self.is_supported_type(path):
            raise ArgumentTypeError(
                describe("H5Dict", expected="a path, an h5py.Group or a dict", got=repr(path)[:200])
            )
        self.read_only = mode == "r"
        self._is_file = isinstance(path, str | os.PathLike)
        self.data: Any = _open(os.fspath(path), mode) if self._is_file else path
        if isinstance(path, dict) and mode == "w":
            path.clear()

    @staticmethod
    def is_supported_type(path: Any) -> bool:
        """Whether it is a path, a group or a dict."""
        import h5py

        return isinstance(path, str | os.PathLike | dict | h5py.Group)

    def __setitem__(self, attr: str | bytes, val: Any) -> None:
        attr = _text(attr)
        self._check_writable(attr)
        if isinstance(self.data, dict):
            self.data[attr] = val
            return
        if attr in self.data:
            raise ArgumentError(describe(f"{attr!r} is there already", where=self.data.name))
        if isinstance(val, np.ndarray | np.generic):
            self.data.create_dataset(attr, data=val)
        elif isinstance(val, list | tuple):
            self._set_list(attr, val)
        elif (
            isinstance(val, bytes) and val
        ):  # HDF5 pads byte strings with zeros; an opaque value keeps its own
            self.data.attrs[attr] = np.void(val) if val.endswith(b"\0") else np.bytes_(val)
        else:
            self.data.attrs[attr] = val

    def _set_list(self, attr: str, entries: list[Any] | tuple[Any, ...]) -> None:
        array = np.asarray([entry.encode() if isinstance(entry, str) else entry for entry in entries])
        if array.nbytes <= PIECE:
            self.data.attrs[attr] = array
            return
        rows = PIECE * len(array) // array.nbytes
        if not rows:
            got = f"{array.nbytes // len(array)} bytes"
            raise ArgumentError(
                describe(f"an entry of {attr!r} is too long", expected=f"at most {PIECE} bytes", got=got)
            )
        for piece, first in enumerate(range(0, len(array), rows)):
            self.data.attrs[f"{attr}{piece}"] = array[first : first + rows]

    def __getitem__(self, attr: str | bytes) -> Any:
        attr = _text(attr)
        if isinstance(self.data, dict):
            return self._of_dict(attr)
        import h5py

        if attr in self.data.attrs:
            return _plain(self.data.attrs[attr])
        if f"{attr}0" in self.data.attrs:
            return self._pieces(attr)
        if attr not in self.data:
            self._check_writable(attr)
            return self._inside(self.data.create_group(attr))
        _check_link(self.data, attr)
        found = self.data[attr]
        if isinstance(found, h5py.Dataset):
            if found.is_virtual or found.external:
                raise _foreign(found.name, self.data.file.filename)
            return np.asarray(found)
        return self._inside(found)

    def _of_dict(self, attr: str) -> Any:
        if attr not in self.data:
            self._check_writable(attr)
            self.data[attr] = {}
        found = self.data[attr]
        return self._inside(found) if isinstance(found, dict) else found

    def _pieces(self, attr: str) -> list[Any]:
        found: list[Any] = []
        piece = 0
        while f"{attr}{piece}" in self.data.attrs:
            found += _decoded(self.data.attrs[f"{attr}{piece}"])
            piece += 1
        return found

    def _inside(self, data: Any) -> H5Dict:
        return H5Dict(data, "r" if self.read_only else "a")

    def _check_writable(self, attr: str) -> None:
        if self.read_only:
            raise ArgumentError(
                describe(f"{attr!r} cannot be written", expected="mode 'a' or 'w'", got="mode 'r'")
            )

    def __contains__(self, key: str | bytes) -> bool:
        key = _text(key)
        if isinstance(self.data, dict):
            return key in self.data
        return key in self.data or key in self.data.attrs or f"{key}0" in self.data.attrs

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[str]:
        """The names of groups and arrays; of a dict those of all entries."""
        return iter(self.data)

    def iter(self) -> Iterator[str]:
        """The same as `iter(self)`."""
        return iter(self)

    def keys(self) -> list[str]:
        """The names that iterating gives."""
        return list(self)

    def get(self, key: str | bytes, default: Any = None) -> Any:
        """An entry, or `default` where there is none."""
        if key not in self:  # asking for it would make it
            return default
        return self[key]

    def update(self, *args: Any, **entries: Any) -> None:
        """Write all entries of mappings, or of pairs."""
        for name, value in dict(*args, **entries).items():
            self[name] = value

    def close(self) -> None:
        """Write what is not written yet, and close a file that was opened here."""
        if not isinstance(self.data, dict):
            self.data.file.flush()
        if self._is_file:
            self.data.close()

    def __enter__(self) -> H5Dict:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


h5dict = H5Dict
"""Its name in Keras 2.2."""


def _open(path: str, mode: str) -> Any:
    import h5py

    if mode not in ("r", "r+", "w", "w-", "x", "a"):
        raise ArgumentError(describe("bad mode", expected="'a', 'r' or 'w'", got=repr(mode)))
    if mode in ("r", "r+") and not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return h5py.File(path, mode)
    except OSError as error:
        raise FileError(
            describe("the file cannot be opened", expected="an HDF5 file", got=error, where=path)
        ) from None


def _check_link(group: Any, name: str) -> None:
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise _foreign(f"{group.name.rstrip('/')}/{name}", group.file.filename)


def _foreign(name: str, file: str) -> FileError:
    return FileError(
        describe("an entry leads elsewhere", expected="data in the file itself", got=name, where=file)
    )


def _plain(value: Any) -> Any:
    """An attribute as it was set: numbers as NumPy has them, bytes as bytes, texts as texts."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return value.tolist()
    return value.tobytes() if isinstance(value, np.bytes_ | np.void) else value


def _decoded(array: Any) -> list[Any]:
    return [entry.decode() if isinstance(entry, bytes) else entry for entry in np.asarray(array).tolist()]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
