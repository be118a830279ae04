"""Zip archives that are damaged or mean harm: each gives one FileError, and nothing outside is touched."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kgraph.errors import FileError
from kgraph.keras.saving.archive.guard import Archive
from kgraph.keras.saving.archive.window import Window

DIRECTORY_ENTRY = b"PK\x01\x02"
LOCAL_ENTRY = b"PK\x03\x04"


def archive_of(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive with these entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry


def patched(data: bytes, offset_in_directory: int, offset_in_local: int | None, field: bytes) -> bytes:
    """An archive of one entry with a field of its two headers overwritten."""
    changed = bytearray(data)
    places = [(data.index(DIRECTORY_ENTRY), offset_in_directory)]
    places += [(0, offset_in_local)] if offset_in_local is not None else []
    for start, offset in places:
        changed[start + offset : start + offset + len(field)] = field
    return bytes(changed)


def overlapping() -> bytes:
    """Two entries of the directory that lead to the same bytes."""
    data = archive_of(("a", b"x" * 100), ("b", b"y" * 100))
    second = data.index(DIRECTORY_ENTRY, data.index(DIRECTORY_ENTRY) + 1)
    return data[: second + 42] + struct.pack("<I", 0) + data[second + 46 :]


HOSTILE = {
    "a name that leads upwards": archive_of(("../config.json", b"{}")),
    "a name that leads upwards later": archive_of(("assets/../../x", b"{}")),
    "an absolute name": archive_of(("/etc/config.json", b"{}")),
    "a name with a drive": archive_of(("C:config.json", b"{}")),
    "a name with a backslash": archive_of(("..\\config.json", b"{}")),
    "a name with an empty part": archive_of(("assets//x", b"{}")),
    "a name of one point": archive_of(("./config.json", b"{}")),
    "a name with a zero": archive_of(("config.json~.png", b"{}")).replace(b"json~.png", b"json\0.png"),
    "a symbolic link": archive_of((link("config.json"), b"/etc/passwd")),
    "two entries of one name": archive_of(("config.jsonA", b"{}"), ("config.jsonB", b"{}")).replace(
        b"jsonB", b"jsonA"
    ),
    "a folder and a file of one name": archive_of(("x/", b""), ("x", b"")),
    "encryption": patched(archive_of(("config.json", b"{}")), 8, 6, b"\x01\x00"),
    "strong encryption": patched(archive_of(("config.json", b"{}")), 8, 6, b"\x41\x00"),
    "a bomb": patched(
        archive_of(("model.weights.h5", bytes(1 << 20)), method=zipfile.ZIP_DEFLATED),
        24,
        22,
        struct.pack("<I", 1 << 30),
    ),
    "LZMA, which takes memory as it likes": archive_of(("config.json", b"{}"), method=zipfile.ZIP_LZMA),
    "a declared size far above what is there": patched(
        archive_of(("config.json", b"{}")), 20, 18, struct.pack("<II", 1 << 31, 1 << 31)
    ),
    "sizes that differ without compression": patched(
        archive_of(("config.json", b"{}")), 24, 22, struct.pack("<I", 50)
    ),
    "overlapping entries": overlapping(),
    "no archive": b"no archive at all",
    "nothing": b"",
    "half an archive": archive_of(("config.json", b"{}" * 100))[:150],
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_are_refused(data: bytes, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FileError):
            Archive(io.BytesIO(data))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_missing_entry_is_named() -> None:
    archive = Archive(io.BytesIO(archive_of(("metadata.json", b"{}"))))
    with pytest.raises(FileError, match=r"no config\.json"):
        archive.json("config.json")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_entries_are_read_whole_and_anywhere(method: int) -> None:
    content = bytes(range(256)) * 5000
    archive = Archive(io.BytesIO(archive_of(("a", b"[1]"), ("b", content), method=method)))
    with archive.file("b") as file:
        assert file.read() == content
        assert file.seek(1000) == 1000
        assert file.read(10) == content[1000:1010]
        assert file.seek(0, io.SEEK_END) == len(content)
        assert file.read(1) == b""
    assert archive.json("a") == [1]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize(
    "read", [lambda a: a.json("x"), lambda a: a.file("x").__enter__()], ids=["json", "file"]
)
def test_changed_bytes_are_noticed(method: int, read: Callable[[Archive], object]) -> None:
    data = bytearray(archive_of(("x", json.dumps(list(range(500))).encode()), method=method))
    data[60] ^= 1
    with pytest.raises(FileError):
        read(Archive(io.BytesIO(bytes(data))))


def test_a_stored_entry_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.keras"
    path.write_bytes(archive_of(("weights", b"x" * (1 << 24))))
    with path.open("rb") as file:
        tracemalloc.start()
        try:
            with Archive(file).file("weights") as entry:
                entry.seek(1 << 23)
                assert entry.read(4) == b"xxxx"
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 1 << 22


@pytest.mark.parametrize(
    "text",
    [b"[" * 100_000, b"{", b"\xff\xfe", b"9" * 10_000],
    ids=["deep", "cut", "no text", "a long number"],
)
def test_json_that_cannot_be_used_is_refused(text: bytes) -> None:
    with pytest.raises(FileError):
        Archive(io.BytesIO(archive_of(("config.json", text)))).json("config.json")


def test_text_that_grows_beyond_measure_is_refused() -> None:
    archive = Archive(io.BytesIO(archive_of(("x", b" " * (1 << 22) + b"1"), method=zipfile.ZIP_DEFLATED)))
    with pytest.raises(FileError, match="declares to become"):
        archive.json("x")


def test_an_entry_does_not_grow_beyond_what_it_declares() -> None:
    data = patched(
        archive_of(("x", bytes(1 << 20)), method=zipfile.ZIP_DEFLATED), 24, 22, struct.pack("<I", 1000)
    )
    with pytest.raises(FileError), Archive(io.BytesIO(data)).file("x"):
        pass


def test_a_window_does_not_reach_beyond_its_part() -> None:
    window = Window(io.BytesIO(b"0123456789"), 2, 5)
    assert (window.read(), window.tell()) == (b"23456", 5)
    window.seek(-2, io.SEEK_CUR)
    assert window.read(10) == b"56"
    window.seek(100)
    assert window.read(1) == b""
    with pytest.raises(ValueError, match="seek"):
        window.seek(-1)
