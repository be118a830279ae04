"""Operations of keras.ops.numpy that multiply and sum: products of matrices and tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from string import ascii_letters
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentError, ShapeError, UnsupportedError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import product
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import Function, as_tensor, axes_of, common
from kgraph.keras.tensor import Tensor
from kgraph.ops import linalg
from kgraph.ops import shape as s
from kgraph.ops.broadcast import reshape
from kgraph.ops.reduce import reduce_sum


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
    return Tensor(_contract(left, first, right, second, kept))


def _einsum(*operands: Any, subscripts: str) -> Tensor:
    """Einstein's summation: axes of one letter go together, those whose letter is not in the result are summed.

    Operands are taken from the left. Raises UnsupportedError for an ellipsis, and for a letter twice in one operand.
    """
    terms, arrow, result = subscripts.replace(" ", "").partition("->")
    letters = [list(term) for term in terms.split(",")]
    values = [t.value for t in common(*operands)]
    if not arrow:
        result = "".join(sorted(name for name in set(terms) - {","} if terms.count(name) == 1))
    for term in [*letters, list(result)]:
        if len(set(term)) != len(term) or not all(name in ascii_letters for name in term):
            raise UnsupportedError(
                describe("Einsum", expected="letters, each once in a term, and no ellipsis", got=subscripts)
            )
    ranks = [x.rank for x in values]
    if [len(term) for term in letters] != ranks or not set(result) <= set(terms):
        raise ShapeError(describe("Einsum: operands do not fit", expected=subscripts, got=f"ranks {ranks}"))
    made, named = values[0], letters[0]
    for number, (other, term) in enumerate(zip(values[1:], letters[1:], strict=True), 2):
        later = set(result).union(*letters[number:])
        kept = [name for name in dict.fromkeys([*named, *term]) if name in later]
        made, named = _contract(made, named, other, term, kept), kept
    made, named = _summed(made, named, result)
    return Tensor(s.transpose(made, [named.index(name) for name in result]))


def _summed(x: ir.Value, names: list[str], kept: Collection[str]) -> tuple[ir.Value, list[str]]:
    """A value summed over the axes whose names are not kept."""
    axes = [axis for axis, name in enumerate(names) if name not in kept]
    return (reduce_sum(x, axes) if axes else x), [name for name in names if name in kept]


def _contract(a: ir.Value, of_a: list[str], b: ir.Value, of_b: list[str], kept: list[str]) -> ir.Value:
    """The product of two values whose axes have names, summed over those not kept: one product of matrices."""
    a, of_a = _summed(a, of_a, {*of_b, *kept})
    b, of_b = _summed(b, of_b, {*of_a, *kept})
    shared = [name for name in of_a if name in of_b and name in kept]
    summed = [name for name in of_a if name in of_b and name not in kept]
    rows, columns = ([name for name in names if name not in [*shared, *summed]] for names in (of_a, of_b))
    sizes = dict(zip(of_a, a.shape, strict=True)) | dict(zip(of_b, b.shape, strict=True))

    def arranged(x: ir.Value, names: list[str], *groups: list[str]) -> ir.Value:
        x = s.transpose(x, [names.index(name) for group in (shared, *groups) for name in group])
        merged = [product(sizes[name] for name in group) for group in groups]
        return reshape(x, [*x.shape[: len(shared)], *merged])

    made = linalg.matmul(arranged(a, of_a, rows, summed), arranged(b, of_b, summed, columns))
    order = [*shared, *rows, *columns]
    made = reshape(made, [*made.shape[: len(shared)], *(sizes[name] for name in [*rows, *columns])])
    return s.transpose(made, [order.index(name) for name in kept])


PRODUCT: Mapping[str, Function] = MappingProxyType(
    {
        "Dot": _dot,
        "Einsum": _einsum,
        "Matmul": _matmul,
        "Tensordot": _tensordot,
    }
)
