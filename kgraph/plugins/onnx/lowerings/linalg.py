"""Lowerings of `ops/linalg.py`."""

from __future__ import annotations

from typing import Any

from kgraph.ir.graph import Call
from kgraph.ir.types import FLOATS
from kgraph.ops.linalg import Gemm, MatMul
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter

TABLE = LoweringTable()


@TABLE.lowers(MatMul)
def matmul(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """Gemm for two matrices, with which onnxruntime fuses an activation; for batches FusedMatMul where a matrix is
    transposed and that is allowed, else MatMul.

    onnxruntime has the fused ones for floating-point numbers only.
    """
    op = call.op
    assert isinstance(op, MatMul)
    a, b = call.inputs
    fused = a.dtype in FLOATS
    if fused and a.rank == b.rank == 2:
        return emitter.node("Gemm", *operands, transA=int(op.transpose_a), transB=int(op.transpose_b))
    if not (op.transpose_a or op.transpose_b):
        return emitter.node("MatMul", *operands)
    if fused and emitter.target.contrib:
        return emitter.node(
            "FusedMatMul",
            *operands,
            domain="com.microsoft",
            transA=int(op.transpose_a),
            transB=int(op.transpose_b),
        )
    left = _swap(emitter, operands[0], a.rank) if op.transpose_a else operands[0]
    right = _swap(emitter, operands[1], b.rank) if op.transpose_b else operands[1]
    return emitter.node("MatMul", left, right)


@TABLE.lowers(Gemm)
def gemm(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """Gemm; with factors that are no constants, as while a model trains, its bias stands apart.

    Gemm, Add and Relu are faster then than one Gemm with both, into which onnxruntime would fuse them.
    """
    op = call.op
    assert isinstance(op, Gemm)
    attributes: dict[str, Any] = {
        "alpha": op.alpha,
        "beta": op.beta,
        "transA": int(op.transpose_a),
        "transB": int(op.transpose_b),
    }
    *factors, bias = call.inputs
    trains = len(factors) == 2 and all(emitter.known(value) is None for value in factors)
    if trains and bias.rank == 1 and op.beta == 1.0:
        return emitter.node("Add", emitter.node("Gemm", *operands[:2], **attributes), operands[2])
    return emitter.node("Gemm", *operands, **attributes)


def _swap(emitter: Emitter, name: str, rank: int) -> str:
    return emitter.node("Transpose", name, perm=[*range(rank - 2), rank - 1, rank - 2])
