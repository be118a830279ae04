"""The names that programs import from `keras.engine.topology`; each is defined elsewhere."""

from __future__ import annotations

from kgraph.keras.engine.saving import load_weights_from_hdf5_group, load_weights_from_hdf5_group_by_name
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.input import Input, InputLayer
from kgraph.keras.layers.nodes import InputSpec, Node
from kgraph.keras.models.network import Network
from kgraph.keras.utils.layer_utils import get_source_inputs

__all__ = [
    "Input",
    "InputLayer",
    "InputSpec",
    "Layer",
    "Network",
    "Node",
    "get_source_inputs",
    "load_weights_from_hdf5_group",
    "load_weights_from_hdf5_group_by_name",
]
