"""The ONNX backend: what it supports, how it prepares functions, and how it compiles programs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kgraph.ir.op import Op
from kgraph.passes.base import Pass
from kgraph.passes.fusion import FuseProducts
from kgraph.passes.rules.fused import AddBiasToConv
from kgraph.passes.scans.compact import CompactSteps
from kgraph.passes.scans.tile import TileChains
from kgraph.plugins.backend import CompileOptions, Program
from kgraph.plugins.onnx.blocked.affine import FuseAffines
from kgraph.plugins.onnx.blocked.axpy import AxpyUpdates
from kgraph.plugins.onnx.blocked.layout import BlockChannels
from kgraph.plugins.onnx.device import choose_device, convolution_block
from kgraph.plugins.onnx.emit import Target
from kgraph.plugins.onnx.lowerings import TABLE
from kgraph.plugins.onnx.lowerings.recurrent import has_kernel
from kgraph.plugins.onnx.session import OnnxExecutable


class OnnxBackend:
    """Lowers to ONNX and runs with onnxruntime, on CUDA or the CPU."""

    name = "onnx"

    def supports(self, op: Op) -> bool:
        return TABLE.supports(op)

    def passes(self, options: CompileOptions | None) -> Sequence[Pass]:
        """Recurrent layers take no masks. On the CPU convolutions are brought into the layout of its fastest kernels.

        Not with constant weights: there onnxruntime does so itself.
        """
        device = "cpu" if options is None else choose_device(options.device, options.strict).kind
        compact = CompactSteps(partial(has_kernel, device=device))
        block = convolution_block() if _runs_on_cpu(options) else 0
        return (compact, FuseProducts((AddBiasToConv(),)), BlockChannels(block)) if block else (compact,)

    def finishing(self, options: CompileOptions | None) -> Sequence[Pass]:
        """On the CPU large optimizer updates run in tiles that fit the cache; convolution kernels normalise and add."""
        if not _runs_on_cpu(options):
            return ()
        block = convolution_block()
        return (FuseAffines(), TileChains(), AxpyUpdates(block)) if block else (TileChains(),)

    def compile(self, program: Program, options: CompileOptions) -> OnnxExecutable:
        device = choose_device(options.device, options.strict)
        table = TABLE.override(options.lowerings) if options.lowerings else TABLE
        block = convolution_block() if device.kind == "cpu" else 0
        target = Target(device=device.kind, contrib=True, block=block)
        return OnnxExecutable(program, table, target, device, options)


def _runs_on_cpu(options: CompileOptions | None) -> bool:
    return options is not None and choose_device(options.device, options.strict).kind == "cpu"
