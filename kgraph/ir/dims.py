"""Dimensions: integers, or integer expressions over named symbols.

There are no unknown dimensions. An axis whose length is not known while tracing gets a symbol ("batch", "time"), and
arithmetic on symbols gives symbolic expressions in a canonical form, so `batch*time // time` is `batch` again and two
equal expressions compare equal. At run time the shapes of a function's inputs bind every symbol.

The canonical form is a polynomial with integer coefficients. Its atoms are symbol names and the two operations that do
not distribute, floor division and maximum. (The same idea serves JAX's shape polymorphism.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import total_ordering
from math import prod
from typing import Union

from kgraph.errors import ShapeError, describe

Dim = Union[int, "Sym"]
Shape = tuple[Dim, ...]


@total_ordering
@dataclass(frozen=True)
class Atom:
    """An indivisible factor: a symbol, `floor(a / b)` or `max(a, b)`."""

    kind: str  # "symbol", "floordiv" or "max"
    args: tuple[Dim | str, ...]

    def __str__(self) -> str:
        if self.kind == "symbol":
            return str(self.args[0])
        if self.kind == "floordiv":
            return f"(({self.args[0]})//{self.args[1]})"
        return f"max({self.args[0]}, {self.args[1]})"

    def __lt__(self, other: Atom) -> bool:
        return str(self) < str(other)

    def symbols(self) -> frozenset[str]:
        if self.kind == "symbol":
            return frozenset([str(self.args[0])])
        return frozenset().union(*(arg.symbols() for arg in self.args if isinstance(arg, Sym)))

    def is_non_negative(self) -> bool:
        signs = [is_non_negative(arg) for arg in self.args if not isinstance(arg, str)]
        return any(signs) if self.kind == "max" else all(signs)

    def evaluate(self, env: Mapping[str, int]) -> int:
        if self.kind == "symbol":
            return env[str(self.args[0])]
        left, right = (arg if isinstance(arg, int) else evaluate_dim(arg, env) for arg in self.args)  # type: ignore[arg-type]  # only symbols hold a str
        return left // right if self.kind == "floordiv" else max(left, right)

    def substitute(self, env: Mapping[str, Dim]) -> Dim:
        if self.kind == "symbol":
            name = str(self.args[0])
            return env.get(name, symbol(name))
        left, right = (arg if isinstance(arg, int) else substitute_dim(arg, env) for arg in self.args)  # type: ignore[arg-type]  # only symbols hold a str
        return floordiv(left, right) if self.kind == "floordiv" else maximum(left, right)


Monomial = tuple[Atom, ...]


class Sym:
    """A symbolic dimension: an integer polynomial over atoms, in canonical form. Immutable and hashable."""

    __slots__ = ("_hash", "terms")

    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sym) and self.terms == other.terms

    def __add__(self, other: Dim) -> Dim:
        return _canonical([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + (other * -1)

    def __rsub__(self, other: int) -> Dim:
        return (self * -1) + other

    def __mul__(self, other: Dim) -> Dim:
        return _canonical(
            [(tuple(sorted(m1 + m2)), c1 * c2) for m1, c1 in self.terms for m2, c2 in _terms(other)]
        )

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        return floordiv(self, other)

    def __rfloordiv__(self, other: int) -> Dim:
        return floordiv(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return self - (self // other) * other

    def symbols(self) -> frozenset[str]:
        return frozenset().union(*(atom.symbols() for monomial, _ in self.terms for atom in monomial))

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            factors = [str(atom) for atom in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else ("+" if text else "")
            text += sign + "*".join(factors)
        return text

    __repr__ = __str__


def symbol(name: str) -> Sym:
    """The dimension that the shapes of the inputs give to `name` at run time."""
    return Sym((((Atom("symbol", (name,)),), 1),))


def symbol_name(dim: Dim) -> str | None:
    """The name of a dimension that is one bare symbol, else None."""
    if isinstance(dim, Sym) and len(dim.terms) == 1:
        monomial, coefficient = dim.terms[0]
        if coefficient == 1 and len(monomial) == 1 and monomial[0].kind == "symbol":
            return str(monomial[0].args[0])
    return None


def floordiv(a: Dim, b: Dim) -> Dim:
    """floor(a / b), simplified where the division is exact."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    exact = divide_exactly(a, b)
    if exact is not None:
        return exact
    return _atom("floordiv", a, b)


