"""Names that are taken from their modules when they are first asked for, so that an import costs what is used of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(module: str, sources: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module: names, each with the module that defines it, ".api" for one of the same package.

        __getattr__ = lazy_names(__name__, {"load_model": ".api"})

    Type checkers want the imports as well, under `TYPE_CHECKING`.
    """

    def load(name: str) -> Any:
        if name not in sources:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = getattr(import_module(sources[name], module), name)
        setattr(sys.modules[module], name, value)
        return value

    return load
