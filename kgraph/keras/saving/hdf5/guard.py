"""HDF5 as far as it can be trusted: groups, datasets and attributes of a file that anyone may have made.

An HDF5 file can lead to other files (external links, external storage, virtual datasets), ask for programs (filters
that are plug-ins) and declare sizes without having the data. All of this is refused with a FileError, as is whatever
the library itself finds damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from typing import Any

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.ir.types import Array

DAMAGE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    SystemError,
)
"""What h5py raises when it meets a damaged file."""

FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""The filters that HDF5 and h5py bring along. Others would be loaded from shared libraries."""

SMALL = 64 * 2**20
RATIO = 20
"""Data may be compressed, so that it is larger than the file: by this factor, and this many bytes in any case."""


@contextmanager
def blamed(what: str, where: str) -> Iterator[None]:
    """Whatever h5py raises inside becomes a FileError."""
    try:
        yield
    except FileError:
        raise
    except DAMAGE as error:
        raise FileError(
            describe(
                f"damaged HDF5 file: {what} cannot be read",
                got=str(error) or type(error).__name__,
                where=where,
            )
        ) from error


@contextmanager
def open_file(source: Any) -> Iterator[Group]:
    """The root group of a file for reading. `source` is a path, an open file, or an `h5py.File` or `h5py.Group`.

    Raises FileError when it is not HDF5.
    """
    import h5py

    if isinstance(source, h5py.Group):  # a File is a Group
        yield Group(source, Budget(source.file))
        return
    where = str(getattr(source, "name", source))
    if hasattr(source, "read") and not (hasattr(source, "seekable") and source.seekable()):
        source = BytesIO(source.read())
    with blamed("it", where):
        file = h5py.File(source, "r")
    try:
        with blamed("its size", where):
            budget = Budget(file)
        yield Group(file, budget)
    finally:
        with blamed("its end", where):
            file.close()


class Budget:
    """How many bytes reading may still give, in proportion to the size of the file."""

    def __init__(self, file: Any) -> None:
        self.file_size = file.id.get_filesize()
        self.left = SMALL + RATIO * self.file_size

    def take(self, size: int, where: str) -> None:
        """Raises FileError when the file declares more than it can hold."""
        if size > self.left:
            raise FileError(
                describe(
                    "the HDF5 file declares more data than it can hold",
                    expected=f"{self.left} bytes or fewer from a file of {self.file_size}",
                    got=size,
                    where=where,
                )
            )
        self.left -= size


class Group:
    """A group. Names may lead through groups inside of it: "dense/kernel:0"."""

    def __init__(self, group: Any, budget: Budget) -> None:
        self._group, self._budget = group, budget

    @property
    def where(self) -> str:
        """File and group, for messages."""
        return f"{self._group.file.filename}:{self._group.name}"

    def __contains__(self, name: str) -> bool:
        with blamed(name, self.where):
            return self._find(name) is not None

    def names(self) -> list[str]:
        """What is directly inside."""
        with blamed("its names", self.where):
            return list(self._group)

    def group(self, name: str) -> Group:
        """A group inside. Raises FileError when it is not there or leads elsewhere."""
        import h5py

        with blamed(name, self.where):
            return Group(self._required(name, h5py.Group), self._budget)

    def dataset(self, name: str) -> Dataset:
        """A dataset inside. Raises FileError when it is not there, or not plain numbers that are in the file."""
        import h5py

        with blamed(name, self.where):
            return Dataset(self._required(name, h5py.Dataset), self._budget)

    def _required(self, name: str, kind: type) -> Any:
        found = self._find(name)
        if not isinstance(found, kind):
            got = "nothing" if found is None else type(found).__name__
            raise FileError(
                describe(
                    f"the file has no {kind.__name__.lower()} {name!r}",
                    expected=kind.__name__,
                    got=got,
                    where=self.where,
                )
            )
        return found

    def _find(self, name: str) -> Any:
        """What a path leads to, over hard links alone; None when there is no such thing."""
        import h5py

        node = self._group.file if name.startswith("/") else self._group
        for part in name.split("/"):
            if part in ("", "."):
                continue
            link = part.encode()
            if not isinstance(node, h5py.Group) or not node.id.links.exists(link):
                return None
            if node.id.links.get_info(link).type != h5py.h5l.TYPE_HARD:
                raise FileError(
                    describe(
                        f"{name!r} is a link to another place, which model files have no need of",
                        expected="groups and datasets",
                        got="a soft or external link",
                        where=self.where,
                    )
                )
            node = node[part]
        return node

    # -- attributes

    def has_attribute(self, name: str) -> bool:
        with blamed(f"attribute {name}", self.where):
            return name in self._group.attrs

    def text(self, name: str) -> str | None:
        """A string attribute, None when there is none."""
        if not self.has_attribute(name):
            return None
        with blamed(f"attribute {name}", self.where):
            value = self._strings(name)
            if not isinstance(value, str | bytes):
                raise FileError(
                    describe(
                        f"attribute {name}", expected="a string", got=type(value).__name__, where=self.where
                    )
                )
            return _decoded(value)

    def texts(self, name: str) -> list[str] | None:
        """An attribute that is a list of strings, in one piece or in numbered ones; None when there is none."""
        with blamed(f"attribute {name}", self.where):
            if name in self._group.attrs:
                return self._list(name)
            if f"{name}0" not in self._group.attrs:
                return None
            found, count = [], 0
            while f"{name}{count}" in self._group.attrs:
                found += self._list(f"{name}{count}")
                count += 1
            return found

    def _list(self, name: str) -> list[str]:
        return [_decoded(item) for item in np.atleast_1d(self._strings(name)).tolist()]

    def _strings(self, name: str) -> Any:
        """The value of an attribute, when it consists of strings or of nothing."""
        import h5py

        attribute = self._group.attrs.get_id(name)
        size = 0 if attribute.shape is None else prod(attribute.shape)
        if size == 0:
            return np.array([], "S1")  # how an empty list is written: as no numbers
        if h5py.check_string_dtype(attribute.dtype) is None:
            raise FileError(
                describe(f"attribute {name}", expected="strings", got=attribute.dtype, where=self.where)
            )
        self._budget.take(attribute.get_storage_size(), f"{self.where}, attribute {name}")
        return self._group.attrs[name]


