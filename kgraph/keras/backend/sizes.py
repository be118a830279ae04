"""Shapes as values: what `K.shape` returns works as a tensor and, wherever a shape is asked for, as its dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentTypeError, describe
from kgraph.ir.dims import Dim, Sym
from kgraph.ir.graph import Constant
from kgraph.keras.tensor import Tensor
from kgraph.ops import shape as s

DTYPE = "int32"


class Size(Tensor):
    """One dimension as an int32 scalar. Integer arithmetic keeps it a dimension; anything else makes a plain tensor."""

    def __init__(self, dim: Dim) -> None:
        super().__init__(s.DimValue(dim, DTYPE)())
        self.dim = dim

    def __add__(self, other: Any) -> Any:
        return Size(self.dim + as_dim(other)) if _is_dim(other) else super().__add__(other)

    def __radd__(self, other: Any) -> Any:
        return Size(as_dim(other) + self.dim) if _is_dim(other) else super().__radd__(other)

    def __sub__(self, other: Any) -> Any:
        return Size(self.dim - as_dim(other)) if _is_dim(other) else super().__sub__(other)

    def __rsub__(self, other: Any) -> Any:
        return Size(as_dim(other) - self.dim) if _is_dim(other) else super().__rsub__(other)

    def __mul__(self, other: Any) -> Any:
        return Size(self.dim * as_dim(other)) if _is_dim(other) else super().__mul__(other)

    def __rmul__(self, other: Any) -> Any:
        return Size(as_dim(other) * self.dim) if _is_dim(other) else super().__rmul__(other)

    def __floordiv__(self, other: Any) -> Any:
        return Size(self.dim // as_dim(other)) if _is_dim(other) else super().__floordiv__(other)

    def __mod__(self, other: Any) -> Any:
        return Size(self.dim % as_dim(other)) if _is_dim(other) else super().__mod__(other)

    def __index__(self) -> int:
        if isinstance(self.dim, Sym):
            raise ArgumentTypeError(
                describe("a size that varies is no integer", expected="a static axis", got=self)
            )
        return self.dim

    __int__ = __index__


class Sizes(Tensor):
    """Several dimensions as an int32 vector. Indexing and slicing keep them dimensions."""

    def __init__(self, dims: Sequence[Dim]) -> None:
        values = [s.DimValue(dim, DTYPE)() for dim in dims]
        super().__init__(s.stack(values, 0) if values else Constant(np.zeros(0, DTYPE)))
        self.sizes = tuple(dims)

    def __iter__(self) -> Iterator[Any]:
        return (Size(dim) for dim in self.sizes)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return Sizes(self.sizes[key])
        return Size(self.sizes[key]) if isinstance(key, int) else super().__getitem__(key)


def as_dim(size: Any) -> Dim:
    """One dimension from an integer, a symbol or a `Size`. None means "the rest", like -1.

    Raises ArgumentTypeError for a tensor that does not come from `K.shape`.
    """
    if size is None:
        return -1
    if isinstance(size, Size):
        return size.dim
    if isinstance(size, Sym):
        return size
    if isinstance(size, int | np.integer):
        return int(size)
    raise ArgumentTypeError(
        describe("not a dimension", expected="an integer, None or a part of K.shape(x)", got=repr(size))
    )


def as_dims(shape: Any) -> tuple[Dim, ...]:
    """Dimensions from anything that Keras takes for a shape."""
    if isinstance(shape, Sizes):
        return shape.sizes
    if isinstance(shape, Size | Sym | int | np.integer):
        return (as_dim(shape),)
    if isinstance(shape, Tensor):
        raise ArgumentTypeError(
            describe("a shape cannot be computed from data", expected="parts of K.shape(x)", got=shape)
        )
    return tuple(as_dim(size) for size in shape)


def join(parts: Sequence[Any]) -> Sizes | None:
    """The concatenation of shapes, if that is what all the parts are and one of them comes from `K.shape`."""
    if not any(isinstance(part, Sizes) for part in parts):
        return None
    if any(isinstance(part, Tensor) and not isinstance(part, Sizes) for part in parts):
        return None
    return Sizes([dim for part in parts for dim in as_dims(part)])


def gather_up(parts: Sequence[Any]) -> Sizes | None:
    """The shape made of single dimensions, if that is what all the parts are and one of them comes from `K.shape`."""
    if any(isinstance(part, Size) for part in parts) and all(_is_dim(part) for part in parts):
        return Sizes([as_dim(part) for part in parts])
    return None


def _is_dim(x: Any) -> bool:
    return isinstance(x, Size | Sym | int | np.integer) and not isinstance(x, bool)
