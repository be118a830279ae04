"""Deterministic little arrays for the samples of ops."""

from __future__ import annotations

import math

import numpy as np

from kgraph.ir.types import Array


def floats(*shape: int, low: float = -2.0, high: float = 2.0, dtype: str = "float32") -> Array:
    """Distinct, irregular values in (low, high): the fractional parts of multiples of the golden ratio."""
    steps = np.arange(1, math.prod(shape) + 1, dtype="float64") * 0.6180339887498949
    return (low + (high - low) * (steps % 1.0)).reshape(shape).astype(dtype)


def integers(*shape: int, low: int = 0, high: int = 10, dtype: str = "int32") -> Array:
    """Values in [low, high), irregular."""
    return np.floor(floats(*shape, low=low, high=high, dtype="float64")).reshape(shape).astype(dtype)


def bools(*shape: int) -> Array:
    """An irregular mixture of True and False."""
    return floats(*shape) > 0
