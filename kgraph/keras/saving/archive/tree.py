"""Which group of a weights file belongs to which layer: the paths of Keras 3.

Keras 3 names groups by the attributes that lead to a layer: `layers/bidirectional/forward_layer/cell`. Within a list
the name is that of the class, with a number when there are several: `dense`, `dense_1`. Layers are met in the
alphabetical order of attributes, private ones last, except that models with a graph begin with their layers; what was
met once is not met again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from kgraph.keras.layers.base import Layer
from kgraph.keras.optimizers import Optimizer

OTHER_NAMES = {"Bidirectional": {"layer": "forward_layer"}}
"""Attributes that Keras 3 calls differently, by class."""

OWN_LISTS = frozenset({"_stack", "_graph_layers"})
"""Where models with a graph keep what they list as `layers`."""

_WORDS = (re.compile(r"(.)([A-Z][a-z]+)"), re.compile(r"([a-z])([A-Z])"))


def places(model: Any, nested: bool = True) -> Iterator[tuple[str, Any]]:
    """(path, layer or optimizer) for all that Keras would save of a model, in its order; the model has the path "".

    `nested` says whether lists within lists count. They do not in files from before Keras 3.14, where their layers are
    among the `layers` of the model instead.
    """
    seen: dict[int, Any] = {}
    stack: list[tuple[str, Any]] = [("", model)]
    while stack:
        path, item = stack.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if isinstance(item, Layer | Optimizer):
            yield path, item
            inside = _attributes(item)
        else:
            inside = _numbered(item, nested)
        found = [(f"{path}/{name}".lstrip("/"), value) for name, value in inside]
        stack += reversed([(name, value) for name, value in found if _counts(value)])


def group_name(name: str) -> str:
    """The name of a class as Keras 3 writes it in paths.

    >>> [group_name(name) for name in ("Dense", "Conv2D", "ConvLSTM2D", "PReLU", "_Mine")]
    ['dense', 'conv2d', 'conv_lstm2d', 'p_re_lu', '__mine']
    """
    name = re.sub(r"\W+", "", name)
    for pattern in _WORDS:
        name = pattern.sub(r"\1_\2", name)
    return name.lower()


def has_graph(item: Any) -> bool:
    """Whether something is a model that knows its layers: a functional one, or a Sequential."""
    return bool(getattr(item, "_is_graph_network", False)) or hasattr(item, "_stack")


def _counts(value: Any) -> bool:
    return isinstance(value, Layer | Optimizer | list | tuple | dict)


def _numbered(container: Any, nested: bool) -> Iterator[tuple[str, Any]]:
    counts: dict[str, int] = {}
    for item in container.values() if isinstance(container, dict) else container:
        if not _counts(item):
            continue
        is_container = isinstance(item, list | tuple | dict)
        if is_container and not nested:
            continue
        name = "container" if is_container else group_name(class_name(item))
        number = counts[name] = counts.get(name, -1) + 1
        yield (f"{name}_{number}" if number else name), item


def class_name(item: Any) -> str:
    """The class that Keras 3 makes of an object: functional models have one of their own."""
    name = type(item).__name__
    return "Functional" if name in ("Model", "Network") and has_graph(item) else name


def _attributes(item: Any) -> Iterator[tuple[str, Any]]:
    if has_graph(item):
        yield "layers", item.layers
    renamed = OTHER_NAMES.get(type(item).__name__, {})
    names = {renamed.get(name, name): name for name in _attribute_names(item)}
    for shown in sorted(names, key=lambda name: (name.startswith("_"), name)):
        try:
            value = getattr(item, names[shown])
        except AttributeError:
            continue
        yield shown, value


@cache
def _plain_attributes(base: type) -> frozenset[str]:
    return frozenset(vars(base(name="plain")))


def _attribute_names(item: Any) -> set[str]:
    """Attributes of the object, and what the classes of users define; not what every layer has."""
    names = set(vars(item))
    for base in type(item).__mro__:
        if base.__module__.startswith("kgraph.") or base is object:
            break
        names |= set(vars(base))
    names -= _plain_attributes(Layer if isinstance(item, Layer) else Optimizer)
    if isinstance(item, Layer) and hasattr(item, "_is_graph_network"):
        names -= OWN_LISTS
        names |= {"layers"}
    return {name for name in names if not name.startswith("__")}
