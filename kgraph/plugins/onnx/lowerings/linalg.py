"""Lowerings of `ops/linalg.py`."""

from __future__ import annotations

from kgraph.ir.graph import Call
from kgraph.ir.types import FLOATS
from kgraph.ops.linalg import Gemm, MatMul
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter

TABLE = LoweringTable()


@TABLE.lowers(MatMul)
def matmul(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """Gemm where a transposed matrix is involved, FusedMatMul for batches where allowed, else MatMul.

    onnxruntime has the fused ones for floating-point numbers only.
    """
    op = call.op
    assert isinstance(op, MatMul)
    a, b = call.inputs
    if not (op.transpose_a or op.transpose_b):
        return emitter.node("MatMul", *operands)
    fused = a.dtype in FLOATS
    if fused and a.rank == b.rank == 2:
        return emitter.node("Gemm", *operands, transA=int(op.transpose_a), transB=int(op.transpose_b))
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
    op = call.op
    assert isinstance(op, Gemm)
    return emitter.node(
        "Gemm",
        *operands,
        alpha=op.alpha,
        beta=op.beta,
        transA=int(op.transpose_a),
        transB=int(op.transpose_b),
    )


def _swap(emitter: Emitter, name: str, rank: int) -> str:
    return emitter.node("Transpose", name, perm=[*range(rank - 2), rank - 1, rank - 2])
