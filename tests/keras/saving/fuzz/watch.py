"""Notices what loading a file must not do: run code, start programs, open other files, talk to the network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FORBIDDEN = (
    "compile",
    "ctypes.",
    "exec",
    "ftplib.",
    "http.",
    "import",
    "marshal.",
    "os.",
    "pickle.",
    "pty.",
    "shutil.",
    "signal.",
    "socket.",
    "subprocess.",
    "tempfile.",
    "urllib.",
    "webbrowser.",
)
"""The beginnings of the names of audit events that nothing in a file may cause (docs.python.org, "Audit events")."""

_allowed: frozenset[str] | None = None
_seen: list[str] = []


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if _allowed is None:
        return
    if event == "open":
        place = arguments[0]
        if isinstance(place, int) or os.path.abspath(os.fsdecode(place)) in _allowed:
            return
    elif not event.startswith(FORBIDDEN):
        return
    _seen.append(f"{event} {arguments!r:.200}")


@contextmanager
def watched(*files: Path) -> Iterator[list[str]]:
    """What happens inside that must not; opening `files` may. Modules should be imported before."""
    global _allowed
    if _notice not in _hooks:
        sys.addaudithook(_notice)
        _hooks.append(_notice)
    _seen.clear()
    _allowed = frozenset(os.path.abspath(file) for file in files)
    try:
        yield _seen
    finally:
        _allowed = None


_hooks: list[Any] = []
