"""Reading the files of data sets, of which some are pickles. Nothing in them is called or imported.

A pickle is a program for a small machine, which may ask for any function by name. Here a name gives a `Global` that
does nothing but note what it was called with; what was noted is made into arrays afterwards, if it describes arrays of
numbers or lists of integers. Anything else is a FileError.
"""

from __future__ import annotations

import gzip
import math
import pickle
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kgraph.errors import FileError, KgraphError, describe
from kgraph.keras.saving.archive.guard import Archive

KNOWN = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("numpy.core.multiarray", "_reconstruct"): "reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "reconstruct",
    ("_codecs", "encode"): "encode",
}
"""What the pickle of an array names: Python 2's and 3's, NumPy 1's and 2's."""

LARGEST = 1 << 29
"""Bytes that a file may unpack to: more than twice what the largest data set needs."""

DAMAGE = (
    *(pickle.UnpicklingError, EOFError, OSError, zlib.error, MemoryError),
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError),
)
"""What reading bytes raises that are not what they should be."""

_NUMBERS = re.compile(r"[<>|=]?[biuf][1248]")


class Global:
    """The name of something in a pickle. Calling it makes a note; of bytes written as text it makes bytes."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Made | bytes:
        return _encoded(*arguments) if self.name == "encode" else Made(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"{self.name} has no state")


class Made:
    """A note: what was called, with what, and which state the result was given."""

    __slots__ = ("arguments", "by", "state")

    def __init__(self, by: str, arguments: tuple[Any, ...]) -> None:
        self.by, self.arguments = by, arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class PlainUnpickler(pickle.Unpickler):
    """Unpickles plain data, and notes in the place of arrays."""

    def find_class(self, module: str, name: str) -> Global:
        known = KNOWN.get((module, name))
        if known is None:
            raise pickle.UnpicklingError(f"the file asks for {module}.{name}")
        return Global(known)


def read_batch(path: Path) -> dict[str, Any]:
    """The pickled dict of a file: arrays of numbers, and whatever plain data else there is. Raises FileError."""
    with _honest(path, "a pickled dict of plain data"), path.open("rb") as stream:
        found = PlainUnpickler(stream, encoding="bytes").load()
        return {_text(key): _array(value) for key, value in found.items()}


def read_npz(path: Path, *names: str) -> list[Any]:
    """Some arrays of an npz file: of numbers as arrays, of objects as lists of lists of integers. Raises FileError."""
    with _honest(path, "arrays of numbers or of lists of integers"), path.open("rb") as stream:
        archive = Archive(stream)
        return [_read_npy(archive, name) for name in names]


def read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """The bytes of a gzipped IDX file, with that number of axes. Raises FileError.

    The format: two zeros, the number 8 for bytes, the number of axes, their sizes as four bytes each, the data.
    """
    with _honest(path, f"gzipped bytes of rank {rank}"), gzip.open(path) as stream:
        if stream.read(4) != bytes((0, 0, 8, rank)):
            raise ValueError("another kind of file")
        shape = np.frombuffer(stream.read(4 * rank), ">u4").tolist()
        data = stream.read(_checked_size(math.prod(shape)) + 1)
        return np.frombuffer(data, np.uint8).reshape(shape).copy()


def _read_npy(archive: Archive, name: str) -> Any:
    with archive.file(f"{name}.npy") as stream:
        major, _ = np.lib.format.read_magic(stream)
        read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[major]
        shape, fortran, dtype = read_header(stream)
        if dtype.hasobject:
            return _lists(PlainUnpickler(stream).load(), shape)
        return _numbers(_read_exactly(stream, shape, dtype), shape, dtype.str, fortran)


def _read_exactly(stream: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    return stream.read(_checked_size(math.prod(shape) * dtype.itemsize) + 1)


def _checked_size(size: int) -> int:
    if size > LARGEST:
        raise ValueError(f"{size} bytes, more than the {LARGEST} of any data set")
    return size


def _numbers(data: bytes, shape: tuple[int, ...], kind: str, fortran: bool) -> NDArray[Any]:
    """An array from its bytes, which must be as many as the shape says."""
    if not _NUMBERS.fullmatch(kind):
        raise ValueError(f"an array of {kind}")
    dtype = np.dtype(kind)
    flat = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))
    return flat.reshape(shape, order="F" if fortran else "C")


def _array(value: Any) -> Any:
    """The array that a note describes; what is no note is what it is."""
    if not isinstance(value, Made):
        return value
    shape, dtype, fortran, data = _array_state(value)
    if not isinstance(data, bytes):
        raise TypeError(f"an array made of {type(data).__name__}")
    # The state of a dtype is its byte order, after a version number.
    order = _text(dtype.state[1]) if isinstance(dtype.state, tuple) else "|"
    return _numbers(data, shape, order + _text(dtype.arguments[0]), bool(fortran))


def _array_state(note: Any) -> tuple[tuple[int, ...], Made, Any, Any]:
    """Shape, dtype, whether it is in Fortran's order, and data of the array that a note describes."""
    if not isinstance(note, Made) or note.by != "reconstruct" or not isinstance(note.state, tuple):
        raise TypeError("no array")
    _, shape, dtype, fortran, data = note.state
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise TypeError(f"an array of shape {str(shape)[:80]}")
    if not isinstance(dtype, Made) or dtype.by != "dtype":
        raise TypeError("an array without a dtype")
    return shape, dtype, fortran, data


def _encoded(text: Any, encoding: Any) -> bytes:
    """The bytes that Python 3 writes as text where the protocol has no bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise TypeError(f"bytes from {type(text).__name__} by {str(encoding)[:80]}")
    return text.encode("latin-1")


def _lists(note: Any, shape: tuple[int, ...]) -> list[list[int]]:
    """The lists of integers in an array of objects of one axis."""
    found, _, _, lists = _array_state(note)
    if found != shape or len(shape) != 1 or type(lists) is not list or len(lists) != shape[0]:
        raise TypeError(f"an array of objects of shape {str(found)[:80]}")
    for entry in lists:
        if type(entry) is not list or not {int}.issuperset(map(type, entry)):
            raise TypeError("an entry that is no list of integers")
        if entry and not -LARGEST < min(entry) <= max(entry) < LARGEST:
            raise ValueError(f"the rank {max(entry, key=abs)} of a word")
    return lists


def _text(name: Any) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)


@contextmanager
def _honest(path: Path, expected: str) -> Iterator[None]:
    """Whatever reading a file raises inside becomes a FileError that names it."""
    try:
        yield
    except (FileNotFoundError, KgraphError):
        raise
    except DAMAGE as error:
        got = f"{type(error).__name__}: {error}"[:300]
        raise FileError(
            describe(
                "the file of a data set is damaged or hostile", expected=expected, got=got, where=str(path)
            )
        ) from None
