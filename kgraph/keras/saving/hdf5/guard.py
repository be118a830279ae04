"""HDF5 as far as it can be trusted: groups, datasets and attributes of a file that anyone may have made.

An HDF5 file can lead to other files (external links, external storage, virtual datasets), ask for programs (filters
that are plug-ins) and declare sizes without having the data. All of this is refused with a FileError, as is what is
damaged. The file is read by this package itself: HDF5's own library was not made for files that mean harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.ir.types import Array
from kgraph.keras.saving.hdf5.objects import Header, Stored, members, root_address
from kgraph.keras.saving.hdf5.source import Source


@contextmanager
def open_file(source: Any) -> Iterator[Group]:
    """The root group of a file for reading. `source` is a path, an open file, or an `h5py.File` or `h5py.Group`.

    Raises FileError when it is not HDF5, FileNotFoundError when it is not there.
    """
    if hasattr(source, "create_group"):  # h5py's; what has been written to it must be where it can be read
        source.file.flush()
        image = Source(BytesIO(source.file.id.get_file_image()), str(source.file.filename))
        root = Group(image, root_address(image), "/")
        yield root.group(source.name) if source.name != "/" else root
    elif hasattr(source, "read"):
        opened = Source(source, str(getattr(source, "name", source)))
        yield Group(opened, root_address(opened), "/")
    else:
        with open(source, "rb") as stream:
            opened = Source(stream, str(source))
            yield Group(opened, root_address(opened), "/")


class Group:
    """A group. Names may lead through groups inside of it: "dense/kernel:0"."""

    def __init__(self, source: Source, address: int, path: str, header: Header | None = None) -> None:
        self._source, self._address, self._path = source, address, path
        self._header = header or Header.read(address, source.at(path))

    @property
    def where(self) -> str:
        """File and group, for messages."""
        return f"{self._source.where}:{self._path}"

    @property
    def room(self) -> int:
        """How many bytes may still be made of the file."""
        return self._source.room

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def names(self) -> list[str]:
        """What is directly inside."""
        return sorted(self._members)

    @cached_property
    def _members(self) -> dict[str, int]:
        return members(self._header) if self._header.is_group else {}

    @cached_property
    def _inside(self) -> dict[str, Group]:
        """The groups, and headers of datasets, that were asked for."""
        return {}

    def is_group(self, name: str) -> bool:
        """Whether what is inside under this name is a group."""
        found = self._find(name)
        return found is not None and found._header.is_group

    def group(self, name: str) -> Group:
        """A group inside. Raises FileError when it is not there or leads elsewhere."""
        found = self._find(name)
        if found is None or not found._header.is_group:
            raise self._missing("group", name, found)
        return found

    def dataset(self, name: str) -> Dataset:
        """A dataset inside. Raises FileError when it is not there, or not plain numbers that are in the file."""
        found = self._find(name)
        if found is None or found._header.is_group:
            raise self._missing("dataset", name, found)
        return Dataset(found._header, found.where)

    def _missing(self, kind: str, name: str, found: Group | None) -> FileError:
        got = "nothing" if found is None else "a group" if found._header.is_group else "a dataset"
        return FileError(
            describe(f"the file has no {kind} {name!r}", expected=f"a {kind}", got=got, where=self.where)
        )

    def _find(self, name: str) -> Group | None:
        """What a path leads to; None when there is no such thing."""
        node = self
        for part in name.split("/"):
            if part in ("", "."):
                continue
            if part not in node._inside:
                address = node._members.get(part)
                if address is None:
                    return None
                path = f"{node._path.rstrip('/')}/{part}"
                node._inside[part] = Group(self._source, address, path)
            node = node._inside[part]
        return node

    # -- attributes

    def has_attribute(self, name: str) -> bool:
        return name in self._header.attributes

    def text(self, name: str) -> str | None:
        """A string attribute, None when there is none."""
        attribute = self._header.attributes.get(name)
        if attribute is None:
            return None
        if attribute.shape != ():
            raise self._source.at(self._path).damaged(
                f"an array of {attribute.shape}", f"one text as {name!r}"
            )
        return attribute.texts(self._source.at(self._path))[0]

    def texts(self, name: str) -> list[str] | None:
        """An attribute that is a list of strings, in one piece or in numbered ones; None when there is none."""
        attributes, source = self._header.attributes, self._source.at(self._path)
        if name in attributes:
            return attributes[name].texts(source)
        if f"{name}0" not in attributes:
            return None
        found: list[str] = []
        count = 0
        while f"{name}{count}" in attributes:
            found += attributes[f"{name}{count}"].texts(source)
            count += 1
        return found


class Dataset:
    """An array of numbers in the file."""

    def __init__(self, header: Header, where: str) -> None:
        self._stored = Stored.of(header)
        self.where = where
        self.dtype = self._stored.dtype
        self.shape = self._stored.shape
        self.nbytes = self._stored.nbytes

    def read(self) -> Array:
        """The array."""
        self._stored.source.check_room(self.nbytes, self.where)
        out = np.empty(self.shape, self.dtype.newbyteorder("="))
        self.read_into(out)
        return out

    def read_into(self, out: Array) -> None:
        """Read into an array of the same shape, converting to its dtype."""
        self._stored.read_into(out)
