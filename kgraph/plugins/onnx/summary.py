"""What is in an ONNX model: nodes, parameters, inputs and outputs, as data and as text."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgraph.errors import FileError, describe

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Port:
    """An input or output. Sizes that vary are names; the name is empty where the file gives none."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(str(size) or '?' for size in self.shape)}]"


@dataclass(frozen=True)
class Summary:
    """What a file holds. `ops` counts nodes by type, those of subgraphs among them; `size` is in bytes, with data
    that lies in files beside it."""

    path: str
    size: int
    opset: int
    ir_version: int
    ops: dict[str, int]
    parameters: int
    dtypes: dict[str, int]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    external: tuple[str, ...]
    metadata: dict[str, str]

    @property
    def nodes(self) -> int:
        return sum(self.ops.values())

    def as_dict(self) -> dict[str, Any]:
        """As json writes it."""
        return {"kind": "onnx", "nodes": self.nodes, **asdict(self)}

    def __str__(self) -> str:
        ops = ", ".join(f"{name} {count}" for name, count in self.ops.items())
        kinds = ", ".join(f"{name} {count:,}" for name, count in self.dtypes.items())
        lines = [
            f"{self.path}: ONNX opset {self.opset}, IR version {self.ir_version}, {format_size(self.size)}",
            *(f"  data in       {name}" for name in self.external),
            f"  nodes         {self.nodes}: {ops}" if ops else "  nodes         0",
            f"  parameters    {self.parameters:,}" + (f" ({kinds})" if kinds else ""),
            *(f"  input         {port}" for port in self.inputs),
            *(f"  output        {port}" for port in self.outputs),
            *(f"  {name:<13} {value}" for name, value in self.metadata.items()),
        ]
        return "\n".join(lines)


def summarize(proto: onnx.ModelProto, path: str | os.PathLike[str]) -> Summary:
    """The summary of a model that lies at `path`."""
    from onnx import helper

    def dtype(number: int) -> str:
        try:
            return str(np.dtype(helper.tensor_dtype_to_np_dtype(number)))
        except KeyError:
            return f"type {number}"

    def port(info: onnx.ValueInfoProto) -> Port:
        tensor = info.type.tensor_type
        sizes = (_text(d.dim_param) if d.HasField("dim_param") else _size(d) for d in tensor.shape.dim)
        return Port(_text(info.name), dtype(tensor.elem_type) if tensor.elem_type else "?", tuple(sizes))

    tensors = list(_tensors(proto.graph))
    # Index vectors and bare numbers are made by the converter; what has learnt is a floating-point array, or integers
    # that stand for one.
    learnt: Counter[str] = Counter()
    values, scales = _quantised(proto.graph)
    for tensor in tensors:
        kind = dtype(tensor.data_type)
        if tensor.dims and tensor.name not in scales and ("float" in kind or tensor.name in values):
            learnt[kind] += prod(tensor.dims)
    beside = sorted({_text(e.value) for t in tensors for e in t.external_data if e.key == "location"})
    folder, names = Path(path).parent, {tensor.name for tensor in proto.graph.initializer}
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    files = [Path(path), *(folder / name for name in beside)]
    return Summary(
        path=str(path),
        size=sum(file.stat().st_size for file in files if file.exists()),
        opset=opsets.get("", opsets.get("ai.onnx", 0)),
        ir_version=proto.ir_version,
        ops=dict(Counter(_op_types(proto.graph.node)).most_common()),
        parameters=learnt.total(),
        dtypes=dict(learnt),
        inputs=tuple(port(info) for info in proto.graph.input if info.name not in names),
        outputs=tuple(port(info) for info in proto.graph.output),
        external=tuple(beside),
        metadata={_text(entry.key): _text(entry.value) for entry in proto.metadata_props},
    )


def read_summary(path: str | os.PathLike[str]) -> Summary:
    """The summary of a file; data beside it is not read.

    Raises FileNotFoundError, FileError for a file that holds no ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise FileError(describe("not an ONNX model", got=str(error), where=str(path))) from error
    if not proto.ir_version or not proto.graph.output:
        raise FileError(describe("not an ONNX model", got="no graph with outputs", where=str(path)))
    return summarize(proto, path)


def format_size(size: float) -> str:
    """Bytes for people: 98.1 MB."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def _size(dim: Any) -> int | str:
    return int(dim.dim_value) if dim.HasField("dim_value") else ""


def _text(value: str | bytes) -> str:
    """A string of a protobuf message, which is bytes where it is not UTF-8."""
    return value if isinstance(value, str) else value.decode(errors="backslashreplace")


def _op_types(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    for node in nodes:
        kind = _text(node.op_type)
        yield f"{_text(node.domain)}::{kind}" if node.domain else kind
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _op_types(attribute.g.node)


def _quantised(graph: onnx.GraphProto) -> tuple[set[str], set[str]]:
    """The names of integers that stand for floating-point numbers, and of the scales and zeros to read them by."""
    values: set[str] = set()
    scales: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "Gather" and values.intersection(node.output):
            values.add(node.input[0])
        elif node.op_type in ("DequantizeLinear", "QuantizeLinear"):
            values.update(node.input[:1])
            scales.update(node.input[1:])
        elif node.op_type in ("ConvInteger", "MatMulInteger"):
            values.update(node.input[:2])
            scales.update(node.input[2:])
    return values, scales


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
