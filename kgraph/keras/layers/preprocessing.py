"""What is done to images and tables before a network sees them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.ir.graph import Constant
from kgraph.keras import settings
from kgraph.keras.layers.base import Layer
from kgraph.keras.tensor import Tensor
from kgraph.ops.elementwise import add, mul
from kgraph.ops.logic import cast


class Rescaling(Layer):
    """y = scale x + offset, in the dtype of the layer: bytes become floats.

    Each is a number or a nesting of numbers that broadcasts against x from its last axis. With the global image format
    "channels_first" a scale that is no number begins at the channels: [channels] stands for [channels, 1, 1].
    Raises ArgumentError for what is not numbers.
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = self._numbers(scale, "scale")
        self.offset = self._numbers(offset, "offset")

    def call(self, inputs: Tensor) -> Tensor:
        scale = np.asarray(self.scale, self.compute_dtype)
        if scale.ndim and settings.image_data_format() == "channels_first":
            scale = scale.reshape(*scale.shape, *[1] * (3 - scale.ndim))
        scaled = mul(cast(inputs.value, self.compute_dtype), Constant(scale))
        return Tensor(add(scaled, Constant(np.asarray(self.offset, self.compute_dtype))))

    def _numbers(self, value: Any, name: str) -> Any:
        """A number, or lists of numbers."""
        plain = np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic) else value
        try:
            np.asarray(plain, "float64")
        except (TypeError, ValueError):
            raise ArgumentError(
                describe(f"bad value for {name}", expected="numbers", got=repr(value), where=self.name)
            ) from None
        return plain
