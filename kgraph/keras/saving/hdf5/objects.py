"""Groups and datasets of an HDF5 file, read by their headers ("HDF5 File Format Specification", sections III and IV).

Nothing here follows a pointer twice where that could go on for ever: trees go down by their levels, a node is
read once, and there are no more of them than the file has room for.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

import numpy as np

from kgraph.ir.types import Array
from kgraph.keras.saving.hdf5.messages import (
    CHECKSUM,
    DEFLATE,
    SHUFFLE,
    Attribute,
    Layout,
    Type,
    read_attribute,
    read_filters,
    read_layout,
    read_shape,
    read_type,
)
from kgraph.keras.saving.hdf5.source import UNDEFINED, Cursor, Source

SIGNATURE = b"\x89HDF\r\n\x1a\n"

SHAPE, LINK_INFO, TYPE, LINK, EXTERNAL, LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
PIPELINE, ATTRIBUTE, CONTINUATION, SYMBOLS, ATTRIBUTE_INFO = 0x0B, 0x0C, 0x10, 0x11, 0x15

SHARED = 2
MOST_MESSAGES = 2**16


def root_address(source: Source) -> int:
    """Where the header of the root group is, by the superblock. Raises FileError for what is no HDF5 file."""
    head = Cursor(source.read(0, min(source.size, 96)), source)
    if head.take(min(8, head.left)) != SIGNATURE:
        raise source.damaged("another kind of file", "HDF5")
    version = head.number("B")
    if version in (0, 1):
        sizes, base = head.numbers("4xBB"), (head.take(9 if version == 0 else 13), head.number("Q"))[1]
        address = head.numbers("24xQQ")[1]
    elif version in (2, 3):
        *sizes, base = head.numbers("BBxQ")
        address = head.numbers("16xQ")[0]
    else:
        raise source.foreign(f"a superblock of version {version}")
    if tuple(sizes) != (8, 8) or base != 0:
        raise source.foreign(f"addresses of {sizes[0]} bytes, from {base} on")
    return address


@dataclass
class Header:
    """What the header of a group or dataset says: messages by their kind."""

    source: Source
    messages: dict[int, list[bytes]] = field(default_factory=dict)
    attributes: dict[str, Attribute] = field(default_factory=dict)

    @classmethod
    def read(cls, address: int, source: Source) -> Header:
        """The header at an address."""
        found = cls(source)
        old = source.read(address, 4) != b"OHDR"
        messages = _old_messages(address, source) if old else _new_messages(address, source)
        for count, (kind, flags, data) in enumerate(messages):
            if count > MOST_MESSAGES:
                raise source.damaged("a header without end")
            if flags & SHARED and kind in (SHAPE, TYPE, LAYOUT, PIPELINE, ATTRIBUTE):
                raise source.foreign("a description that several things share")
            if kind == ATTRIBUTE:
                attribute = read_attribute(Cursor(data, source), source)
                found.attributes[attribute.name] = attribute
            elif kind == ATTRIBUTE_INFO:
                _refuse_dense(data, source, "attributes")
            else:
                found.messages.setdefault(kind, []).append(data)
        return found

    def cursor(self, kind: int) -> Cursor | None:
        """The one message of a kind."""
        data = self.messages.get(kind)
        return Cursor(data[0], self.source) if data else None

    def required(self, kind: int, what: str) -> Cursor:
        """The one message of a kind. Raises FileError when there is none."""
        found = self.cursor(kind)
        if found is None:
            raise self.source.damaged("none", what)
        return found

    @property
    def is_group(self) -> bool:
        return any(kind in self.messages for kind in (SYMBOLS, LINK_INFO, LINK))


def _blocks(first: tuple[int, int], source: Source) -> Iterator[tuple[int, Cursor, list[tuple[int, int]]]]:
    """The pieces of a header, each once: its number, its bytes, and the list that further pieces are put in."""
    pending, seen = [first], set()
    for number, (address, size) in enumerate(pending):
        if address in seen:
            raise source.damaged("a header that is its own continuation")
        seen.add(address)
        source.take(size)
        yield number, Cursor(source.read(address, size), source), pending


def _old_messages(address: int, source: Source) -> Iterator[tuple[int, int, bytes]]:
    version, _, size = Cursor(source.read(address, 12), source).numbers("BxHxxxxI")
    if version != 1:
        raise source.damaged(f"a header of version {version}")
    for _, block, pending in _blocks((address + 16, size), source):
        while block.left >= 8:
            kind, length, flags = block.numbers("HHBxxx")
            data = block.take(length)
            if kind == CONTINUATION:
                pending.append(Cursor(data, source).numbers("QQ"))  # type: ignore[arg-type]  # two of them
            yield kind, flags, data


def _new_messages(address: int, source: Source) -> Iterator[tuple[int, int, bytes]]:
    version, switches = Cursor(source.read(address + 4, 2), source).numbers("BB")
    if version != 2:
        raise source.damaged(f"a header of version {version}")
    place = address + 6 + (16 if switches & 0x20 else 0) + (4 if switches & 0x10 else 0)
    width = 1 << (switches & 3)
    size = Cursor(source.read(place, width), source).sized(width)
    for number, block, pending in _blocks((place + width, size), source):
        if number:
            block.expect(b"OCHK")
            block = block.piece(max(block.left - 4, 0))  # without the checksum
        while block.left >= (6 if switches & 4 else 4):
            kind, length, flags = block.numbers("BHB")
            if switches & 4:
                block.take(2)
            data = block.take(length)
            if kind == CONTINUATION:
                pending.append(Cursor(data, source).numbers("QQ"))  # type: ignore[arg-type]  # two of them
            yield kind, flags, data


def _refuse_dense(data: bytes, source: Source, what: str) -> None:
    """Raise FileError for what HDF5 1.8 keeps in a heap of its own when there is much of it."""
    cursor = Cursor(data, source)
    _, switches = cursor.numbers("BB")
    cursor.take((2 if what == "attributes" else 8) if switches & 1 else 0)
    if cursor.number("Q") != UNDEFINED:
        raise source.foreign(f"many {what}, as files of track_order=True or libver='latest' keep them")


# -- groups


def members(header: Header) -> dict[str, int]:
    """The addresses of what is in a group, by name. Raises FileError for links to elsewhere."""
    source = header.source
    found: dict[str, int] = {}
    symbols = header.cursor(SYMBOLS)
    if symbols is not None:
        tree, heap = symbols.numbers("QQ")
        names = _name_heap(heap, source)
        for _, address in _leaves(tree, 0, 8, source):
            for name, target in _symbols(address, names, source):
                _add(found, name, target, source)
    info = header.cursor(LINK_INFO)
    if info is not None:
        _refuse_dense(info.data, source, "members")
    for data in header.messages.get(LINK, ()):
        name, target = _link(Cursor(data, source), source)
        _add(found, name, target, source)
    return found


def _add(found: dict[str, int], name: str, target: int, source: Source) -> None:
    if name in found or not name or "/" in name:
        raise source.damaged(f"a member of the name {name!r}", "names that differ")
    found[name] = target


def _name_heap(address: int, source: Source) -> bytes:
    head = Cursor(source.read(address, 32), source)
    head.expect(b"HEAP")
    size, _, data = head.numbers("4xQQQ")
    source.take(size)
    return source.read(data, size)


def _symbols(address: int, names: bytes, source: Source) -> Iterator[tuple[str, int]]:
    head = Cursor(source.read(address, 8), source)
    head.expect(b"SNOD")
    count = head.numbers("xxH")[0]
    entries = Cursor(source.read(address + 8, 40 * count), source)
    for _ in range(count):
        place, target, cached = entries.numbers("QQI20x")
        name = Cursor(names[place : place + 65536], source)
        found = name.text(name.left)
        if cached == 2:
            raise source.foreign(f"{found!r}, a link to another place")
        yield found, target


def _link(cursor: Cursor, source: Source) -> tuple[str, int]:
    version, switches = cursor.numbers("BB")
    if version != 1:
        raise source.damaged(f"a link of version {version}")
    kind = cursor.number("B") if switches & 8 else 0
    cursor.take((8 if switches & 4 else 0) + (1 if switches & 16 else 0))
    name = cursor.text(cursor.sized(1 << (switches & 3)))
    if kind != 0:
        raise source.foreign(f"{name!r}, a link to another {'file' if kind == 64 else 'place'}")
    return name, cursor.number("Q")


def _leaves(tree: int, kind: int, key: int, source: Source) -> Iterator[tuple[Cursor, int]]:
    """The keys and addresses that a B-tree of version 1 has at its bottom. `key` is the size of a key."""
    if tree == UNDEFINED:
        return
    pending: list[tuple[int, int | None]] = [(tree, None)]
    seen: set[int] = set()
    while pending:
        address, expected = pending.pop()
        head = Cursor(source.read(address, 24), source)
        head.expect(b"TREE")
        found, level, count = head.numbers("BBH16x")
        if found != kind or (expected is not None and level != expected) or address in seen:
            raise source.damaged(
                f"a node of kind {found} and level {level}", f"kind {kind}, level {expected}"
            )
        seen.add(address)
        size = count * (key + 8) + key
        source.take(size)
        entries = Cursor(source.read(address + 24, size), source)
        below = [(entries.piece(key), entries.number("Q")) for _ in range(count)]
        if level == 0:
            yield from below
        else:
            pending += [(child, level - 1) for _, child in reversed(below)]


# -- datasets


@dataclass(frozen=True)
class Stored:
    """An array of numbers in a file: what it is, and where its parts are."""

    source: Source
    type: Type
    shape: tuple[int, ...]
    layout: Layout
    filters: list[int]

    @classmethod
    def of(cls, header: Header) -> Stored:
        """The array of a dataset. Raises FileError for arrays of other things than numbers, and elsewhere."""
        source = header.source
        if EXTERNAL in header.messages:
            raise source.foreign("an array in another file")
        kind = read_type(header.required(TYPE, "the type of an array"), source)
        if kind.dtype is None:
            raise source.foreign("an array of text")
        shape = read_shape(header.required(SHAPE, "the shape of an array"), source)
        if shape is None:
            raise source.foreign("an array of nothing")
        layout = read_layout(header.required(LAYOUT, "the place of an array"), source)
        pipeline = header.cursor(PIPELINE)
        filters = [] if pipeline is None else read_filters(pipeline, source)
        stored = cls(source, kind, shape, layout, filters)
        stored._check()
        return stored

    @property
    def dtype(self) -> np.dtype:
        assert self.type.dtype is not None  # checked when made
        return self.type.dtype

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def _check(self) -> None:
        """What can be known without reading: is it all there?"""
        layout, size = self.layout, self.nbytes
        self.source.check_room(size)
        if layout.chunk is not None:
            chunk = prod(layout.chunk)
            if layout.chunk[-1] != self.dtype.itemsize or len(layout.chunk) != len(self.shape) + 1:
                raise self.source.damaged(f"chunks of {list(layout.chunk)}", f"chunks of {list(self.shape)}")
            if chunk > 2**26 + size:
                raise self.source.damaged(f"chunks of {chunk} bytes", f"an array of {size} bytes")
        elif layout.data is not None:
            if len(layout.data) < size:
                raise self.source.damaged(f"{len(layout.data)} bytes", f"an array of {size} bytes")
        elif size:
            if layout.size < size:
                raise self.source.damaged(f"{layout.size} bytes", f"an array of {size} bytes")
            self.source.check(layout.address, size)

    def read_into(self, out: Array) -> None:
        """Read into an array of the same shape, converting to its dtype."""
        self.source.take(self.nbytes)
        if not self.nbytes:
            return
        direct = out.dtype == self.dtype and out.flags.c_contiguous and self.type.dtype != bool
        target = out if direct else np.empty(self.shape, self.dtype)
        if self.layout.chunk is not None:
            self._read_chunks(target, self.layout.chunk[:-1])
        elif self.layout.data is not None:
            target[...] = np.frombuffer(self.layout.data, self.dtype, target.size).reshape(self.shape)
        else:
            self.source.read_into(self.layout.address, target)
        if target is not out:
            values = target.view("uint8") != 0 if self.dtype == bool else target
            with np.errstate(all="ignore"):
                out[...] = values

    def _read_chunks(self, out: Array, chunk: tuple[int, ...]) -> None:
        size = prod(chunk) * self.dtype.itemsize
        wanted = prod(-(-length // step) for length, step in zip(self.shape, chunk, strict=True))
        seen: set[tuple[int, ...]] = set()
        for key, address in _leaves(self.layout.address, 1, 8 + 8 * (len(chunk) + 1), self.source):
            stored, mask, *offset = key.numbers(f"II{len(chunk)}Q")
            place = tuple(offset)
            here = tuple(slice(start, start + step) for start, step in zip(place, chunk, strict=True))
            part = out[here]
            if place in seen or not part.size or any(a % b for a, b in zip(place, chunk, strict=True)):
                raise self.source.damaged(f"a chunk at {list(place)}", "chunks of the array, each once")
            seen.add(place)
            self.source.take(stored)
            data = self._unpacked(self.source.read(address, stored), mask, size)
            block = np.frombuffer(data, self.dtype).reshape(chunk)
            part[...] = block[tuple(slice(0, length) for length in part.shape)]
        if len(seen) < wanted:
            raise self.source.damaged(f"{len(seen)} chunks", f"{wanted} chunks")

    def _unpacked(self, data: bytes, mask: int, size: int) -> bytes:
        for number, name in reversed(list(enumerate(self.filters))):
            if mask >> number & 1:
                continue
            if name == DEFLATE:
                data = _inflated(data, size + 4, self.source)
            elif name == SHUFFLE:
                step = self.dtype.itemsize
                data = np.frombuffer(data[: len(data) // step * step], "u1").reshape(step, -1).T.tobytes()
            elif name == CHECKSUM:
                data = data[:-4]
        if len(data) != size:
            raise self.source.damaged(f"{len(data)} bytes", f"a chunk of {size} bytes")
        return data


def _inflated(data: bytes, most: int, source: Source) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise source.damaged(error, "data packed by deflate") from None
