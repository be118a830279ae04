"""Lowerings of ops that ONNX has under another name."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from kgraph.ir.graph import Call
from kgraph.ir.types import DTYPES
from kgraph.plugins.lowering import Lowering
from kgraph.plugins.onnx.emit import Emitter


def direct(onnx_name: str, **attributes: Any) -> Lowering:
    """Operands in order to one node with fixed attributes."""

    def lower(emitter: Emitter, call: Call, operands: list[str]) -> str:
        return emitter.node(onnx_name, *operands, **attributes)

    return lower


def with_fields(onnx_name: str, *, dtypes: Container[str] = DTYPES, **fields: str) -> Lowering:
    """Operands in order to one node whose attributes are fields of the op: `with_fields("Elu", alpha="alpha")`.

    For another dtype of the first operand than `dtypes`, which the kernels lack, the decomposition is lowered.
    """

    def lower(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
        if call.inputs[0].dtype not in dtypes:
            return emitter.expand(call)
        attributes = {name: getattr(call.op, field) for name, field in fields.items()}
        return emitter.node(onnx_name, *operands, **attributes)

    return lower
