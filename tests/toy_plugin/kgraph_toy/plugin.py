"""The hooks: what this plug-in contributes."""

from __future__ import annotations

from kgraph.plugins import hookimpl
from kgraph_toy.backend import CountingBackend
from kgraph_toy.ops import SoftClip
from kgraph_toy.passes import DropWideClips

BACKEND = CountingBackend()


@hookimpl
def kgraph_backends():
    return [BACKEND]


@hookimpl
def kgraph_ops():
    return [SoftClip]


@hookimpl
def kgraph_lowerings(backend):
    return {SoftClip: lower_soft_clip} if backend == "onnx" else {}


@hookimpl
def kgraph_passes(stage):
    return [DropWideClips()] if stage == "final" else []


@hookimpl
def kgraph_layers():
    from kgraph_toy.layers import (
        SoftClipping,
    )  # keras loads the plug-ins, so it cannot be loaded by them first

    return {"SoftClipping": SoftClipping}


def lower_soft_clip(emitter, call, operands):
    """limit * tanh(x / limit), in three ONNX nodes."""
    limit = emitter.constant(call.op.limit, call.inputs[0].dtype)
    bounded = emitter.node("Tanh", emitter.node("Div", operands[0], limit))
    return emitter.node("Mul", bounded, limit)
