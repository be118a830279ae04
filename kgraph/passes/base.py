"""What a pass is, and the registry of passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

from kgraph.errors import PluginError, describe
from kgraph.ir.graph import Function


class Pass:
    """A function from functions to functions that keeps the meaning.

    Subclasses are frozen dataclasses whose fields are the options. Calling a pass returns the same object when nothing
    changed. `hits` counts what was done, by name, for reports.
    """

    name: ClassVar[str] = ""
    required: ClassVar[bool] = False
    """Whether nothing can be compiled without it, so that it cannot be switched off."""

    settles: ClassVar[bool] = True
    """Whether a second run finds nothing to do. A pass that weighs how often values are used may change its mind."""
    redraws: ClassVar[bool] = False
    """Whether random numbers may fall on other elements afterwards: as random as before, but another draw."""

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        raise NotImplementedError


_REGISTRY: dict[str, type[Pass]] = {}
T = TypeVar("T", bound=type[Pass])


def register(name: str) -> Callable[[T], T]:
    """Enter a pass class in the registry under `name`."""

    def enter(cls: T) -> T:
        if name in _REGISTRY and _REGISTRY[name].__module__ != cls.__module__:
            raise PluginError(describe(f"two passes are named {name!r}", got=f"{_REGISTRY[name]} and {cls}"))
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return enter


def registry() -> Mapping[str, type[Pass]]:
    """Every registered pass by name."""
    return dict(_REGISTRY)
