"""`Spatial`: what layers over images, volumes and sequences with channels share.

The ops have the channels in front. Layers whose channels are last put Transposes around them; a pass of the compiler
takes those away again, so that a whole network of such layers transposes its input once.
"""

from __future__ import annotations

from typing import Any, ClassVar

from kgraph.ir.graph import Value
from kgraph.keras import backend as K
from kgraph.keras.backend.shape import spatial_axes
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.nodes import InputSpec
from kgraph.ops.shape import transpose


class Spatial(Layer):
    """A layer on [batch, *S, channels], or with `data_format="channels_first"` on [batch, channels, *S].

    `spatial` says how many axes S has. The format is the global setting unless given.
    """

    spatial: ClassVar[int] = 2

    def __init__(self, *, data_format: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = K.normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.spatial + 2)

    @property
    def channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else self.spatial + 1

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        return spatial_axes(self.spatial + 2, self.data_format)

    def channels_first(self, x: Value) -> Value:
        """An input of the layer as [batch, channels, *S]."""
        return transpose(x, (0, self.channel_axis, *self.spatial_axes))

    def as_given(self, y: Value) -> Value:
        """[batch, channels, *S] in the format of the layer."""
        if self.data_format == "channels_first":
            return y
        return transpose(y, (0, *range(2, self.spatial + 2), 1))
