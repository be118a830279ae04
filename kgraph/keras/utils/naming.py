"""Names that layers get when the user gives none: dense_1, dense_2, conv2d_1."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from kgraph.errors import ArgumentTypeError, describe

# A word begins at a capital that follows a small letter, or that small letters or digits follow.
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z0-9])")


def to_snake_case(name: str) -> str:
    """A class name as Keras writes it in layer names; weight files have these names.

    A leading underscore becomes "private_", as names must not begin with one.

    >>> [
    ...     to_snake_case(name)
    ...     for name in ("Dense", "Conv2D", "BatchNormalization", "ReLU", "SimpleRNN", "_Mine")
    ... ]
    ['dense', 'conv2d', 'batch_normalization', 're_lu', 'simple_rnn', 'private__mine']
    """
    snake = _WORD.sub("_", name).lower()
    return f"private{snake}" if snake.startswith("_") else snake


_last: defaultdict[str, int] = defaultdict(int)


def next_uid(prefix: str) -> int:
    """1, 2, 3, … for each prefix, counted over the process until `reset_uids`."""
    _last[prefix] += 1
    return _last[prefix]


def unique_name(prefix: str) -> str:
    """The prefix with the next number that it has not had yet: dense_1, then dense_2."""
    return f"{prefix}_{next_uid(prefix)}"


def given_name(name: object) -> str | None:
    """The name that a layer was given, or None. Raises `ArgumentTypeError` for what is no string."""
    if not isinstance(name, str | None):
        raise ArgumentTypeError(describe("bad name of a layer", expected="a string", got=repr(name)[:200]))
    return name


def reset_uids() -> None:
    """Begin all numbers at 1 again."""
    _last.clear()


def distinct(names: Sequence[str]) -> list[str]:
    """Names with _1, _2 … after those that were there before.

    >>> distinct(["out", "out", "out_1", "loss"])
    ['out', 'out_1', 'out_1_1', 'loss']
    """
    made: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{i}" for i in range(1, len(names) + 1))
        made[name if name not in made else next(n for n in numbered if n not in made)] = None
    return list(made)
