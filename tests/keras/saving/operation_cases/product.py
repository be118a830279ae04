"""Cases for the operations that multiply and sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.keras.saving.operation_cases.ways import Case

PRODUCT: Mapping[str, Case] = {
    "Dot": lambda ops, f, i, b: [
        ops.dot(f, np.arange(8, dtype="float32").reshape(4, 2)),
        ops.dot(f, np.arange(4, dtype="float32")),
        ops.dot(f[:, 0], np.arange(24, dtype="float32").reshape(2, 4, 3)),
        ops.dot(i, np.arange(8, dtype="int32").reshape(4, 2)),
        ops.dot(np.arange(3, dtype="float32"), ops.transpose(f, (1, 0, 2))[:, :, 0]),
        ops.dot(f, 2.0),
    ],
    "Einsum": lambda ops, f, i, b: [
        ops.einsum("bij,bkj->bik", f, f),
        ops.einsum("bij,jk->bik", f, np.arange(8, dtype="float32").reshape(4, 2)),
        ops.einsum("bij,bij->b", f, f),
        ops.einsum("bij,bi->bij", f, f[:, :, 0]),
        ops.einsum("bi,bj->bij", f[:, :, 0], f[:, 0]),
        ops.einsum("bij,bj->ib", f, f[:, 0]),
        ops.einsum("bqhd,bkhd->bhqk", f[:, :, None], f[:, :, None]),
        ops.einsum("bij,kj->bk", f, np.arange(8, dtype="float32").reshape(2, 4)),
        ops.einsum("bij->bji", f),
        ops.einsum("bij->i", f),
        ops.einsum("...i->...", f),
        ops.einsum("b...,b...->...b", f, f),
        ops.einsum("bij,bjk", f, ops.transpose(f, (0, 2, 1))),
        ops.einsum("bij,bik->bjk", i, i),
        ops.einsum("bi,ij,bj->b", f[:, :, 0], np.arange(12, dtype="float32").reshape(3, 4), f[:, 0]),
    ],
    "Matmul": lambda ops, f, i, b: [
        ops.matmul(f, ops.transpose(f, (0, 2, 1))),
        ops.matmul(f, f[:, 0][:, :, None]),
        ops.matmul(f, np.eye(4, 2)),
        ops.matmul(f[:, None], np.ones((2, 4, 3), "float32")),
        ops.matmul(f, np.arange(4.0)),
        ops.matmul(np.arange(3.0), f),
        ops.matmul(f[:, 0], np.ones((4, 2), "float32")),
        ops.matmul(f, ops.transpose(i, (0, 2, 1))),
        ops.matmul(i, ops.transpose(i, (0, 2, 1))),
    ],
    "Tensordot": lambda ops, f, i, b: [
        ops.tensordot(f, np.arange(24, dtype="float32").reshape(3, 4, 2)),
        ops.tensordot(f, np.arange(8, dtype="float32").reshape(4, 2), axes=1),
        ops.tensordot(f, np.arange(12, dtype="float32").reshape(4, 3), axes=[[1, 2], [1, 0]]),
        ops.tensordot(i, np.arange(6, dtype="int32").reshape(3, 2), axes=[[1], [0]]),
        ops.tensordot(f[:, 0, 0], np.arange(3, dtype="float32"), axes=0),
    ],
}
