"""Models as files, in the forms that Keras reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.lazy import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Outline": ".outline",
        "list_weights": ".listing",
        "load_model": ".api",
        "load_weights": ".api",
        "model_from_config": ".text",
        "model_from_json": ".text",
        "model_from_yaml": ".text",
        "read_outline": ".outline",
        "save_model": ".api",
        "save_weights": ".api",
        "to_json": ".text",
        "to_yaml": ".text",
    },
)