def maximum(a: Dim, b: Dim) -> Dim:
    """max(a, b)."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    return a if a == b else _atom("max", a, b)


def is_non_negative(dim: Dim) -> bool:
    """Whether a dimension can be seen not to be negative, given that no symbol is."""
    if isinstance(dim, int):
        return dim >= 0
    return all(c > 0 and all(atom.is_non_negative() for atom in monomial) for monomial, c in dim.terms)


def divide_exactly(a: Dim, b: Dim) -> Dim | None:
    """a / b when `b` is one monomial that divides every term of `a`, else None."""
    divisor = _terms(b)
    if len(divisor) != 1:
        return 1 if a == b else None
    factors, scale = divisor[0]
    if scale == 0:
        return None
    quotient: list[tuple[Monomial, int]] = []
    for monomial, coefficient in _terms(a):
        left = list(monomial)
        for atom in factors:
            if atom not in left:
                return None
            left.remove(atom)
        if coefficient % scale:
            return None
        quotient.append((tuple(left), coefficient // scale))
    return _canonical(quotient)


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements of a shape."""
    result: Dim = 1
    for dim in dims:
        result = dim * result
    return result


def evaluate_dim(dim: Dim, env: Mapping[str, int]) -> int:
    """The value of a dimension when the symbols have the sizes in `env`. Raises ShapeError for an unbound symbol."""
    if isinstance(dim, int):
        return dim
    try:
        return sum(c * prod(atom.evaluate(env) for atom in monomial) for monomial, c in dim.terms)
    except KeyError as error:
        raise ShapeError(
            describe(f"no input binds the dimension {error}", expected=f"a value for {dim}", got=dict(env))
        ) from None


def evaluate_shape(shape: Shape, env: Mapping[str, int]) -> tuple[int, ...]:
    """`evaluate_dim` over a shape."""
    return tuple(evaluate_dim(dim, env) for dim in shape)


def as_ints(shape: Shape) -> tuple[int, ...]:
    """A shape that is known to hold integers only, as when attributes have been resolved."""
    return evaluate_shape(shape, {})


def substitute_dim(dim: Dim, env: Mapping[str, Dim]) -> Dim:
    """`dim` with symbols replaced by other dimensions; symbols that `env` lacks stay."""
    if isinstance(dim, int):
        return dim
    result: Dim = 0
    for monomial, coefficient in dim.terms:
        result = product([atom.substitute(env) for atom in monomial]) * coefficient + result
    return result


def bind_shape(shape: Shape, concrete: tuple[int, ...], env: dict[str, int]) -> bool:
    """Match a symbolic shape with a concrete one, adding bare symbols to `env`; False when they disagree."""
    if len(shape) != len(concrete):
        return False
    for dim, size in zip(shape, concrete, strict=True):
        name = symbol_name(dim)
        if name is not None and env.setdefault(name, size) != size:
            return False
        if isinstance(dim, int) and dim != size:
            return False
    return True


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    return dim.terms if isinstance(dim, Sym) else (((), dim),)


def _canonical(terms: Iterable[tuple[Monomial, int]]) -> Dim:
    sums: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        sums[monomial] = sums.get(monomial, 0) + coefficient
    # Longest monomials first puts the constant last: "2*time-1".
    kept = tuple(sorted(((m, c) for m, c in sums.items() if c), key=lambda term: (-len(term[0]), term[0])))
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    return Sym(kept)


def _atom(kind: str, a: Dim, b: Dim) -> Sym:
    return Sym((((Atom(kind, (a, b)),), 1),))
