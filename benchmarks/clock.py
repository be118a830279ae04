"""A clock that leaves out some calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def clock_without(owner: Any, method: str) -> Iterator[Callable[[], float]]:
    """A clock in seconds that stands still while `owner.method` runs; at the end the method is as it was."""
    original = getattr(owner, method)
    spent = 0.0

    @wraps(original)
    def timed(*arguments: Any, **options: Any) -> Any:
        nonlocal spent
        begun = time.perf_counter()
        try:
            return original(*arguments, **options)
        finally:
            spent += time.perf_counter() - begun

    setattr(owner, method, timed)
    try:
        yield lambda: time.perf_counter() - spent
    finally:
        setattr(owner, method, original)
