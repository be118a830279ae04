"""A clock that leaves out some calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def clock_without(*calls: tuple[Any, str]) -> Iterator[Callable[[], float]]:
    """A clock in seconds that stands still while one of the calls (owner, name) runs; they must not nest.

    At the end the owners are as they were.
    """
    spent = 0.0

    def timed(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal spent
            begun = time.perf_counter()
            try:
                return original(*arguments, **options)
            finally:
                spent += time.perf_counter() - begun

        return call

    originals = [(owner, name, getattr(owner, name)) for owner, name in calls]
    for owner, name, original in originals:
        setattr(owner, name, timed(original))
    try:
        yield lambda: time.perf_counter() - spent
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)
