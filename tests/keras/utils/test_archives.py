"""Unpacking: honest archives come out whole, hostile ones touch nothing outside and leave nothing behind."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kgraph.errors import FileError
from kgraph.keras.utils import archives, get_file

Entries = dict[str, bytes | tuple[Any, str]]
HONEST: Entries = {"top/": b"", "top/a.txt": b"alpha", "top/deep/b.bin": b"\0" * 5000, "./c": b"c"}
UNPACKED = {"top/a.txt": b"alpha", "top/deep/b.bin": b"\0" * 5000, "c": b"c"}


def write_tar(file: Path, entries: Entries, mode: str = "w") -> Path:
    """Folders end in "/"; a pair is a type and a link's target."""
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, tuple):
                info.type, info.linkname = data
                archive.addfile(info)
            elif name.endswith("/"):
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return file


def write_zip(file: Path, entries: Entries, mode: str = "w") -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            if isinstance(data, tuple):
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, data[1])
            else:
                archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return file


WRITERS: dict[str, Callable[[Path, Entries], Path]] = {
    "tar": write_tar,
    "tar.gz": lambda file, entries: write_tar(file, entries, "w:gz"),
    "tar.bz2": lambda file, entries: write_tar(file, entries, "w:bz2"),
    "tar.xz": lambda file, entries: write_tar(file, entries, "w:xz"),
    "zip": write_zip,
}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def unpacked(file: Path, folder: Path) -> dict[str, bytes]:
    kind = archives.archive_kind(file)
    assert kind is not None
    archives.unpack(file, folder, kind)
    return contents(folder)


@pytest.mark.parametrize("kind", WRITERS)
def test_honest_archives_come_out_whole(tmp_path: Path, kind: str) -> None:
    file = WRITERS[kind](tmp_path / "archive", HONEST)
    assert unpacked(file, tmp_path / "out") == UNPACKED
    assert sorted(os.listdir(tmp_path)) == ["archive", "out"]


def test_links_within_a_tar_become_copies(tmp_path: Path) -> None:
    entries: Entries = {
        "b/early": (tarfile.SYMTYPE, "../b/chain"),
        "b/chain": (tarfile.SYMTYPE, "a"),
        "b/a": b"alpha",
        "hard": (tarfile.LNKTYPE, "b/a"),
    }
    found = unpacked(write_tar(tmp_path / "archive", entries), tmp_path / "out")
    assert found == dict.fromkeys(("b/early", "b/chain", "b/a", "hard"), b"alpha")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_programs_stay_programs_and_nothing_else_of_the_mode_is_taken(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        info = tarfile.TarInfo("run")
        info.mode = 0o6777
        archive.addfile(info)
    unpacked(tmp_path / "archive", tmp_path / "out")
    mode = (tmp_path / "out" / "run").stat().st_mode
    assert mode & stat.S_IXUSR
    assert not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)


OUTSIDE: dict[str, Entries] = {
    "parent": {"../evil": b"x"},
    "parent in the middle": {"a/../../evil": b"x"},
    "parent of Windows": {"..\\evil": b"x"},
    "absolute": {"/evil": b"x"},
    "drive": {"C:evil": b"x"},
    "folder": {"../evil/": b""},
    "twice": {"a": b"x", "./a": b"y"},
    "file as folder": {"a": b"x", "a/b": b"y"},
}
LINKS: dict[str, Entries] = {
    "link out": {"a": (tarfile.SYMTYPE, "../../evil")},
    "absolute link": {"a": (tarfile.SYMTYPE, "/etc/passwd")},
    "through a link": {"a": (tarfile.SYMTYPE, ".."), "a/evil": b"x"},
    "hard link out": {"a": (tarfile.LNKTYPE, "../../evil")},
    "absolute hard link": {"a": (tarfile.LNKTYPE, "/etc/passwd")},
    "link to itself": {"a": (tarfile.SYMTYPE, "a")},
    "circle": {"a": (tarfile.SYMTYPE, "b"), "b": (tarfile.SYMTYPE, "a")},
    "dangling": {"a": (tarfile.SYMTYPE, "b")},
    "device": {"a": (tarfile.CHRTYPE, "")},
    "pipe": {"a": (tarfile.FIFOTYPE, "")},
    # CVE-2025-12638: links so long that resolving them gives up, after which they lead anywhere.
    "too long to resolve": {
        **{f"{'d' * 240}/" * depth: b"" for depth in range(1, 17)},
        f"{'d' * 240}/" * 16 + "l": (tarfile.SYMTYPE, "../" * 16),
        "escape": (tarfile.SYMTYPE, f"{'d' * 240}/" * 16 + "l/../../evil"),
        "escape/evil": b"x",
    },
}


