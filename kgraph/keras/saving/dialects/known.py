"""What kgraph has, by kind and name; and which descriptions speak of it rather than of something of a user's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras.layers import registry
from kgraph.keras.utils.custom_objects import GIVEN, Objects, get_registered_object
from kgraph.keras.utils.lookup import LOOKUPS

KINDS: Mapping[str, Callable[[], Mapping[str, Any]]] = MappingProxyType(
    {
        "layers": registry.known,
        "initializers": lambda: LOOKUPS["initializer"].names,
        "regularizers": lambda: LOOKUPS["regularizer"].names,
        "constraints": lambda: LOOKUPS["constraint"].names,
        "activations": lambda: LOOKUPS["activation"].names,
        "schedules": lambda: LOOKUPS["learning rate schedule"].names,
        "optimizers": lambda: LOOKUPS["optimizer"].names,
        "losses": lambda: LOOKUPS["loss function"].names,
        "metrics": lambda: LOOKUPS["metric"].names,
    }
)
"""Our names of each kind, in the order in which a name of unknown kind is looked up."""

OURS = ("keras", "tf_keras", "tensorflow", "kgraph", "builtins")
"""The modules whose classes and functions we have or know not to have; builtins is where Keras 3 says functions are."""

_BY_SUFFIX = {
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "activation": "activations",
    "learning_rate": "schedules",
    "layer": "layers",
    "model": "layers",
    "cell": "layers",
    "cells": "layers",
    **{kind: kind for kind in KINDS},
}


def kind_of_key(key: str) -> str | None:
    """The kind of what stands under a key of a configuration: kernel_initializer holds an initializer."""
    return _BY_SUFFIX.get(key, _BY_SUFFIX.get(key.rpartition("_")[2]))


def kind_of(name: str, key: str = "") -> str | None:
    """The kind of one of our names, which stands under a key. None for a name that is not ours."""
    likely = kind_of_key(key)
    kinds = list(KINDS) if likely is None else [likely, *(kind for kind in KINDS if kind != likely)]
    return next((kind for kind in kinds if name in KINDS[kind]()), None)


def is_custom(description: Mapping[str, Any], custom_objects: Objects | None) -> bool:
    """Whether {"class_name", "module", "registered_name"} means a user's class or function.

    Raises ArgumentError when it does and nobody has given it: it never stands for one of ours of the same name.
    """
    name, registered = description["class_name"], description.get("registered_name")
    if name == "function":
        name = description.get("config")
    names = [n for n in (registered, name) if isinstance(n, str)]
    if any(get_registered_object(n, custom_objects) is not None for n in names):
        return True
    module = description.get("module", "keras")
    foreign = not isinstance(module, str) or module.partition(".")[0] not in OURS
    renamed = isinstance(registered, str) and registered not in (name, "function", "Functional")
    if not foreign and not renamed and ">" not in str(name):
        return False
    raise ArgumentError(
        describe(
            f"unknown {names[0] if names else name}",
            expected=f"it {GIVEN}",
            got=f"{module}.{name}" if isinstance(module, str) else str(name),
        )
    )
