"""Models: networks of layers that train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.keras.layers.registry import register
from kgraph.keras.models.clone import clone_model
from kgraph.keras.models.model import Model
from kgraph.keras.models.sequential import Sequential
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.saving import (
        load_model,
        model_from_config,
        model_from_json,
        model_from_yaml,
        save_model,
    )

__all__ = [
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "save_model",
]

_FILES = ("load_model", "model_from_config", "model_from_json", "model_from_yaml", "save_model")
__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(_FILES, "kgraph.keras.saving"))

register({"Model": Model, "Functional": Model, "Sequential": Sequential})
