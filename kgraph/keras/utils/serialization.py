"""Objects as plain data and back: {"class_name": …, "config": …}, or the name of a function.

What is read may also have the form of Keras 3, {"module", "class_name", "config", "registered_name"}. Names are
looked up in the tables of the caller and among the custom objects. "module" is never imported, and no code in a
config is run; a function that a file holds as code is refused, because no table has its name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras.utils.custom_objects import (
    GIVEN,
    CustomObjectScope,
    Objects,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
)


def serialize_keras_object(instance: Any) -> Any:
    """{"class_name", "config"} for what has a `get_config`, the name of a function or class, None for None.

    Raises `ArgumentError` for anything else.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config") and not inspect.isclass(instance):
        return {"class_name": get_registered_name(type(instance)), "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return get_registered_name(instance)
    raise ArgumentError(
        describe("cannot be saved", expected="an object with get_config, or a function", got=repr(instance))
    )


def deserialize_keras_object(
    identifier: Any,
    module_objects: Objects | None = None,
    custom_objects: Objects | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that `identifier` describes: the reverse of `serialize_keras_object`.

    identifier             None and callables come back as they are; a string names a function, or a class to be made
                           without arguments; a mapping is a class name and a config, in either form
    module_objects         the caller's table of names, asked last
    custom_objects         further names, asked first and in scope while the object is made
    printable_module_name  what errors call the thing: "optimizer", "loss function"

    Raises `ArgumentError` for a name that no table has and for what describes no object.

    >>> deserialize_keras_object("half", {"half": lambda x: x / 2})(3)
    1.5
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = _find((identifier,), module_objects, custom_objects, printable_module_name)
        return found() if inspect.isclass(found) else found
    if isinstance(identifier, Mapping):
        return _from_mapping(identifier, module_objects, custom_objects, printable_module_name)
    if callable(identifier):
        return identifier
    raise ArgumentError(
        describe(
            f"no description of {printable_module_name}",
            expected='a name, {"class_name": …, "config": …}, a callable or None',
            got=repr(identifier),
        )
    )


def _from_mapping(
    identifier: Mapping[str, Any], module_objects: Objects | None, custom_objects: Objects | None, kind: str
) -> Any:
    class_name, config = identifier.get("class_name"), identifier.get("config")
    registered_name = identifier.get("registered_name")
    if class_name == "function" and isinstance(config, str):  # how Keras 3 writes a function
        return _find((registered_name, config), module_objects, custom_objects, kind)
    if not isinstance(class_name, str) or not isinstance(config, Mapping):
        raise ArgumentError(
            describe(
                f"damaged description of {kind}", expected='"class_name" and a "config"', got=repr(identifier)
            )
        )
    # Older files have the registered name, "package>Name", for a class name.
    names = (registered_name, class_name, class_name.rpartition(">")[2])
    found = _find(names, module_objects, custom_objects, kind)
    return _make(found, dict(config), custom_objects or {})


def _find(
    names: tuple[Any, ...], module_objects: Objects | None, custom_objects: Objects | None, kind: str
) -> Any:
    """What the first known of the names stands for. Custom objects come first: a user may replace what we have."""
    names = tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
    for tables in ((custom_objects, None), (None, module_objects)):
        for name in names:
            if (found := get_registered_object(name, *tables)) is not None:
                return found
    raise ArgumentError(
        describe(
            f"unknown {kind}: {' or '.join(names)}",
            expected=f"a name we know, or one {GIVEN}",
            got=names[-1],
        )
    )


def _make(found: Callable[..., Any], config: dict[str, Any], custom_objects: Objects) -> Any:
    from_config = getattr(found, "from_config", None)
    if from_config is not None and has_arg(from_config, "custom_objects"):
        return from_config(config, custom_objects={**get_custom_objects(), **custom_objects})
    with CustomObjectScope(custom_objects):
        return from_config(config) if from_config is not None else found(**config)


def has_arg(fn: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether a callable takes an argument of that name by keyword; with `accept_all`, **kwargs count too."""
    parameters = inspect.signature(fn).parameters
    if name in parameters:
        return parameters[name].kind in (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        )
    return accept_all and any(entry.kind is inspect.Parameter.VAR_KEYWORD for entry in parameters.values())
