"""The names that programs import from `keras.engine.base_layer`; each is defined elsewhere."""

from __future__ import annotations

from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.nodes import InputSpec, Node

__all__ = ["InputSpec", "Layer", "Node"]
