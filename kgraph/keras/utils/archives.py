"""Unpacking archives that came from elsewhere: tar (plain, gzip, bzip2, xz) and zip.

Only folders and regular files are made, in a new folder that appears under its name when it is complete. What lies
outside of it is never touched, whatever the names of the entries are, because no links are made: a link in an
archive becomes a copy of the file that it names in the same archive. (The filters of `tarfile` allow links and have
been got round: CVE-2025-4517, CVE-2025-12638.)
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kgraph.errors import FileError, describe

LEAST_ROOM = 1 << 30
"""Any archive may unpack to this many bytes …"""
LARGEST_RATIO = 200
"""… and to this many times its own size. What wants more was made to fill a disk."""
ENTRY_SIZE = 512
"""Every entry counts for at least this many bytes: empty files fill a disk too."""
BLOCK = 1 << 20
LARGEST_HEADER = 1 << 24

OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
"""What opens a compressed file, by its first bytes."""

DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)
"""What the readers of the standard library raise for archives that they can't make sense of."""


@dataclass(frozen=True)
class Entry:
    """An entry of an archive: a file with a `stream`, a link with a `target`, or else a folder.

    Paths are relative to the folder and have no `..` in them.
    """

    path: Path
    stream: IO[bytes] | None = None
    target: Path | None = None
    is_program: bool = False


def archive_kind(file: Path, kinds: tuple[str, ...] = ("tar", "zip")) -> str | None:
    """Which of `kinds` a file is, by what is in it; None when it is none of them."""
    recognise = {"tar": tarfile.is_tarfile, "zip": zipfile.is_zipfile}
    return next((kind for kind in kinds if recognise[kind](file)), None)


def unpack(file: Path, folder: Path, kind: str) -> None:
    """Unpack an archive ("tar" or "zip") into a folder that doesn't exist yet; it exists when all is in it.

    Raises `FileError` for a damaged archive, for entries that are neither files nor folders nor links to files in
    the archive, for names that lead out of the folder or come twice, and for more data than an honest archive has.
    Nothing is left behind then.
    """
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as temporary:
        whole = Path(temporary) / folder.name
        whole.mkdir()
        try:
            _Unpacking(file, whole).run(_tar_entries(file) if kind == "tar" else _zip_entries(file))
        except DAMAGED as error:
            raise _refusal(file, "a whole archive", error) from None
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise _refusal(file, "every name once", error.strerror) from None
        except OSError as error:
            if error.errno is not None:  # bz2 has none when its data are wrong
                raise
            raise _refusal(file, "a whole archive", error) from None
        whole.replace(folder)


class _Unpacking:
    """One archive on its way into a folder, and how many bytes it may still take."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.room = max(LEAST_ROOM, LARGEST_RATIO * file.stat().st_size)
        self.made: set[Path] = set()

    def run(self, entries: Iterator[Entry]) -> None:
        links: dict[Path, Path] = {}
        for entry in entries:
            self._take(ENTRY_SIZE, entry.path)
            if entry.stream is not None:
                with entry.stream:
                    self._write(entry.path, entry.stream, entry.is_program)
            elif entry.target is not None:
                links[entry.path] = entry.target
            else:
                (self.folder / entry.path).mkdir(parents=True, exist_ok=True)
        files = frozenset(self.made)
        for path, target in links.items():
            seen = {path}
            while target in links and target not in seen:
                seen.add(target)
                target = links[target]
            if target not in files:
                raise _refusal(self.file, "links to files in the archive", f"{path}, to {target}")
            with (self.folder / target).open("rb") as stream:
                self._write(path, stream, os.access(self.folder / target, os.X_OK))

    def _take(self, size: int, path: Path) -> None:
        self.room -= size
        if self.room < 0:
            raise _refusal(self.file, f"data of at most {LARGEST_RATIO} times its size", f"more, at {path}")

    def _write(self, path: Path, stream: IO[bytes], is_program: bool) -> None:
        made = self.folder / path
        made.parent.mkdir(parents=True, exist_ok=True)
        with made.open("xb") as copy:
            while block := stream.read(BLOCK):
                self._take(len(block), path)
                copy.write(block)
        if is_program:
            made.chmod(made.stat().st_mode | stat.S_IXUSR)
        self.made.add(path)


def _refusal(file: Path, expected: str, got: object) -> FileError:
    return FileError(describe("the archive is not unpacked", expected=expected, got=got, where=str(file)))


def _relative(name: str, file: Path) -> Path:
    """The name of an entry as a path. Raises `FileError` when it leads out of the folder, on whatever system."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    if ".." in parts or "\0" in name or re.match(r"[/\\]|[A-Za-z]:", name):
        raise _refusal(file, "names below the folder", repr(name))
    return Path(*parts)


def _zip_entries(file: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refusal(file, "files and folders", f"{info.filename!r}, which is neither")
            path = _relative(info.filename, file)
            if info.is_dir():
                yield Entry(path)
                continue
            try:
                stream = archive.open(info)
            except (
                RuntimeError,
                NotImplementedError,
            ) as error:  # encrypted, or packed in a way Python doesn't know
                raise _refusal(file, "entries that can be read", f"{info.filename!r}: {error}") from None
            yield Entry(path, stream, is_program=bool(mode & stat.S_IXUSR))


def _tar_entries(file: Path) -> Iterator[Entry]:
    with file.open("rb") as packed:
        start = packed.read(6)
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    with opener(file, "rb") as plain:
        small: Any = _SmallReads(plain, file)  # a reader, where the types ask for write and close too
        archive = tarfile.TarFile(fileobj=small)
        for info in archive:
            path = _relative(info.name, file)
            if info.isdir():
                yield Entry(path)
            elif info.isreg():
                yield Entry(path, archive.extractfile(info), is_program=bool(info.mode & stat.S_IXUSR))
            elif info.islnk() or info.issym():
                yield Entry(path, target=_link_target(info, file))
            else:
                raise _refusal(file, "files and folders", f"{info.name!r}, which is neither")


def _link_target(info: tarfile.TarInfo, file: Path) -> Path:
    """The path that a link names: a symbolic link from where it stands, a hard one from the top."""
    if re.match(r"[/\\]|[A-Za-z]:", info.linkname):
        raise _refusal(file, "links within the folder", f"{info.name!r}, to {info.linkname!r}")
    beside = os.path.dirname(info.name) if info.issym() else ""
    return _relative(os.path.normpath(os.path.join(beside, info.linkname)), file)


class _SmallReads:
    """A file that gives a few megabytes at a time: `tarfile` reads headers whole, however large they say they are."""

    def __init__(self, stream: IO[bytes], file: Path) -> None:
        self._stream, self._file = stream, file
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if size > LARGEST_HEADER:
            raise _refusal(self._file, f"headers of at most {LARGEST_HEADER} bytes", size)
        return self._stream.read(size)
