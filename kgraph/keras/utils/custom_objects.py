"""Classes and functions that a model file may refer to by name: what users register or put in scope.

A model file only names things. What a name means is decided here and by the caller, never by the file: nothing
is imported and nothing evaluated because a file says so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from kgraph.errors import ArgumentError, describe

Objects = Mapping[str, Any]
T = TypeVar("T", bound=Callable[..., Any])

GIVEN = (
    "in custom_objects, in a CustomObjectScope, or registered with register_keras_serializable "
    "(at the command line, in a module for --import)"
)
"""How a user can say what a name in a file means, for messages."""

_objects: dict[str, Any] = {}
_names: dict[Any, str] = {}


def get_custom_objects() -> dict[str, Any]:
    """The dictionary of custom objects that hold everywhere, by name. Changing it changes what names mean."""
    return _objects


class CustomObjectScope:
    """Inside the `with` block the given dictionaries add to the custom objects; after it, all is as before.

    >>> with CustomObjectScope({"twice": lambda x: 2 * x}):
    ...     get_registered_object("twice")(4)
    8
    >>> get_registered_object("twice") is None
    True
    """

    def __init__(self, *dictionaries: Objects) -> None:
        self._dictionaries = dictionaries
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._before.append(dict(_objects))
        for dictionary in self._dictionaries:
            _objects.update(dictionary)
        return self

    def __exit__(self, *_: object) -> None:
        before = self._before.pop()
        _objects.clear()
        _objects.update(before)


custom_object_scope = CustomObjectScope


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """A decorator that makes a class or function known, everywhere and in files, as "package>name".

    `name` is the Python name unless given. Raises `ArgumentError` for a class without `get_config`.
    """

    def register(item: T) -> T:
        if inspect.isclass(item) and not hasattr(item, "get_config"):
            raise ArgumentError(
                describe(
                    "register_keras_serializable", expected="a class with get_config", got=item.__qualname__
                )
            )
        registered = f"{package}>{name or item.__name__}"
        _objects[registered] = item
        _names[item] = registered
        return item

    return register


def get_registered_name(item: Any) -> str:
    """The name that files have for a class or function: the registered one, else the Python name."""
    return _names.get(item) or str(item.__name__)


def get_registered_object(
    name: str, custom_objects: Objects | None = None, module_objects: Objects | None = None
) -> Any:
    """What a name means, or None. `custom_objects` come first, then those in scope, then `module_objects`."""
    for objects in (custom_objects, _objects, module_objects):
        if objects is not None and name in objects:
            return objects[name]
    return None
