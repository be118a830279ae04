"""Arguments that layers share, checked and brought to one form."""

from __future__ import annotations

from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe


def int_tuple(value: Any, size: int, name: str, least: int = 1) -> tuple[int, ...]:
    """`size` integers; one integer stands for all of them. Raises ArgumentError for anything else."""
    items = (value,) * size if isinstance(value, int | np.integer) else value
    good = (
        isinstance(items, tuple | list)
        and len(items) == size
        and all(isinstance(item, int | np.integer) and item >= least for item in items)
    )
    if not good:
        raise ArgumentError(
            describe(
                f"bad value for {name}",
                expected=f"an integer or {size} integers, {least} or more",
                got=repr(value),
            )
        )
    return tuple(int(item) for item in items)


def pair_tuple(value: Any, size: int, name: str) -> tuple[tuple[int, int], ...]:
    """`size` pairs (before, after) of amounts, 0 or more.

    One integer stands for all amounts; an integer for a pair stands for both of its amounts; for one axis a bare pair
    will do. Raises ArgumentError for anything else.
    """
    if isinstance(value, int | np.integer):
        value = (value,) * size
    elif size == 1 and isinstance(value, tuple | list) and len(value) == 2:
        value = (value,)
    if not isinstance(value, tuple | list) or len(value) != size:
        raise ArgumentError(
            describe(
                f"bad value for {name}", expected=f"an integer, {size} integers or pairs", got=repr(value)
            )
        )
    pairs = [int_tuple(item, 2, name, least=0) for item in value]
    return tuple((before, after) for before, after in pairs)


def one_of(value: Any, choices: tuple[Any, ...], name: str) -> Any:
    """`value`, in lower case when a string. Raises ArgumentError when it is not among the choices."""
    found = value.lower() if isinstance(value, str) else value
    if found not in choices:
        raise ArgumentError(
            describe(f"bad value for {name}", expected=" or ".join(map(repr, choices)), got=repr(value))
        )
    return found


def positive_int(value: Any, name: str) -> int:
    """A size. Raises ArgumentError unless it is an integer of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ArgumentError(
            describe(f"bad value for {name}", expected="an integer, 1 or more", got=repr(value))
        )
    return int(value)


def fraction(value: Any, name: str, below: float | None = None) -> float:
    """A number from 0 to 1, or less than `below`. Raises ArgumentError for anything else."""
    limit = f"less than {below}" if below is not None else "1"
    good = isinstance(value, int | float | np.number) and 0 <= value <= 1
    if not good or (below is not None and value >= below):
        raise ArgumentError(
            describe(f"bad value for {name}", expected=f"a number from 0 to {limit}", got=repr(value))
        )
    return float(value)
