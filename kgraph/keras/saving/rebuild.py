"""Models from configurations: what a file says a model is, as layers that compute."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from kgraph.keras.layers import registry
from kgraph.keras.layers.weights import without_initialisers
from kgraph.keras.saving.dialects import read_model


def rebuild(
    config: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    initialise: bool = True,
) -> Any:
    """The model (or layer) of a configuration {"class_name", "config"} in any form that Keras has written.

    Without `initialise` weights are zeros that take no memory until they are written, for a file to fill them.
    Raises FileError for a configuration that describes no model.
    """
    own = read_model(config, custom_objects, safe_mode)
    with nullcontext() if initialise else without_initialisers():
        return registry.deserialize(own, custom_objects)
