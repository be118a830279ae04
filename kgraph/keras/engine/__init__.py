"""Older import paths: the machinery of Keras, by the names of its modules."""

from __future__ import annotations

from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.input import Input, InputLayer
from kgraph.keras.layers.nodes import InputSpec
from kgraph.keras.models.model import Model
from kgraph.keras.utils.layer_utils import get_source_inputs

__all__ = ["Input", "InputLayer", "InputSpec", "Layer", "Model", "get_source_inputs"]
