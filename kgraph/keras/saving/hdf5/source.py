"""The bytes of an HDF5 file, and how much may be asked of them."""

from __future__ import annotations

import struct
from io import SEEK_END, BytesIO
from typing import Any

from kgraph.errors import FileError, describe
from kgraph.ir.types import Array

UNDEFINED = 2**64 - 1
"""The address of what is not there."""

SMALL = 64 * 2**20
RATIO = 20
"""Data may be compressed, so that it is larger than the file: by this factor, and this many bytes in any case."""


class Source:
    """A file that can be read anywhere within its bounds, and a budget of what may be made of it.

    Raises FileError, with `where` in it, for what lies outside.
    """

    def __init__(self, stream: Any, where: str) -> None:
        self.where = where
        self._stream = stream if stream.seekable() else BytesIO(stream.read())
        self.size = self._stream.seek(0, SEEK_END)
        self.room = SMALL + RATIO * self.size
        self._place = ""

    def at(self, place: str) -> Source:
        """The same, with the path of a group or dataset that errors are to name from now on."""
        self._place = place
        return self

    def read(self, address: int, size: int) -> bytes:
        """Some bytes."""
        self.check(address, size)
        self._stream.seek(address)
        data = self._stream.read(size)
        while len(data) < size:  # a raw stream may give less at a time
            more = self._stream.read(size - len(data))
            if not more:
                raise self.damaged("it ends too early")
            data += more
        return data

    def read_into(self, address: int, out: Array) -> None:
        """Fill a contiguous array with the bytes from an address on."""
        self.check(address, out.nbytes)
        self._stream.seek(address)
        view = memoryview(out.reshape(-1).view("uint8"))
        done = 0
        while done < len(view):
            read = self._stream.readinto(view[done:])
            if not read:
                raise self.damaged("it ends too early")
            done += read

    def check(self, address: int, size: int) -> None:
        """Raise FileError unless these bytes are in the file."""
        if address + size > self.size:
            raise self.damaged(f"{size} bytes at {address} of {self.size}", "what is in the file")

    def check_room(self, size: int, what: str = "") -> None:
        """Raise FileError when so many bytes are more than an honest file of this size still holds."""
        if size > self.room:
            raise FileError(
                describe(
                    "the HDF5 file declares more data than it can hold",
                    expected=f"{self.room} bytes or fewer from a file of {self.size}",
                    got=size,
                    where=what or self._here,
                )
            )

    def take(self, size: int) -> None:
        """Count bytes that are made of the file. Raises FileError when they are more than an honest file holds."""
        self.check_room(size)
        self.room -= size

    @property
    def _here(self) -> str:
        return f"{self.where}:{self._place}"

    def damaged(self, got: object, expected: object = None) -> FileError:
        """The error for bytes that make no sense."""
        return FileError(describe("the HDF5 file is damaged", expected=expected, got=got, where=self._here))

    def foreign(self, got: str) -> FileError:
        """The error for what HDF5 has, but no file of Keras."""
        return FileError(
            describe(
                "the HDF5 file has something that model files have no need of",
                expected="groups, attributes of text, and arrays of numbers that are in the file itself",
                got=got,
                where=self._here,
            )
        )


class Cursor:
    """Reads numbers from a piece of a file, one after the other."""

    def __init__(self, data: bytes, source: Source) -> None:
        self.data, self.at, self._source = data, 0, source

    @property
    def left(self) -> int:
        """How many bytes there still are."""
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > self.left:
            raise self._source.damaged(f"{self.left} bytes", f"{size} bytes")
        self.at += size
        return self.data[self.at - size : self.at]

    def numbers(self, form: str) -> tuple[int, ...]:
        """The next numbers, as `struct` describes them: B, H, I and Q are 1, 2, 4 and 8 bytes, x is one left out."""
        form = f"<{form}"
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def number(self, form: str) -> int:
        """The next number."""
        return self.numbers(form)[0]

    def sized(self, size: int) -> int:
        """The next number, of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def piece(self, size: int, align: int = 1) -> Cursor:
        """The next bytes as a cursor of their own; they fill a multiple of `align`."""
        found = self.take(size)
        self.take(-size % align)
        return Cursor(found, self._source)

    def text(self, size: int, align: int = 1) -> str:
        """A name of so many bytes, the zero at its end included if it has one."""
        return decoded(self.piece(size, align).data.partition(b"\0")[0], self._source)

    def expect(self, *signature: bytes) -> bytes:
        """One of some signatures. Raises FileError when there is something else."""
        found = self.take(len(signature[0]))
        if found not in signature:
            raise self._source.damaged(found, " or ".join(map(repr, signature)))
        return found


def decoded(text: bytes, source: Source) -> str:
    """Text in UTF-8. Raises FileError for what is none."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise source.damaged(error, "text in UTF-8") from None
