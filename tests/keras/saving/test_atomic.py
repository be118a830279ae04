"""Files are replaced whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kgraph.keras.saving.atomic import atomic_write, may_write


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def write_and_fail(target: Path, error: type[BaseException]) -> None:
    with atomic_write(target) as unfinished:
        unfinished.write_bytes(b"half")
        raise error("in the middle")


def test_a_new_file_appears_when_it_is_finished(tmp_path: Path) -> None:
    target = tmp_path / "model.h5"
    with atomic_write(target) as unfinished:
        unfinished.write_bytes(b"new")
        assert not target.exists()
        assert unfinished.parent == tmp_path
        assert unfinished.name.startswith(".model.h5.")
        assert unfinished.suffix == ".tmp"
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["model.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "model.h5"
    target.write_bytes(b"old")
    with pytest.raises(error):
        write_and_fail(target, error)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["model.h5"]


def test_permissions_stay_and_new_files_get_those_of_the_process(tmp_path: Path) -> None:
    old, new, plain = tmp_path / "old", tmp_path / "new", tmp_path / "plain"
    old.write_bytes(b"")
    old.chmod(0o640)
    plain.write_bytes(b"")
    for path in (old, new):
        with atomic_write(path) as unfinished:
            unfinished.write_bytes(b"x")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert new.stat().st_mode == plain.stat().st_mode


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "model.h5", tmp_path / "link.h5"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with atomic_write(link) as unfinished:
        assert unfinished.parent == target.parent
        unfinished.write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_very_long_name(tmp_path: Path) -> None:
    target = tmp_path / ("ü" * 120 + ".h5")
    with atomic_write(str(target)) as unfinished:
        unfinished.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_what_is_no_file_is_written_directly() -> None:
    with atomic_write(os.devnull) as path:
        path.write_bytes(b"gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_where_nothing_can_be_written_it_says_so_before(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"), atomic_write(tmp_path / "no" / "m.h5"):
        pytest.fail("the block must not run")
    with pytest.raises(IsADirectoryError), atomic_write(tmp_path):
        pytest.fail("the block must not run")
    locked = tmp_path / "locked"
    locked.write_bytes(b"old")
    locked.chmod(0o400)
    if not os.access(locked, os.W_OK):
        with pytest.raises(PermissionError), atomic_write(locked):
            pytest.fail("the block must not run")
    assert names(tmp_path) == ["locked"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The limit on the size of files stands for a disk that is full: both are an OSError of a write."""
    target = tmp_path / "model.h5"
    target.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(OSError, match="too large"), atomic_write(target) as unfinished:
            unfinished.write_bytes(bytes(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["model.h5"]


def test_sigkill_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "model.h5"
    target.write_bytes(b"old")
    program = textwrap.dedent(
        """
        import os, signal, sys
        from kgraph.keras.saving.atomic import atomic_write

        with atomic_write(sys.argv[1]) as unfinished:
            unfinished.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    ended = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    (left,) = [name for name in names(tmp_path) if name != "model.h5"]
    assert left.startswith(".model.h5.")
    assert left.endswith(".tmp")


def test_overwriting_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model.h5"
    assert may_write(target, overwrite=False)
    target.write_bytes(b"old")
    assert may_write(target, overwrite=True)
    for overwrite in (False, None):
        monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
        with pytest.raises(FileExistsError, match="overwrite=True"):
            may_write(target, overwrite)
        monkeypatch.setattr("sys.stdin", Terminal(["what", "", "Yes"]))
        monkeypatch.setattr("builtins.input", lambda question: sys.stdin.readline())
        assert may_write(target, overwrite)
        monkeypatch.setattr("sys.stdin", Terminal(["n"]))
        assert not may_write(target, overwrite)


class Terminal:
    """Standard input as if someone typed these lines."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = iter(lines)

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return next(self.lines)
