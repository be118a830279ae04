"""Models as files, in the forms that Keras reads and writes."""

from __future__ import annotations

from kgraph.keras.saving.api import load_model, load_weights, save_model, save_weights
from kgraph.keras.saving.listing import list_weights
from kgraph.keras.saving.outline import Outline, read_outline
from kgraph.keras.saving.text import model_from_config, model_from_json, model_from_yaml, to_json, to_yaml

__all__ = [
    "Outline",
    "list_weights",
    "load_model",
    "load_weights",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "read_outline",
    "save_model",
    "save_weights",
    "to_json",
    "to_yaml",
]