class Dataset:
    """An array of numbers in the file."""

    def __init__(self, dataset: Any, budget: Budget) -> None:
        self._dataset, self._budget = dataset, budget
        self.where = f"{dataset.file.filename}:{dataset.name}"
        self.dtype = np.dtype(dataset.dtype)
        self._check_kind()
        self.shape: tuple[int, ...] = tuple(dataset.shape)
        self.nbytes = prod(self.shape) * self.dtype.itemsize
        self._check_size()

    def _check_kind(self) -> None:
        plan = self._dataset.id.get_create_plist()
        filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
        foreign = [code for code in filters if code not in FILTERS]
        elsewhere = self._dataset.is_virtual or plan.get_external_count()
        got = None
        if self.dtype.kind not in "fiub" or self._dataset.shape is None:
            got = f"dtype {self.dtype}"
        elif elsewhere:
            got = "a virtual dataset" if self._dataset.is_virtual else "data in another file"
        elif foreign:
            got = f"filters {foreign}"
        if got:
            raise FileError(
                describe(
                    "a dataset is of a kind that model files have no need of",
                    expected="numbers in this file, with no filters but " + ", ".join(FILTERS.values()),
                    got=got,
                    where=self.where,
                )
            )
        self._filtered = bool(filters)

    def _check_size(self) -> None:
        stored = self._dataset.id.get_storage_size()
        chunk = prod(self._dataset.chunks or ()) * self.dtype.itemsize
        too_little = stored < self.nbytes if not self._filtered else stored == 0 < self.nbytes
        if too_little or stored > self._budget.file_size or chunk > SMALL + self.nbytes:
            raise FileError(
                describe(
                    "a dataset is not whole",
                    expected=f"{self.nbytes} bytes for {self.dtype}{list(self.shape)}",
                    got=f"{stored} bytes in a file of {self._budget.file_size}",
                    where=self.where,
                )
            )

    def read(self) -> Array:
        """The array."""
        out = np.empty(self.shape, self.dtype)
        self.read_into(out)
        return out

    def read_into(self, out: Array) -> None:
        """Read into a contiguous array of the same shape, converting to its dtype."""
        self._budget.take(self.nbytes, self.where)
        if not self.nbytes:
            return
        with blamed("an array", self.where):
            if self.dtype.kind == "b" or out.dtype.kind == "b":
                out[...] = self._dataset[()]  # HDF5 knows no conversion between these and numbers
            else:
                self._dataset.read_direct(out)


def _decoded(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value
