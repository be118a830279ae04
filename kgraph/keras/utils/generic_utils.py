"""The names that programs import from `keras.utils.generic_utils`; each is defined elsewhere in this package."""

from __future__ import annotations

from kgraph.keras.utils.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
)
from kgraph.keras.utils.naming import to_snake_case
from kgraph.keras.utils.progbar import Progbar
from kgraph.keras.utils.serialization import (
    deserialize_keras_object,
    has_arg,
    serialize_keras_object,
)

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "has_arg",
    "serialize_keras_object",
    "to_snake_case",
]
