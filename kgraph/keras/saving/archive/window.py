"""A part of a file as a file of its own: what a zip archive stores without compression can be read where it stands."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO


class Window(io.RawIOBase):
    """`size` bytes of a seekable file, from byte `start` on. Closing it leaves the file open."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Raises ValueError for a place before the beginning."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"seek to {origin + offset}")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the window goes; how many bytes there were."""
        view = memoryview(buffer).cast("B")
        view = view[: max(0, min(len(view), self._size - self._at))]
        self._file.seek(self._start + self._at)
        done = 0
        while done < len(view):
            data = self._file.read(len(view) - done) if not hasattr(self._file, "readinto") else None
            count = self._file.readinto(view[done:]) if data is None else len(data)
            if not count:
                break
            if data is not None:
                view[done : done + count] = data
            done += count
        self._at += done
        return done
