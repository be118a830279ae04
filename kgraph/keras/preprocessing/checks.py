"""What arguments of preprocessing have in common, and how they are refused."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ArgumentTypeError, describe
from kgraph.keras import settings


def whole_number(owner: str, name: str, value: Any, least: int = 1) -> int:
    """The value, an integer not below `least`. Raises ArgumentError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ArgumentError(
            describe(f"{owner}: bad {name}", expected=f"an integer, {least} or more", got=repr(value))
        )
    return int(value)


def number(owner: str, name: str, value: Any) -> float:
    """The value, a finite number. Raises ArgumentError for anything else."""
    if not isinstance(value, int | float | np.number) or not np.isfinite(value):
        raise ArgumentError(describe(f"{owner}: bad {name}", expected="a number", got=repr(value)))
    return float(value)


def iterable(owner: str, values: Any, expected: str) -> Iterable[Any]:
    """The values, if these can be iterated over. Raises ArgumentTypeError for what cannot."""
    if not isinstance(values, Iterable):
        raise ArgumentTypeError(
            describe(f"{owner}: nothing to go through", expected=expected, got=type(values).__name__)
        )
    return values


def one_of(owner: str, name: str, value: Any, allowed: Collection[Any]) -> None:
    """Raises ArgumentError, with all that is allowed, for a value that is not."""
    if not any(value is entry or (isinstance(value, str) and value == entry) for entry in allowed):
        expected = ", ".join("None" if entry is None else repr(entry) for entry in allowed)
        raise ArgumentError(describe(f"{owner}: bad {name}", expected=f"one of {expected}", got=repr(value)))


def channels(owner: str, data_format: str | None) -> str:
    """The data format, by default that of `keras.backend`. Raises ArgumentError for one that is none."""
    if data_format is None:
        return settings.image_data_format()
    one_of(owner, "data_format", data_format, settings.IMAGE_DATA_FORMATS)
    return data_format


def size_of_images(owner: str, target_size: Any) -> tuple[int, int]:
    """Height and width. Raises ArgumentError for what is no pair of positive integers."""
    try:
        height, width = target_size
    except (TypeError, ValueError):
        raise ArgumentError(
            describe(f"{owner}: bad target_size", expected="(height, width)", got=repr(target_size))
        ) from None
    return whole_number(owner, "target_size", height), whole_number(owner, "target_size", width)


def seed_number(owner: str, seed: Any) -> int | None:
    """The seed, None or an integer that NumPy takes as one. Raises ArgumentError for anything else."""
    if seed is None:
        return None
    if whole_number(owner, "seed", seed, 0) >= 2**32:
        raise ArgumentError(describe(f"{owner}: bad seed", expected="less than 2**32", got=seed))
    return int(seed)


def read_config(json_string: Any, class_name: str) -> dict[str, Any]:
    """The configuration in what `to_json` of a class wrote.

    Raises ArgumentTypeError for what is no text, and ArgumentError for what is no JSON or describes something else.
    """
    if not isinstance(json_string, str | bytes | bytearray):
        raise ArgumentTypeError(
            describe(f"{class_name}: no JSON", expected="a string", got=type(json_string).__name__)
        )
    try:
        whole = json.loads(json_string)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(
            describe(f"{class_name}: no JSON", expected="what to_json gives", got=error)
        ) from None
    config = whole.get("config") if isinstance(whole, dict) else None
    if not isinstance(config, dict) or whole.get("class_name", class_name) != class_name:
        raise ArgumentError(
            describe(
                f"{class_name}: JSON of something else",
                expected=f'an object with "class_name": "{class_name}" and "config"',
                got=f"{json_string[:80]!r}",
            )
        )
    return config
