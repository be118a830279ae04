"""Keras 1 spellings: one decorator that says, for each parameter, what it was called.

    @legacy(units="output_dim", kernel_initializer="init")
    def __init__(self, units, kernel_initializer="glorot_uniform", **kwargs): ...

Every use of an old name gives a DeprecationWarning with the new one. Old values (`dim_ordering="th"`) become new
ones, and two old names for one parameter (`nb_row`, `nb_col`) become its tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, TypeVar

from kgraph.errors import ArgumentTypeError, describe
from kgraph.keras.utils.warn import warn_user

F = TypeVar("F", bound=Callable[..., Any])
OldNames = str | tuple[str, ...]

# What the old values of renamed arguments are called today; values not listed stay as they are.
VALUES: Mapping[str, Mapping[Any, Any]] = MappingProxyType(
    {
        "dim_ordering": {"th": "channels_first", "tf": "channels_last", "default": None},
        "consume_less": {"cpu": 0, "mem": 1, "gpu": 2},
        "forget_bias_init": {"one": True, "ones": True, "zero": False, "zeros": False},
    }
)

WEIGHTS: Mapping[str, OldNames] = MappingProxyType(
    {
        "kernel_initializer": "init",
        "kernel_regularizer": "W_regularizer",
        "bias_regularizer": "b_regularizer",
        "kernel_constraint": "W_constraint",
        "bias_constraint": "b_constraint",
        "use_bias": "bias",
    }
)
"""The old names that every layer with a kernel and a bias shares."""


def legacy(**renamed: OldNames) -> Callable[[F], F]:
    """A decorator for `__init__` or a function: `new="old"`, or `new=("old_a", "old_b")` for a tuple of both.

    Raises ArgumentTypeError when a call has both spellings, or only some of the old names of a tuple.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def translated(*args: Any, **kwargs: Any) -> Any:
            owner = type(args[0]).__name__ if function.__name__ == "__init__" else function.__name__
            for new, old in renamed.items():
                names = (old,) if isinstance(old, str) else old
                given = [name for name in names if name in kwargs]
                if not given:
                    continue
                if new in kwargs or len(given) != len(names):
                    raise ArgumentTypeError(
                        describe(
                            f"{owner}: {' and '.join(given)} cannot stand like this",
                            expected=f"{new}, or the Keras 1 spelling {' with '.join(names)}",
                            got=", ".join(kwargs),
                        )
                    )
                values = tuple(_modern(name, kwargs.pop(name)) for name in names)
                kwargs[new] = values[0] if isinstance(old, str) else values
                warn_legacy(owner, f"{', '.join(names)}=", f"{new}=")
            return function(*args, **kwargs)

        older = {name for old in renamed.values() for name in ((old,) if isinstance(old, str) else old)}
        vars(translated)["old_names"] = frozenset(older)  # for who asks what it takes
        return translated  # type: ignore[return-value]  # wraps keeps the signature

    return decorate


def warn_legacy(owner: str, old: str, new: str) -> None:
    """Warn that `owner` was given an old spelling, and say the new one."""
    warn_user(f"{owner}: {old} is the old spelling of {new}", DeprecationWarning)


def _modern(name: str, value: Any) -> Any:
    table = VALUES.get(name)
    return table.get(value, value) if table is not None and isinstance(value, str) else value
