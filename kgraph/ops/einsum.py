"""Einstein's summation, as products of matrices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from string import ascii_letters

from kgraph.errors import ShapeError, UnsupportedError, describe
from kgraph.ir.dims import Dim, product
from kgraph.ir.graph import Value
from kgraph.ops.broadcast import reshape
from kgraph.ops.linalg import matmul
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.shape import transpose

Names = list[str]


def einsum(subscripts: str, *operands: Value) -> Value:
    """Axes of one letter go together, and those whose letter is not in the result are summed: "ab,bc->ac".

    Operands of one dtype are taken from the left, so that each step is one product of matrices. An ellipsis stands for
    the axes without a letter; those of several operands go together from the last one on, and broadcast. Without an
    arrow the result has the ellipsis and then the letters that are there once, in alphabetical order.
    Raises UnsupportedError for a letter twice in one term, ShapeError where operands and terms do not fit.
    """
    named, result = axis_names(subscripts, [value.rank for value in operands])
    _check_sizes(subscripts, operands, named)
    made, names = operands[0], named[0]
    for number, (other, term) in enumerate(zip(operands[1:], named[1:], strict=True), 2):
        later = set(result).union(*named[number:])
        kept = [name for name in dict.fromkeys([*names, *term]) if name in later]
        made, names = contract(made, names, other, term, kept), kept
    made, names = _summed(made, names, result)
    return transpose(made, [names.index(name) for name in result])


def axis_names(subscripts: str, ranks: Sequence[int]) -> tuple[list[Names], Names]:
    """A name for each axis of operands of these ranks, and of the result. Raises what `einsum` raises."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if not arrow:
        once = sorted(name for name in set(left) & set(ascii_letters) if left.count(name) == 1)
        right = "".join(["..." if "..." in left else "", *once])
    letters = {name for name in left if name in ascii_letters}
    for term in [*terms, right]:
        plain = term.replace("...", "", 1)
        if len(set(plain)) != len(plain) or not all(name in ascii_letters for name in plain):
            raise UnsupportedError(
                describe("einsum", expected="letters, each once in a term, and an ellipsis", got=subscripts)
            )
    elided = [rank - len(term.replace("...", "")) for rank, term in zip(ranks, terms, strict=False)]
    fits = len(terms) == len(ranks) and set(right) - {"."} <= letters
    if not fits or any(n < 0 or (n and "..." not in term) for n, term in zip(elided, terms, strict=True)):
        raise ShapeError(describe("einsum: operands do not fit", expected=subscripts, got=f"ranks {ranks}"))
    named = [_spread(term, count) for term, count in zip(terms, elided, strict=True)]
    return named, _spread(right, max(elided) if "..." in right else 0)


def _spread(term: str, elided: int) -> Names:
    """The letters of a term, with a name that no letter has for each axis of its ellipsis."""
    before, dots, after = term.partition("...")
    return [*before, *(f".{place}" for place in range(elided, 0, -1) if dots), *after]


def _check_sizes(subscripts: str, operands: Sequence[Value], named: Sequence[Names]) -> None:
    sizes: dict[str, Dim] = {}
    for value, names in zip(operands, named, strict=True):
        for name, size in zip(names, value.shape, strict=True):
            known = sizes.setdefault(name, size)
            if isinstance(size, int) and isinstance(known, int) and size != known and name[0] != ".":
                types = ", ".join(str(operand.type) for operand in operands)
                raise ShapeError(
                    describe(
                        f"einsum: sizes of {name!r} differ: {known} != {size}", expected=subscripts, got=types
                    )
                )


def contract(a: Value, of_a: Names, b: Value, of_b: Names, kept: Names) -> Value:
    """The product of two values whose axes have names, summed over those not kept: one product of matrices."""
    a, of_a = _summed(a, of_a, {*of_b, *kept})
    b, of_b = _summed(b, of_b, {*of_a, *kept})
    shared = [name for name in of_a if name in of_b and name in kept]
    summed = [name for name in of_a if name in of_b and name not in kept]
    rows, columns = ([name for name in names if name not in [*shared, *summed]] for names in (of_a, of_b))
    sizes = dict(zip(of_a, a.shape, strict=True)) | dict(zip(of_b, b.shape, strict=True))

    def arranged(x: Value, names: Names, *groups: Names) -> Value:
        x = transpose(x, [names.index(name) for group in (shared, *groups) for name in group])
        merged = [product(sizes[name] for name in group) for group in groups]
        return reshape(x, [*x.shape[: len(shared)], *merged])

    made = matmul(arranged(a, of_a, rows, summed), arranged(b, of_b, summed, columns))
    order = [*shared, *rows, *columns]
    made = reshape(made, [*made.shape[: len(shared)], *(sizes[name] for name in [*rows, *columns])])
    return transpose(made, [order.index(name) for name in kept])


def _summed(x: Value, names: Names, kept: Collection[str]) -> tuple[Value, Names]:
    """A value summed over the axes whose names are not kept."""
    axes = [axis for axis, name in enumerate(names) if name not in kept]
    return (reduce_sum(x, axes) if axes else x), [name for name in names if name in kept]