@pytest.mark.parametrize(
    ("writer", "entries"),
    [
        *(
            pytest.param(kind, entries, id=f"{kind} {name}")
            for name, entries in OUTSIDE.items()
            for kind in WRITERS
        ),
        *(pytest.param("tar", entries, id=f"tar {name}") for name, entries in LINKS.items()),
        pytest.param("zip", {"a": (None, "/etc/passwd")}, id="zip link"),
    ],
)
def test_hostile_archives_touch_nothing(tmp_path: Path, writer: str, entries: Entries) -> None:
    inner = tmp_path / "in" / "side"
    inner.mkdir(parents=True)
    file = WRITERS[writer](inner / "archive", entries)
    with pytest.raises(FileError, match="not unpacked"):
        unpacked(file, inner / "out")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert not Path("/evil").exists()
    assert os.listdir(inner) == ["archive"]


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_bombs_are_stopped(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LEAST_ROOM", 100_000)
    file = WRITERS[kind](tmp_path / "archive", {"a": b"\0" * 20_000_000})
    with pytest.raises(FileError, match="200 times its size"):
        unpacked(file, tmp_path / "out")
    assert os.listdir(tmp_path) == ["archive"]


def test_empty_files_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LEAST_ROOM", 100_000)
    monkeypatch.setattr(archives, "LARGEST_RATIO", 1)
    file = WRITERS["tar.xz"](tmp_path / "archive", {f"file{i}": b"" for i in range(300)})
    with pytest.raises(FileError, match="times its size"):
        unpacked(file, tmp_path / "out")


def test_copies_of_links_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LEAST_ROOM", 100_000)
    monkeypatch.setattr(archives, "LARGEST_RATIO", 1)
    links: Entries = {f"link{i}": (tarfile.LNKTYPE, "a") for i in range(100)}
    file = WRITERS["tar.gz"](tmp_path / "archive", {"a": b"\0" * 10_000, **links})
    with pytest.raises(FileError, match="times its size"):
        unpacked(file, tmp_path / "out")


def test_a_header_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    (tmp_path / "archive").write_bytes(info.tobuf() + b"\0" * 10_240)
    with pytest.raises(FileError, match="header"):
        archives.unpack(tmp_path / "archive", tmp_path / "out", "tar")


@pytest.mark.parametrize("kind", WRITERS)
def test_damaged_archives_are_one_error(tmp_path: Path, kind: str) -> None:
    whole = WRITERS[kind](tmp_path / "archive", {**HONEST, "noise": os.urandom(3000)}).read_bytes()
    outcomes = set()
    for place in range(0, len(whole), max(len(whole) // 60, 1)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]):
            (tmp_path / "damaged").write_bytes(damaged)
            try:
                archives.unpack(tmp_path / "damaged", tmp_path / f"out{len(outcomes)}", kind[:3])
            except FileError:
                outcomes.add("refused")
            for path in tmp_path.glob("out*"):
                path.rename(tmp_path / f"done{os.urandom(8).hex()}")
    assert outcomes == {"refused"}


def test_get_file_unpacks_to_where_keras_3_does(tmp_path: Path) -> None:
    origin = write_zip(tmp_path / "set.zip", HONEST).as_uri()
    for fname, file, folder in (
        ("set.zip", "set.zip", "set_extracted"),
        ("mine", "mine_archive", "mine"),
        (None, "set.zip_archive", "set.zip"),
    ):
        base = tmp_path / f"for {fname}" / "datasets"
        assert get_file(fname, origin, extract=True, cache_dir=base.parent) == str(base / folder)
        assert contents(base / folder) == UNPACKED
        assert (base / file).is_file()


def test_get_file_unpacks_once_and_again_after_a_new_download(tmp_path: Path) -> None:
    origin = write_tar(tmp_path / "set.tar", {"a": b"old"})
    folder = Path(get_file("set", origin.as_uri(), extract=True, cache_dir=tmp_path))
    (folder / "mine").write_bytes(b"mine")
    (folder / "a").write_bytes(b"changed")
    get_file("set", origin.as_uri(), extract=True, cache_dir=tmp_path)
    assert contents(folder) == {"a": b"changed", "mine": b"mine"}
    write_tar(origin, {"a": b"new", "b/c": b"more"})
    get_file("set", origin.as_uri(), extract=True, cache_dir=tmp_path, force_download=True)
    assert contents(folder) == {"a": b"new", "b/c": b"more", "mine": b"mine"}


def test_get_file_takes_the_old_spelling_and_names_what_it_cannot_unpack(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no archive")
    with pytest.warns(DeprecationWarning, match="extract"), pytest.raises(FileError, match="tar"):
        get_file("a", (tmp_path / "text").as_uri(), untar=True, cache_dir=tmp_path)
    zipped = write_zip(tmp_path / "set.zip", HONEST).as_uri()
    for archive_format in ("tar", ["tar"], None):
        with pytest.raises(FileError, match="not unpacked"):
            get_file("b", zipped, extract=True, archive_format=archive_format, cache_dir=tmp_path)
    get_file("b", zipped, extract=True, archive_format=("tar", "zip"), cache_dir=tmp_path)
