"""The lowering of an op that ONNX has under another name."""

from __future__ import annotations

from typing import Any

from kgraph.ir.graph import Call
from kgraph.plugins.lowering import Lowering
from kgraph.plugins.onnx.emit import Emitter


def direct(onnx_name: str, **attributes: Any) -> Lowering:
    """Operands in order to one node with fixed attributes."""

    def lower(emitter: Emitter, call: Call, operands: list[str]) -> str:
        return emitter.node(onnx_name, *operands, **attributes)

    return lower
