"""Names that are taken from their modules when they are first asked for, so that an import costs what is used of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    module: str, sources: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a module, for names that others define.

        __getattr__, __dir__ = lazy_names(__name__, {"load_model": ".api"})

    Each name has the module that defines it, ".api" for one of the same package; a submodule, `keras` of `kgraph`, has
    its own full name. Type checkers want the imports as well, under `TYPE_CHECKING`.
    """

    def load(name: str) -> Any:
        if name not in sources:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        source = import_module(sources[name], module)
        value = source if source.__name__ == f"{module}.{name}" else getattr(source, name)
        setattr(sys.modules[module], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *sources})

    return load, names
