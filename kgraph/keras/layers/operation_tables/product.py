"""Operations of keras.ops.numpy that multiply and sum: products of matrices and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_letters
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import Function, as_tensor, axes_of, common
from kgraph.keras.tensor import Tensor
from kgraph.ops import linalg
from kgraph.ops import shape as s
from kgraph.ops.einsum import contract, einsum


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


def _dot(x1: Any, x2: Any) -> Tensor:
    """As NumPy's: over the last axis of the one and the last but one of the other; a product with a number."""
    left, right = common(x1, x2)
    if 0 in (left.ndim, right.ndim):
        return left * right
    return K.dot(left, right)


def _tensordot(x1: Any, x2: Any, axes: Any = 2) -> Tensor:
    """As NumPy's: the sum over pairs of axes; a number of axes means the last of the one and the first of the other."""
    left, right = (t.value for t in common(x1, x2))
    if isinstance(axes, int):
        axes = (list(range(left.rank - axes, left.rank)), list(range(axes)))
    ours, theirs = (axes_of(chosen, x.rank) for chosen, x in zip(axes, (left, right), strict=True))
    names = iter(ascii_letters)
    first = [next(names) for _ in range(left.rank)]
    second = [first[ours[theirs.index(i)]] if i in theirs else next(names) for i in range(right.rank)]
    if len(ours) != len(theirs):
        raise ArgumentError(
            describe("Tensordot: axes", expected="as many of the one as of the other", got=axes)
        )
    kept = [name for i, name in enumerate(first) if i not in ours]
    kept += [name for i, name in enumerate(second) if i not in theirs]
    return Tensor(contract(left, first, right, second, kept))


def _einsum(*operands: Any, subscripts: str) -> Tensor:
    """Einstein's summation, as `kgraph.ops.einsum` has it."""
    return Tensor(einsum(subscripts, *(t.value for t in common(*operands))))


PRODUCT: Mapping[str, Function] = MappingProxyType(
    {
        "Dot": _dot,
        "Einsum": _einsum,
        "Matmul": _matmul,
        "Tensordot": _tensordot,
    }
)
