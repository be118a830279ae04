"""Constraints: where a weight is put back to after each step of training.

A constraint is a function from a tensor to a tensor of the same shape, so it becomes part of the training step. Norms
are taken over `axis`: 0 for the weights into each unit of a Dense layer, (0, 1, 2) for the filters of a Conv2D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from kgraph.keras import backend as K
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.lookup import Lookup

Axes = int | Sequence[int]


class Constraint:
    """Base of all: a callable from a tensor to a tensor, with the configuration to make it again."""

    def __call__(self, w: Any) -> Any:
        return w

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)


class MinMaxNorm(Constraint):
    """w n' / n with n' = rate min(max(n, min_value), max_value) + (1 - rate) n, where n is the norm over `axis`."""

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axes = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Tensor:
        norms = _norms(w, self.axis)
        wanted = K.clip(norms, self.min_value, self.max_value)
        if self.rate != 1.0:
            wanted = self.rate * wanted + (1.0 - self.rate) * norms
        return w * (wanted / (norms + K.epsilon()))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


class MaxNorm(Constraint):
    """w min(n, max_value) / n, where n is the norm over `axis`. Srivastava et al., "Dropout", 2014."""

    @legacy(max_value="m")
    def __init__(self, max_value: float = 2, axis: Axes = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Tensor:
        return MinMaxNorm(0.0, self.max_value, 1.0, self.axis)(w)

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """max(w, 0)."""

    def __call__(self, w: Any) -> Tensor:
        return K.relu(w)


class UnitNorm(Constraint):
    """w / n, where n is the norm over `axis`."""

    def __init__(self, axis: Axes = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        return w / (_norms(w, self.axis) + K.epsilon())

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


def _norms(w: Any, axis: Axes) -> Tensor:
    return K.sqrt(K.sum(K.square(w), axis, keepdims=True))


max_norm = maxnorm = MaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
min_max_norm = MinMaxNorm

_LOOKUP = Lookup("constraint", globals(), Constraint)
get, serialize, deserialize = _LOOKUP.get, _LOOKUP.serialize, _LOOKUP.deserialize
