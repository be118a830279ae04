"""Names, plain data and objects of one kind: the `get`, `serialize` and `deserialize` of Keras's modules."""

from __future__ import annotations

import inspect
from collections.abc import Container, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras.utils.serialization import deserialize_keras_object, serialize_keras_object

LOOKUPS: dict[str, Lookup] = {}
"""The table of each kind, once its module is imported."""


class Lookup:
    """The things of one kind that a module defines, by every name they have there.

    kind       what errors call them: "initializer"
    namespace  the module's globals(), after all definitions: its public functions, and classes derived from `base`
    base       the class that all of them derive from; None when they are plain functions
    modules    further modules whose functions count when the namespace has them
    factories  whether the module's functions make such things, rather than being such things themselves
    """

    def __init__(
        self,
        kind: str,
        namespace: Mapping[str, Any],
        base: type | None = None,
        *,
        factories: bool = False,
        modules: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        homes = {namespace["__name__"], *modules}
        self._names = {name: entry for name, entry in namespace.items() if _is_one(name, entry, base, homes)}
        LOOKUPS[kind] = self
        made = [entry for entry in self._names.values() if inspect.isfunction(entry)] if factories else []
        self._factories = frozenset(made)

    @property
    def names(self) -> Mapping[str, Any]:
        """What each name stands for."""
        return MappingProxyType(self._names)

    def serialize(self, instance: Any) -> Any:
        """An object as plain data: {"class_name", "config"}, or the name of a function."""
        return serialize_keras_object(instance)

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """What a name or plain data stands for. Raises ArgumentError for a name that nobody knows."""
        return deserialize_keras_object(config, self._names, custom_objects, self.kind)

    def get(self, identifier: Any) -> Any:
        """The object for a name, plain data, or a class. Other callables, and None, are what they are.

        Raises ArgumentError for an unknown name, and for what cannot be called.
        """
        found = self.deserialize(identifier)
        if inspect.isclass(found) or (inspect.isfunction(found) and found in self._factories):
            found = found()
        if found is not None and not callable(found):
            raise ArgumentError(
                describe(
                    f"not a {self.kind}", expected="a name, plain data or a callable", got=repr(identifier)
                )
            )
        return found


def _is_one(name: str, entry: Any, base: type | None, homes: Container[str]) -> bool:
    if name.startswith("_"):
        return False
    if inspect.isclass(entry):
        return base is not None and issubclass(entry, base)
    return inspect.isfunction(entry) and entry.__module__ in homes
