"""The ONNX backend: what it supports, how it prepares functions, and how it compiles programs."""

from __future__ import annotations

from collections.abc import Sequence

from kgraph.ir.op import Op
from kgraph.passes.base import Pass
from kgraph.plugins.backend import CompileOptions, Program
from kgraph.plugins.onnx.device import choose_device
from kgraph.plugins.onnx.emit import Target
from kgraph.plugins.onnx.lowerings import TABLE
from kgraph.plugins.onnx.session import OnnxExecutable


class OnnxBackend:
    """Lowers to ONNX and runs with onnxruntime, on CUDA or the CPU."""

    name = "onnx"

    def supports(self, op: Op) -> bool:
        return TABLE.supports(op)

    def passes(self) -> Sequence[Pass]:
        return ()

    def compile(self, program: Program, options: CompileOptions) -> OnnxExecutable:
        device = choose_device(options.device, options.strict)
        table = TABLE.override(options.lowerings) if options.lowerings else TABLE
        return OnnxExecutable(program, table, Target(device=device.kind, contrib=True), device, options)
