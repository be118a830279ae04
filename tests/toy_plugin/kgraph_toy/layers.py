"""A layer that uses the op."""

from __future__ import annotations

from kgraph import keras
from kgraph.keras.tensor import Tensor
from kgraph_toy.ops import SoftClip


class SoftClipping(keras.layers.Layer):
    """Bounds its input smoothly to (-limit, limit)."""

    def __init__(self, limit=1.0, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, inputs):
        return Tensor(SoftClip(self.limit)(inputs.value))
