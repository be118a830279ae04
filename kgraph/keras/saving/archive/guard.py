"""Zip archives from strangers: everything about one is checked before anything of it is used.

Nothing is extracted by name. An entry that is stored as it is gets read where it stands; a compressed one goes to a
temporary file without a name, and never grows beyond what the archive declares.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from kgraph.errors import FileError, describe
from kgraph.keras.saving.archive.window import Window
from kgraph.keras.saving.limits import parse_json

ENCRYPTED = 0x1 | 0x40
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LOCAL_HEADER = struct.Struct("<4s22xHH")
"""The header before the data of an entry: its signature, 22 bytes that the directory repeats, the lengths of name and
extra field (PKWARE, "APPNOTE", 4.3.7)."""

FREE_FILE, FREE_TEXT = 1 << 26, 1 << 20
MOST_EXPANSION = 100
"""An entry may be as large as this many times what the archive holds of it; and so many bytes in any case, those of a
file, which are kept on disk, and those of a text, which are kept in memory."""

CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")


class Archive:
    """A zip archive whose list of entries has been checked.

    Raises FileError for a file that is no zip archive; for names that are absolute, lead upwards or are there twice;
    for links, encryption, and compression other than deflate; for entries that overlap, or are declared much larger
    than what is there.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        with damage_as_file_error():
            self._zip = zipfile.ZipFile(file)
        size = file.seek(0, io.SEEK_END)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in self._zip.infolist():
            _check_name(entry)
            _check_kind(entry)
            _check_size(entry, size)
            name = entry.filename.rstrip("/")
            if name in self._entries:
                raise _hostile("a name is there twice", name)
            self._entries[name] = entry
        _check_overlap(list(self._entries.values()))

    @property
    def names(self) -> list[str]:
        """The names of the entries, in the order of the archive."""
        return list(self._entries)

    def json(self, name: str) -> Any:
        """What the JSON text of an entry says. Raises FileError for other text and for nesting without end."""
        _check_expansion(self._entry(name), FREE_TEXT)
        with self._open(name) as stream, damage_as_file_error(name):
            text = stream.read()
        return parse_json(text)

    @contextmanager
    def file(self, name: str) -> Iterator[Any]:
        """An entry as a seekable file, its checksum verified.

        Raises FileError when it is missing or does not have the size and checksum that the archive says.
        """
        entry = self._entry(name)
        if entry.compress_type == zipfile.ZIP_STORED:
            with self._open(name) as stream, damage_as_file_error(name):
                while stream.read(CHUNK):
                    pass
            yield Window(self._file, self._data_start(entry), entry.file_size)
            return
        with tempfile.TemporaryFile() as copy:
            with self._open(name) as stream, damage_as_file_error(name):
                while chunk := stream.read(CHUNK):
                    copy.write(chunk)
            copy.seek(0)
            yield copy

    def _entry(self, name: str) -> zipfile.ZipInfo:
        if name not in self._entries:
            raise FileError(
                describe(
                    f"the archive has no {name}",
                    expected="an archive that Keras 3 wrote",
                    got=self.names[:10],
                )
            )
        return self._entries[name]

    def _open(self, name: str) -> Any:
        entry = self._entry(name)
        with damage_as_file_error(name):
            return self._zip.open(entry)

    def _data_start(self, entry: zipfile.ZipInfo) -> int:
        self._file.seek(entry.header_offset)
        signature, name_size, extra_size = LOCAL_HEADER.unpack(self._file.read(LOCAL_HEADER.size))
        assert signature == b"PK\x03\x04", "zipfile has read this header before"
        return entry.header_offset + LOCAL_HEADER.size + name_size + extra_size


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    if (
        any(part in ("", ".", "..") for part in parts)
        or _DRIVE.match(name)
        or any(character in name for character in "\\\0")
    ):
        raise _hostile("a name leads out of the archive", name)


def _check_kind(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _hostile("an entry is no plain file", entry.filename)
    if entry.flag_bits & ENCRYPTED:
        raise _hostile("an entry is encrypted", entry.filename)
    if entry.compress_type not in METHODS:
        raise _hostile("an entry is compressed in a way that Keras does not use", entry.filename)


def _check_size(entry: zipfile.ZipInfo, archive_size: int) -> None:
    held = entry.compress_size
    stored = entry.compress_type == zipfile.ZIP_STORED
    if held > archive_size or (stored and held != entry.file_size):
        raise _hostile("an entry is declared larger than what is there", entry.filename)
    _check_expansion(entry, FREE_FILE)


def _check_expansion(entry: zipfile.ZipInfo, free: int) -> None:
    held, declared = entry.compress_size, entry.file_size
    if declared > max(free, MOST_EXPANSION * held):
        raise _hostile(f"an entry of {held} bytes declares to become {declared}", entry.filename)


def _check_overlap(entries: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes can declare many times the archive."""
    end, before = 0, ""
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise _hostile(f"an entry shares bytes with {before}", entry.filename)
        end = entry.header_offset + LOCAL_HEADER.size + entry.compress_size
        before = entry.filename


def _hostile(what: str, name: str) -> FileError:
    return FileError(describe(f"the archive is damaged, or not to be trusted: {what}", got=repr(name)))


@contextmanager
def damage_as_file_error(name: str = "") -> Iterator[None]:
    """What the zip reader raises for damaged data, as FileError."""
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError,
        OverflowError, UnicodeError,
    ) as error:  # fmt: skip
        raise FileError(describe("the zip archive is damaged", got=error, where=name)) from None
