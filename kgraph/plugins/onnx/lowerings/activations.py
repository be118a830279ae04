"""Lowerings of `ops/activations.py`.

Three decompose: Swish, which onnxruntime fuses again where it has a kernel, and Softplus and PRelu, whose CPU kernels
are three times slower than their parts.
"""

from __future__ import annotations

from kgraph.ir.graph import Call
from kgraph.ops import activations
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter
from kgraph.plugins.onnx.lowerings.direct import direct, with_fields

TABLE = LoweringTable()

# The CPU provider has these for single and half precision only.
NARROW = frozenset({"float32", "float16"})

TABLE.add(activations.Relu, direct("Relu"))
TABLE.add(activations.Sigmoid, direct("Sigmoid"))
TABLE.add(activations.Tanh, direct("Tanh"))
TABLE.add(activations.Erf, direct("Erf"))
TABLE.add(activations.Softmax, with_fields("Softmax", axis="axis"))
TABLE.add(activations.LogSoftmax, with_fields("LogSoftmax", axis="axis"))
TABLE.add(activations.Elu, with_fields("Elu", alpha="alpha", dtypes=NARROW))
TABLE.add(activations.LeakyRelu, with_fields("LeakyRelu", alpha="alpha", dtypes=NARROW))
TABLE.add(activations.ThresholdedRelu, with_fields("ThresholdedRelu", alpha="theta", dtypes=NARROW))
TABLE.add(activations.HardSigmoid, with_fields("HardSigmoid", alpha="slope", beta="offset", dtypes=NARROW))
TABLE.add(activations.Selu, with_fields("Selu", dtypes=NARROW))  # ONNX's defaults are the paper's constants
TABLE.add(activations.Softsign, with_fields("Softsign", dtypes=NARROW))

# Times this, every normal positive float32 is at least 1.
_STEEP = 3e38


@TABLE.lowers(activations.Positive)
def positive(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    """On the CPU a steep HardSigmoid is one threaded pass, where a comparison and a cast are two."""
    if emitter.target.device != "cpu" or call.inputs[0].dtype != "float32":
        return emitter.expand(call)
    return emitter.node("HardSigmoid", *operands, alpha=_STEEP, beta=0.0)


@TABLE.lowers(activations.Gelu)
def gelu(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    """Native since opset 20."""
    op = call.op
    assert isinstance(op, activations.Gelu)
    if emitter.opset < 20 or call.inputs[0].dtype not in NARROW:
        return emitter.expand(call)
    return emitter.node("Gelu", *operands, approximate="tanh" if op.approximate else "none")
