"""The layers, under the names Keras gives them."""

from __future__ import annotations

from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.input import Input, InputLayer
from kgraph.keras.layers.nodes import InputSpec

__all__ = ["Input", "InputLayer", "InputSpec", "Layer"]
