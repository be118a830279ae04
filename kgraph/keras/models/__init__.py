"""Models: networks of layers that train."""

from __future__ import annotations

from kgraph.keras.layers.registry import register
from kgraph.keras.models.model import Model
from kgraph.keras.models.sequential import Sequential

__all__ = ["Model", "Sequential"]

register({"Model": Model, "Functional": Model, "Sequential": Sequential})
