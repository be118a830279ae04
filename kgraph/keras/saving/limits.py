"""What a configuration from outside may be: plain data of limited depth and size.

Everything after `check_plain` may recurse, because nothing it sees is deep, and may walk, because nothing is cyclic.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kgraph.errors import FileError, KgraphError, describe

DEPTH = 160
"""Levels of lists and dicts: fifty models within each other, or seventy wrappers."""
ITEMS = 1_000_000
"""Lists, dicts and values together, each as often as it is mentioned. The largest models have some 100,000."""

# Possessive, and content with a string that does not end: any text is read once.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


MISFITS = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError, MemoryError)
"""What Python raises when values of a file come to where nobody thought of such values."""


@contextmanager
def made_of(what: str) -> Iterator[None]:
    """Whatever making an object of plain data raises inside becomes a FileError; kgraph's own errors stay."""
    try:
        yield
    except KgraphError:
        raise
    except MISFITS as error:
        raise FileError(
            describe(f"{what} cannot be made as described", got=f"{type(error).__name__}: {error}"[:500])
        ) from error


@contextmanager
def in_file(filepath: Any) -> Iterator[None]:
    """An error of kgraph's that does not say which file is read gets a note that does, where that has a name."""
    try:
        yield
    except KgraphError as error:
        name = os.fsdecode(filepath) if isinstance(filepath, str | os.PathLike) else ""
        if name and name not in str(error):
            error.add_note(f"in {name}")
        raise


def check_plain(config: Any) -> None:
    """Raise FileError for what is nested too deeply (or in itself), too large, or has keys that are not strings."""
    stack = [(config, 1)]
    seen = 0
    while stack:
        item, depth = stack.pop()
        seen += 1
        if isinstance(item, Mapping):
            strange = next((key for key in item if not isinstance(key, str)), None)
            if strange is not None:
                raise FileError(
                    describe("a key of a configuration", expected="a string", got=repr(strange)[:200])
                )
            inner = list(item.values())
        elif isinstance(item, list | tuple):
            inner = list(item)
        else:
            continue
        if depth > DEPTH:
            _refuse_depth()
        if seen + len(stack) + len(inner) > ITEMS:
            raise FileError(describe("a configuration is too large", expected=f"at most {ITEMS:,} items"))
        stack += [(value, depth + 1) for value in inner]


def parse_json(text: str | bytes) -> Any:
    """JSON text as plain data. Raises FileError for what is not JSON, is nested too deeply, or has a key twice."""
    if isinstance(text, bytes | bytearray):
        try:
            text = bytes(text).decode("utf-8")
        except UnicodeDecodeError as error:
            raise FileError(
                describe("a configuration is not text", expected="UTF-8", got=str(error))
            ) from None
    _check_depth(text)
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except FileError:
        raise
    except ValueError as error:  # also for numbers that are too long
        raise FileError(describe("a configuration is not JSON", got=str(error))) from None


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        depth += (first in "[{") - (first in "]}")
        if depth > DEPTH:
            _refuse_depth()


def _refuse_depth() -> None:
    raise FileError(
        describe("a configuration is nested too deeply", expected=f"at most {DEPTH} levels", got="more")
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    refuse_twice([key for key, _ in pairs])
    return dict(pairs)


def refuse_twice(keys: list[str]) -> None:
    """Raise FileError for a key that occurs twice: readers differ in which of the two they believe."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise FileError(describe("a key occurs twice in a configuration", got=key[:200]))
        seen.add(key)
