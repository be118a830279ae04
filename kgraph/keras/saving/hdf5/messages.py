"""What HDF5 says about an array: its type, its shape, where it is, how it is packed. And attributes.

The layouts are those of the "HDF5 File Format Specification", version 3.0, section IV.A.2. Read is what Keras and
h5py write, in all versions; what else there is, is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from kgraph.keras.saving.hdf5.source import UNDEFINED, Cursor, Source, decoded

MOST_AXES = 32

FLOATS = {2: (15, 10, 5, 0, 10, 15), 4: (31, 23, 8, 0, 23, 127), 8: (63, 52, 11, 0, 52, 1023)}
"""IEEE: the places of sign and exponent, size of the exponent, place and size of the mantissa, bias; by size."""

DEFLATE, SHUFFLE, CHECKSUM = 1, 2, 3
"""The filters that HDF5 itself has, as far as they are for numbers of any kind."""
MOST_FILTERS = 8
CLASSES = ("an integer", "a float", "a time", "text", "bits", "opaque bytes", "a record", "a reference")
LAYOUTS = ("compact", "contiguous", "chunked", "virtual")


@dataclass(frozen=True)
class Type:
    """How an element is stored: as `dtype`, or as text of `size` bytes, or as text in a heap (`in_heap`)."""

    size: int
    dtype: np.dtype | None = None
    in_heap: bool = False

    @property
    def is_text(self) -> bool:
        return self.dtype is None


def read_type(cursor: Cursor, source: Source) -> Type:
    """A datatype message: integers, floats, Booleans as h5py writes them, text. Raises FileError for others."""
    first, *bits = cursor.numbers("BBBB")
    size = cursor.number("I")
    kind, version = first & 15, first >> 4
    if not 1 <= version <= 5 or not 0 < size < 2**31:
        raise source.damaged(f"a type of version {version} and size {size}")
    order = ">" if bits[0] & 1 else "<"
    if kind == 0:
        offset, precision = cursor.numbers("HH")
        if size in (1, 2, 4, 8) and (offset, precision) == (0, 8 * size):
            return Type(size, np.dtype(f"{order}{'i' if bits[0] & 8 else 'u'}{size}"))
    elif kind == 1:
        offset, precision, *places = cursor.numbers("HHBBBBI")
        if bits[0] & 0x40 == 0 and (offset, precision) == (0, 8 * size):
            if FLOATS.get(size) == (bits[1], *places):
                return Type(size, np.dtype(f"{order}f{size}"))
    elif kind == 3:
        return Type(size)
    elif kind == 8 and _is_boolean(cursor, bits[0] + 256 * bits[1], size, version, source):
        return Type(1, np.dtype(bool))
    elif kind == 9 and bits[0] & 15 == 1:
        if size != 16:
            raise source.damaged(f"text in a heap by {size} bytes", 16)
        return Type(size, in_heap=True)
    name = CLASSES[kind] if kind < len(CLASSES) else "a compound of others"
    raise source.foreign(f"elements that are {name} of {size} bytes")


def _is_boolean(cursor: Cursor, count: int, size: int, version: int, source: Source) -> bool:
    """Whether an enumeration is the one that h5py makes of Booleans: FALSE is 0 and TRUE is 1, in a byte."""
    if count != 2 or size != 1 or cursor.left == 0 or cursor.data[cursor.at] & 15 != 0:
        return False
    base = read_type(cursor, source)
    names = []
    for _ in range(count):
        start = cursor.at
        name = cursor.data[start:].partition(b"\0")[0]
        length = len(name) + 1
        cursor.take(length if version >= 3 else length + -length % 8)
        names.append(name)
    return base.dtype in ("int8", "uint8") and names == [b"FALSE", b"TRUE"] and cursor.take(2) == b"\0\1"


def read_shape(cursor: Cursor, source: Source) -> tuple[int, ...] | None:
    """A dataspace message: the sizes of all axes, or None for an array of nothing ("null")."""
    version, rank, _, kind = cursor.numbers("BBBB")
    if version not in (1, 2) or rank > MOST_AXES:
        raise source.damaged(f"a shape of version {version} and {rank} axes")
    if version == 1:
        cursor.take(4)
    elif kind == 2:
        return None
    return cursor.numbers(f"{rank}Q")


@dataclass(frozen=True)
class Layout:
    """Where an array is: `data` itself, or `size` bytes at `address`, or chunks that a tree at `address` knows."""

    address: int = UNDEFINED
    size: int = 0
    data: bytes | None = None
    chunk: tuple[int, ...] | None = None


def read_layout(cursor: Cursor, source: Source) -> Layout:
    """A data layout message. Raises FileError for virtual datasets, and for chunks in the manner of HDF5 1.10."""
    version, kind = cursor.numbers("BB")
    if version not in (3, 4) or kind >= len(LAYOUTS):
        raise source.foreign(f"a layout of kind {kind}, version {version}")
    if kind == 0:
        return Layout(data=cursor.take(cursor.number("H")))
    if kind == 1:
        address, size = cursor.numbers("QQ")
        return Layout(address, size)
    if kind == 3 or version == 4:
        raise source.foreign(f"a {LAYOUTS[kind]} dataset of version {version}")
    axes, address = cursor.numbers("BQ")
    if not 2 <= axes <= MOST_AXES + 1:
        raise source.damaged(f"chunks of {axes} axes")
    chunk = cursor.numbers(f"{axes}I")
    if 0 in chunk:
        raise source.damaged(f"chunks of {list(chunk)}")
    return Layout(address, chunk=chunk)


def read_filters(cursor: Cursor, source: Source) -> list[int]:
    """A filter pipeline message: the numbers of the filters. Raises FileError for those that are plug-ins."""
    version, count = cursor.numbers("BB")
    if version not in (1, 2) or count > MOST_FILTERS:
        raise source.damaged(f"{count} filters, version {version}")
    if version == 1:
        cursor.take(6)
    found = []
    for _ in range(count):
        number = cursor.number("H")
        length = cursor.number("H") if version == 1 or number >= 256 else 0
        _, values = cursor.numbers("HH")
        cursor.take(length + (-length % 8 if version == 1 else 0))
        cursor.take(4 * (values + (values % 2 if version == 1 else 0)))
        if number not in (DEFLATE, SHUFFLE, CHECKSUM):
            raise source.foreign(f"data that filter {number} has packed")
        found.append(number)
    return found


@dataclass(frozen=True)
class Attribute:
    """A named value: elements of a type, which is read when they are asked for, in a shape."""

    name: str
    type_data: bytes
    shape: tuple[int, ...] | None
    data: bytes

    def texts(self, source: Source) -> list[str]:
        """Its strings. Raises FileError when it has something else."""
        count = 0 if self.shape is None else prod(self.shape)
        if count == 0:
            return []
        kind = read_type(Cursor(self.type_data, source), source)
        if not kind.is_text:
            raise source.damaged("something else", f"text in the attribute {self.name!r}")
        size = kind.size
        if count * size > len(self.data):
            raise source.damaged(f"{len(self.data)} bytes", f"{count} strings in {self.name!r}")
        items = [self.data[i * size : (i + 1) * size] for i in range(count)]
        if kind.in_heap:
            heaps: dict[int, dict[int, bytes]] = {}
            items = [_from_heap(Cursor(item, source), heaps, source) for item in items]
        return [decoded(item.rstrip(b"\0"), source) for item in items]


def read_attribute(cursor: Cursor, source: Source) -> Attribute:
    """An attribute message."""
    version, flags, name_size, type_size, shape_size = cursor.numbers("BBHHH")
    if version not in (1, 2, 3):
        raise source.damaged(f"an attribute of version {version}")
    if version == 3:
        cursor.take(1)
    align = 8 if version == 1 else 1
    name = cursor.text(name_size, align)
    if version > 1 and flags:
        raise source.foreign(f"a type that is shared, of the attribute {name!r}")
    type_data, shape_data = cursor.piece(type_size, align), cursor.piece(shape_size, align)
    return Attribute(name, type_data.data, read_shape(shape_data, source), cursor.take(cursor.left))


def _from_heap(cursor: Cursor, heaps: dict[int, dict[int, bytes]], source: Source) -> bytes:
    """The text that a reference into a global heap leads to (section III.E)."""
    length, address, index = cursor.numbers("IQI")
    if length == 0:
        return b""
    if address not in heaps:
        heaps[address] = _read_heap(address, source)
    text = heaps[address].get(index, b"")
    if len(text) < length:
        raise source.damaged(f"{len(text)} bytes", f"text of {length} bytes")
    source.take(length)
    return text[:length]


def _read_heap(address: int, source: Source) -> dict[int, bytes]:
    head = Cursor(source.read(address, 16), source)
    head.expect(b"GCOL")
    _, size = head.numbers("B3xQ")
    source.take(size)
    heap, found = Cursor(source.read(address + 16, max(size - 16, 0)), source), {}
    while heap.left >= 16:
        index, length = heap.numbers("H6xQ")
        if index == 0:
            break
        found[index] = heap.piece(
            min(length, heap.left + 1), 8 if heap.left >= length + -length % 8 else 1
        ).data
    return found
