"""JSON as files hold it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from kgraph.errors import FileError, describe


def parse_json(text: str | bytes, what: str) -> Any:
    """What a JSON text says. Raises FileError when it is none, or is nested deeper than Python can follow."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(
            describe(f"{what} is not JSON", got=f"{type(error).__name__}: {str(error)[:200]}")
        ) from None


def to_json_text(data: Any) -> str:
    """Plain data as JSON in ASCII; numbers of NumPy are numbers."""
    return json.dumps(data, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON: {value!r}")
