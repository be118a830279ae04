"""Models: networks of layers that train."""

from __future__ import annotations

from kgraph.keras.layers.registry import register
from kgraph.keras.models.clone import clone_model
from kgraph.keras.models.model import Model
from kgraph.keras.models.sequential import Sequential
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

register({"Model": Model, "Functional": Model, "Sequential": Sequential})
