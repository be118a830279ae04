"""Models with their weights to disk, straight from the arrays: no copy is made of them on the way.

A protobuf message is its fields one after the other, each with its number and, here, its length. So the weights of a
model can be written behind the fields that protobuf has serialised, as further initialisers of the same graph:

    ModelProto { …, graph = 7 }, GraphProto { …, initializer = 5 }, TensorProto { dims, data_type, name, raw_data = 9 }
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from kgraph.ir.types import Array
from kgraph.plugins.onnx.emit import elem_type

if TYPE_CHECKING:
    import onnx

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
_PAGE = 4096
"""Large arrays in a data file start on a page, so that runtimes can map them."""


def write_whole(proto: onnx.ModelProto, weights: Mapping[str, Array], path: Path) -> None:
    """One file: the model, and `weights` as initialisers of its graph."""
    import onnx

    rest = onnx.ModelProto()
    rest.CopyFrom(proto)
    rest.ClearField("graph")
    graph = proto.graph.SerializeToString()
    heads = [_tensor(name, array).SerializeToString() for name, array in weights.items()]
    tails = [_start(_RAW_DATA, array.nbytes) for array in weights.values()]
    sizes = [
        len(head) + len(tail) + array.nbytes
        for head, tail, array in zip(heads, tails, weights.values(), strict=True)
    ]
    starts = [_start(_INITIALIZER, size) for size in sizes]
    total = len(graph) + sum(map(len, starts)) + sum(sizes)
    with path.open("wb") as file:
        file.write(rest.SerializeToString() + _start(_GRAPH, total) + graph)
        for start, head, tail, array in zip(starts, heads, tails, weights.values(), strict=True):
            file.write(start + head + tail)
            _write_array(file, array)


def write_beside(proto: onnx.ModelProto, weights: Mapping[str, Array], path: Path, data: str) -> None:
    """Two files: the model, and `weights` in a file called `data` beside it."""
    import onnx

    with (path.parent / data).open("wb") as file:
        for name, array in weights.items():
            file.write(bytes(-file.tell() % (_PAGE if array.nbytes >= _PAGE else array.itemsize)))
            tensor = _tensor(name, array)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            place = {"location": data, "offset": str(file.tell()), "length": str(array.nbytes)}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=value)
            proto.graph.initializer.append(tensor)
            _write_array(file, array)
    path.write_bytes(proto.SerializeToString())


def add_heads(proto: onnx.ModelProto, weights: Mapping[str, Array]) -> None:
    """Name the weights in the model, for whoever looks at it without their values."""
    proto.graph.initializer.extend(_tensor(name, array) for name, array in weights.items())


def _tensor(name: str, array: Array) -> onnx.TensorProto:
    """An initialiser without its data."""
    import onnx

    return onnx.TensorProto(name=name, dims=array.shape, data_type=elem_type(array.dtype.name))


def _write_array(file: IO[bytes], array: Array) -> None:
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    file.write(little.reshape(-1).view(np.uint8).data)


def _start(field: int, length: int) -> bytes:
    """What stands before a field of bytes: its number and its length."""
    return _varint(field << 3 | 2) + _varint(length)


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first; all but the last have the top bit set."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
