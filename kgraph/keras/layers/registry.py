"""Which class a name in a configuration means: the built-in layers and models, and those of plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgraph.keras.utils.serialization import deserialize_keras_object, serialize_keras_object
from kgraph.plugins.builtin import default_manager

_BUILT_IN: dict[str, Any] = {}


def register(classes: Mapping[str, Any]) -> None:
    """Add built-in layers or models by name."""
    _BUILT_IN.update(classes)


def plugin_layers() -> Mapping[str, Any]:
    """The layers that plug-ins contribute, by name."""
    return default_manager().layers()


def known() -> Mapping[str, Any]:
    """The layers and models that a name may mean without custom objects."""
    return {**plugin_layers(), **_BUILT_IN}


def serialize(layer: Any) -> Any:
    """A layer or model as {"class_name", "config"}."""
    return serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer or model that {"class_name", "config"} describes; a layer comes back as it is.

    Raises ArgumentError for a class that is neither built in, nor from a plug-in, nor among the custom objects.
    """
    if hasattr(config, "get_config"):
        return config
    return deserialize_keras_object(config, known(), custom_objects, "layer")
