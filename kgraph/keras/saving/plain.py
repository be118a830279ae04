"""Plain data as the JSON that files hold; `limits.parse_json` reads it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def to_json_text(data: Any) -> str:
    """Plain data as JSON in ASCII; numbers of NumPy are numbers."""
    return json.dumps(data, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON: {value!r}")
