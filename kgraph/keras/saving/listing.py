"""What arrays a file of weights holds, when no model is there to read them into."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kgraph.errors import FileError, describe
from kgraph.keras.saving.hdf5.guard import Dataset, Group, open_file

DEPTH = 64
MANY = 100_000
"""Groups within groups, and groups and arrays in all. A group that holds itself has no end."""


@dataclass(frozen=True)
class Array:
    """One array in a file."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}{list(self.shape)}"


def list_weights(filepath: Any) -> list[Array] | None:
    """The arrays in an HDF5 file of weights, in order of their names; None when the file holds a whole model.

    Raises FileNotFoundError, FileError for a damaged or hostile file.
    """
    with open_file(filepath) as root:
        if root.text("model_config") is not None:
            return None
        return sorted(arrays_in(root), key=naturally)


def arrays_in(root: Group) -> Iterator[Array]:
    """The arrays in a group and in the groups inside. Raises FileError for a damaged or hostile file."""
    pending, seen = [("", root, 0)], 0
    while pending:
        path, group, depth = pending.pop()
        names = group.names()
        seen += len(names)
        if depth > DEPTH or seen > MANY:
            raise FileError(describe("the file has no end of groups", where=root.where))
        for name in names:
            inner = _open(group, name)
            if isinstance(inner, Group):
                pending.append((f"{path}{name}/", inner, depth + 1))
            else:
                yield Array(f"{path}{name}", inner.dtype.name, inner.shape)


def naturally(array: Array) -> list[tuple[int, str]]:
    """A key that sorts names as people count: vars/2 before vars/10."""
    parts = re.split(r"([0-9]+)", array.name)
    return [(len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (-1, part) for part in parts]


def _open(group: Group, name: str) -> Group | Dataset:
    return group.group(name) if group.is_group(name) else group.dataset(name)
