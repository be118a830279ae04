"""Models in eight bits, by onnxruntime's own quantisation tools.

A number x is kept as round(x / scale) + zero, with a scale for each output channel of a weight, for a table and for
each value in between. Scales of weights are known; those of the values come from a calibration on samples, or are found
on each run. The first form is QuantizeLinear and DequantizeLinear around ordinary operators, which runtimes turn into
integer kernels; the second has MatMulInteger and ConvInteger.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgraph.errors import UnsupportedError, describe
from kgraph.ir.types import Array
from kgraph.plugins.onnx.model import Model
from kgraph.plugins.onnx.write import write_beside

if TYPE_CHECKING:
    import onnx

# Runtimes have no integer kernels for these; between casts they would only lose precision.
_FLOATING = frozenset(
    {"BatchNormalization", "CumSum", "InstanceNormalization", "LayerNormalization", "Softmax", "TopK"}
)
# What standard operators can express. The tools' recurrent kernels are onnxruntime's alone.
_DYNAMIC = ("Conv", "Gather", "MatMul")
_MARK = ("onnx.quant.pre_process", "onnxruntime.quant")
"""Tells the tools that the graph has been optimised."""


def quantize(model: Model, batches: Sequence[Sequence[Array]], apart: int) -> Model:
    """A model with its weights and products in int8.

    `batches` are inputs in the order of the model's: the ranges that values have on them are taken for all times. If
    there are none, ranges are found on each run. Weights of more than `apart` bytes are kept out of the proto.
    Raises UnsupportedError for what the tools cannot quantise.
    """
    import onnx
    from onnxruntime import quantization

    feeds = [dict(zip(model.inputs, arrays, strict=True)) for arrays in batches]
    with tempfile.TemporaryDirectory(prefix="kgraph-") as folder:
        plain, small = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        write_beside(_marked(model.proto), model.weights, plain, "float.data")
        options: dict[str, Any] = {"per_channel": True, "use_external_data_format": True}
        try:
            if feeds:
                kinds = {*quantization.registry.QLinearOpsRegistry, *quantization.registry.QDQRegistry}
                options["op_types_to_quantize"] = sorted(kinds - _FLOATING)
                quantization.quantize_static(plain, small, _Reader(feeds), **options)
            else:
                quantization.quantize_dynamic(plain, small, list(_DYNAMIC), **options)
        except Exception as error:  # the tools raise what they stumble over
            raise UnsupportedError(
                describe("onnxruntime's tools cannot quantise the model", got=error)
            ) from error
        proto = onnx.load(small)
    _label(proto, model.proto)
    return replace(model, proto=proto, weights=_take_out(proto, apart))


@dataclass
class _Reader:
    """Inputs as the tools ask for them."""

    feeds: Sequence[Mapping[str, Array]]
    given: int = field(default=0, init=False)

    def get_next(self) -> Mapping[str, Array] | None:
        self.given += 1
        return self.feeds[self.given - 1] if self.given <= len(self.feeds) else None


def _marked(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that the tools take for optimised: they warn about others."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    key, value = _MARK
    copy.metadata_props.add(key=key, value=value)
    return copy


def _label(proto: onnx.ModelProto, original: onnx.ModelProto) -> None:
    """Say about a model what the original says about itself."""
    for name in ("producer_name", "producer_version", "doc_string"):
        setattr(proto, name, getattr(original, name))
    del proto.metadata_props[:]
    proto.metadata_props.extend(original.metadata_props)


def _take_out(proto: onnx.ModelProto, apart: int) -> dict[str, Array]:
    """Remove the weights of more than `apart` bytes from a model; them, by name."""
    from onnx import numpy_helper

    kept, taken = [], {}
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.nbytes > apart:
            taken[tensor.name] = array
        else:
            kept.append(tensor)
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    return taken
