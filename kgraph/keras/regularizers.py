"""Regularisers: what large weights or activations add to the loss, in training only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.keras import backend as K
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.lookup import Lookup


class Regularizer:
    """Base of all: a callable from a tensor to a scalar, with the configuration to make it again."""

    def __call__(self, x: Any) -> Any:
        return 0.0

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)


class L1L2(Regularizer):
    """l1 sum|x| + l2 sum(x^2)."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = 0.0 if l1 is None else float(l1)
        self.l2 = 0.0 if l2 is None else float(l2)

    def __call__(self, x: Any) -> Tensor:
        terms = []
        if self.l1:
            terms.append(self.l1 * K.sum(K.abs(x)))
        if self.l2:
            terms.append(self.l2 * K.sum(K.square(x)))
        return terms[0] if len(terms) == 1 else sum(terms, start=K.constant(0.0, K.dtype(x)))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """factor times the mean |cosine| between different rows (or columns) of a matrix; 0 when they are orthogonal.

    Raises ArgumentError for another mode than "rows" or "columns", ShapeError for another rank than 2.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ArgumentError(
                describe("OrthogonalRegularizer: mode", expected='"rows" or "columns"', got=repr(mode))
            )
        self.factor, self.mode = factor, mode

    def __call__(self, x: Any) -> Tensor:
        if K.ndim(x) != 2:
            raise ShapeError(describe("OrthogonalRegularizer", expected="a matrix", got=f"rank {K.ndim(x)}"))
        vectors = K.l2_normalize(x if self.mode == "rows" else K.transpose(x), 1)
        count = K.int_shape(vectors)[0]
        if count is None:
            raise ShapeError(describe("OrthogonalRegularizer", expected="a static shape", got=K.int_shape(x)))
        others = K.constant(1.0, K.dtype(x)) - K.constant(K.eval(K.eye(count)), K.dtype(x))
        cosines = K.abs(K.dot(vectors, K.transpose(vectors)) * others)
        return self.factor * 0.5 * K.sum(cosines) / max(1.0, count * (count - 1) / 2)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


@legacy(l1="l")
def l1(l1: float = 0.01) -> L1L2:
    """l1 sum|x|."""
    return L1L2(l1=l1)


@legacy(l2="l")
def l2(l2: float = 0.01) -> L1L2:
    """l2 sum(x^2)."""
    return L1L2(l2=l2)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """l1 sum|x| + l2 sum(x^2)."""
    return L1L2(l1, l2)


# Keras 3 has classes of these names. What they make is saved as L1L2, which every Keras can read.
L1, L2 = l1, l2
orthogonal_regularizer = OrthogonalRegularizer

_LOOKUP = Lookup("regularizer", globals(), Regularizer, factories=True)
get, serialize, deserialize = _LOOKUP.get, _LOOKUP.serialize, _LOOKUP.deserialize
