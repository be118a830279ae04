"""The names that programs import from `keras.engine.input_layer`; each is defined elsewhere."""

from __future__ import annotations

from kgraph.keras.layers.input import Input, InputLayer

__all__ = ["Input", "InputLayer"]
