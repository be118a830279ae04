"""Models from configurations: what a file says a model is, as layers that compute."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import Any

from kgraph.keras.layers import registry
from kgraph.keras.layers.weights import without_initialisers
from kgraph.keras.saving.dialects import read_model
from kgraph.keras.saving.limits import made_of
from kgraph.keras.utils.custom_objects import Objects


def rebuild(
    config: Any,
    custom_objects: Objects | None = None,
    safe_mode: bool = True,
    initialise: bool = True,
    keras_version: str | None = None,
    room: float = float("inf"),
) -> Any:
    """The model (or layer) of a configuration {"class_name", "config"} in any form that Keras has written.

    Without `initialise` weights are zeros, for a file to fill them; they may have `room` bytes in all.
    `keras_version` is what the file says wrote it.
    Raises what `read_model` raises, and FileError and GraphError for wiring that cannot be.
    """
    with made_of("the model"):
        own = read_model(config, custom_objects, safe_mode, keras_version)
    with nullcontext() if initialise else without_initialisers(room), warnings.catch_warnings():
        # The old spellings in a file are not its reader's doing.
        warnings.simplefilter("ignore", DeprecationWarning)
        with made_of("the model"):
            return registry.deserialize(own, custom_objects)
