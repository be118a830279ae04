"""Writing a file so that at every moment there is the old one or the new one, whole.

What is written goes to another file beside it, which takes its place when all of it is on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIX = ".tmp"
"""What the names of unfinished files end in, so that nothing takes one for a model."""


def may_write(path: Any, overwrite: bool | None = True) -> bool:
    """Whether a file may be written: always where there is none, else as `overwrite` says, or the user when asked.

    Raises FileExistsError when nobody can be asked, because standard input is no terminal.
    """
    target = os.fspath(path)
    if overwrite or not os.path.lexists(target):
        return True
    if not (sys.stdin is not None and sys.stdin.isatty()):
        raise FileExistsError(errno.EEXIST, "the file exists; overwrite=True replaces it", target)
    answer = ""
    while answer not in ("y", "n"):
        answer = input(f"[WARNING] {target} exists. Overwrite it? [y/n] ").strip().lower()[:1]
    return answer == "y"


@contextlib.contextmanager
def atomic_write(path: Any) -> Iterator[Path]:
    """The path of an empty file to write instead of `path`; when the block ends it takes the place of `path`.

    It is on the disk before it is renamed, keeps the permissions of the file it replaces, and goes away when the block
    raises: then `path` is as it was. A symbolic link stays, and what it points to is replaced. What is no regular file,
    such as a pipe, is written directly. After SIGKILL the unfinished file may stay; its name begins with a dot and ends
    in `.tmp`.
    Raises FileNotFoundError, IsADirectoryError, PermissionError as `open` does, and OSError of the disk.
    """
    target = Path(os.path.realpath(path))
    mode = _mode_of(target)
    if mode is not None and not stat.S_ISREG(mode):
        yield target
        return
    temporary = _create_beside(target)
    try:
        yield temporary
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        _flush(temporary)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def _mode_of(target: Path) -> int | None:
    """The mode of an existing file; None where there is none. Raises where `open` for writing would."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    return mode


def _create_beside(target: Path) -> Path:
    """A new empty file in the folder of `target`, with the permissions that a new file gets."""
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))
    # Cut, so that a name of the greatest length the file system allows still has room for what is added.
    stem = os.fsencode(target.name)[:200].decode(errors="ignore")
    temporary = target.with_name(f".{stem}.{os.urandom(6).hex()}{SUFFIX}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _flush(path: Path) -> None:
    """Wait until the contents are on the disk: a rename may otherwise arrive there before them."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until the rename is on the disk, where the system can say so of a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
