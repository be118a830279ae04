"""Initialisers: what weights start from."""

from __future__ import annotations

from typing import Any

import numpy as np


def get(identifier: Any) -> Any:
    """The initialiser for an identifier."""
    if callable(identifier):
        return identifier
    return lambda shape, dtype="float32": np.zeros(shape, dtype)
