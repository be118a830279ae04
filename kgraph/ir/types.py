"""Tensor types: a dtype and a shape whose dimensions may be symbolic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.dims import Dim, Shape, Sym

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
SIGNED = frozenset({"int8", "int16", "int32", "int64"})
UNSIGNED = frozenset({"uint8", "uint16", "uint32", "uint64"})
DTYPES = FLOATS | SIGNED | UNSIGNED | {"bool"}

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class TensorType:
    """The type of a value: `TensorType("float32", (symbol("batch"), 64))` prints as `float32[batch, 64]`."""

    dtype: str
    shape: Shape = ()

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ShapeError(
                describe("unknown dtype", expected=", ".join(sorted(DTYPES)), got=repr(self.dtype))
            )

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def is_static(self) -> bool:
        return all(isinstance(dim, int) for dim in self.shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape as integers. Raises ShapeError when a dimension is symbolic."""
        sizes = tuple(dim for dim in self.shape if isinstance(dim, int))
        if len(sizes) != len(self.shape):
            raise ShapeError(describe("a static shape is needed", expected="integers", got=self))
        return sizes

    def with_shape(self, shape: Sequence[Dim]) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def with_dtype(self, dtype: str) -> TensorType:
        return TensorType(dtype, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def type_of(array: Array) -> TensorType:
    """The type of a NumPy array."""
    return TensorType(array.dtype.name, tuple(array.shape))


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that NumPy broadcasting gives. Two different symbols are taken to be equal (the run checks them).

    Raises ShapeError when two integers disagree and neither is 1.
    """
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result: list[Dim] = []
    for axis, dims in enumerate(zip(*padded, strict=True)):
        best: Dim = 1
        for dim in dims:
            if best == 1:
                best = dim
            elif isinstance(best, Sym) and isinstance(dim, int) and dim != 1:
                best = dim
            elif isinstance(best, int) and isinstance(dim, int) and dim not in (1, best):
                raise ShapeError(
                    describe(
                        "shapes do not broadcast",
                        expected=f"equal sizes or 1 on axis {axis - rank}",
                        got=" and ".join(f"[{', '.join(map(str, s))}]" for s in shapes),
                    )
                )
        result.append(best)
    return tuple(result)


def normalize_axis(axis: int, rank: int, where: str = "axis") -> int:
    """A non-negative axis. Raises ShapeError when it is out of range."""
    if not -rank <= axis < rank:
        raise ShapeError(describe(f"{where} out of range", expected=f"-{rank} <= axis < {rank}", got=axis))
    return axis % rank
