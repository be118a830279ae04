"""How an operation is used on floats `f`, integers `i` and flags `b`, all [batch, 3, 4]: ways that several share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Case = Callable[[Any, Any, Any, Any], list[Any]]
"""Takes keras.ops and the inputs `f`, `i` and `b`; gives the outputs of a model."""


def data() -> list[np.ndarray[Any, Any]]:
    """Values of the inputs `f`, `i` and `b`."""
    random = np.random.default_rng(5)
    floats = random.normal(size=(5, 3, 4)).astype("float32")
    floats[:, 0, 1] = floats[:, 0, 0]
    floats[:, 1, 1] = 0
    floats[:, 2] = np.round(floats[:, 2] * 2) / 2
    integers = random.integers(-3, 4, (5, 3, 4)).astype("int32")
    integers[:, 0, 1] = integers[:, 0, 0]
    flags = random.random((5, 3, 4)) > 0.3
    flags[0, 0] = True
    flags[1, 1] = False
    return [floats, integers, flags]


def activation(name: str, **settings: Any) -> Case:
    return lambda ops, f, i, b: [
        getattr(ops, name)(f * 3),
        *([getattr(ops, name)(f, **settings)] if settings else []),
    ]
