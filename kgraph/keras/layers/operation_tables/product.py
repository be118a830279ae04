"""Operations of keras.ops.numpy that multiply and sum: products of matrices and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kgraph.errors import ShapeError, describe
from kgraph.keras.layers.operation_tables.operands import Function, as_tensor, common
from kgraph.keras.tensor import Tensor
from kgraph.ops import linalg
from kgraph.ops import shape as s


def _matmul(x1: Any, x2: Any) -> Tensor:
    """The matrix product as NumPy's: leading axes broadcast; a vector is a row on the left, a column on the right."""
    left, right = (t.value for t in common(as_tensor(x1), as_tensor(x2)))
    if 0 in (left.rank, right.rank):
        raise ShapeError(
            describe("a matrix product", expected="rank 1 or more", got=f"{left.type}, {right.type}")
        )
    row, column = left.rank == 1, right.rank == 1
    made = linalg.matmul(
        s.expand_dims(left, 0) if row else left, s.expand_dims(right, 1) if column else right
    )
    if column:
        made = s.squeeze(made, made.rank - 1)
    return Tensor(s.squeeze(made, made.rank - (1 if column else 2)) if row else made)


PRODUCT: Mapping[str, Function] = MappingProxyType(
    {
        "Matmul": _matmul,
    }
)
