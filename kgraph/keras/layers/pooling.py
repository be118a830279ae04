"""Pooling over windows and over everything. One class per kind of pooling, a subclass per number of axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kgraph.ir.graph import Value
from kgraph.keras.layers.arguments import int_tuple, one_of
from kgraph.keras.layers.spatial import Spatial
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import div, mul
from kgraph.ops.logic import cast
from kgraph.ops.pool import average_pool, max_pool
from kgraph.ops.reduce import reduce_max, reduce_mean, reduce_sum
from kgraph.ops.windows import same_pads


class Pooling(Spatial):
    """Windows of `pool_size`, `strides` apart (side by side unless given), each reduced to one element.

    `padding` "valid" leaves out what fills no window, "same" gives ceil(size / stride) windows; what is padded does
    not take part.
    """

    pool: Callable[..., Value]

    @legacy(pool_size="pool_length", strides="stride", padding="border_mode", data_format="dim_ordering")
    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.pool_size = int_tuple(pool_size, self.spatial, "pool_size")
        self.strides = self.pool_size if strides is None else int_tuple(strides, self.spatial, "strides")
        self.padding = one_of(padding, ("valid", "same"), "padding")

    def call(self, inputs: Tensor) -> Tensor:
        x = self.channels_first(inputs.value)
        pads = None
        if self.padding == "same":
            pads = tuple(map(same_pads, x.shape[2:], self.pool_size, self.strides))
        return Tensor(self.as_given(type(self).pool(x, self.pool_size, self.strides, pads)))


class MaxPooling1D(Pooling):
    """The largest value of each window of steps.   x [batch, steps, channels] -> y [batch, windows, channels]."""

    spatial = 1
    pool = staticmethod(max_pool)


class MaxPooling2D(Pooling):
    """The largest value of each window.   x [batch, rows, columns, channels] -> y of the same rank."""

    spatial = 2
    pool = staticmethod(max_pool)


class MaxPooling3D(Pooling):
    """The largest value of each window of a volume."""

    spatial = 3
    pool = staticmethod(max_pool)


class AveragePooling1D(Pooling):
    """The mean of each window of steps.   x [batch, steps, channels] -> y [batch, windows, channels]."""

    spatial = 1
    pool = staticmethod(average_pool)


class AveragePooling2D(Pooling):
    """The mean of each window.   x [batch, rows, columns, channels] -> y of the same rank."""

    spatial = 2
    pool = staticmethod(average_pool)


class AveragePooling3D(Pooling):
    """The mean of each window of a volume."""

    spatial = 3
    pool = staticmethod(average_pool)


class GlobalPooling(Spatial):
    """All positions reduced to one.   x [batch, *S, channels] -> y [batch, channels], or with 1 for each of S."""

    reduction: Callable[..., Value]

    @legacy(data_format="dim_ordering")
    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.keepdims = bool(keepdims)

    def call(self, inputs: Tensor) -> Tensor:
        return Tensor(type(self).reduction(inputs.value, self.spatial_axes, self.keepdims))


class GlobalMaxPooling1D(GlobalPooling):
    """The largest value over all steps."""

    spatial = 1
    reduction = staticmethod(reduce_max)


class GlobalMaxPooling2D(GlobalPooling):
    """The largest value over rows and columns."""

    spatial = 2
    reduction = staticmethod(reduce_max)


class GlobalMaxPooling3D(GlobalPooling):
    """The largest value of a volume."""

    spatial = 3
    reduction = staticmethod(reduce_max)


class GlobalAveragePooling1D(GlobalPooling):
    """The mean over all steps, or over the valid ones when the input has a mask."""

    spatial = 1
    supports_masking = True
    reduction = staticmethod(reduce_mean)

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        if mask is None:
            return super().call(inputs)
        x, axes = inputs.value, self.spatial_axes
        shape = [1] * x.rank
        shape[0], shape[axes[0]] = mask.dims
        weights = reshape(cast(mask.value, x.dtype), shape)
        total = reduce_sum(mul(x, weights), axes, self.keepdims)
        return Tensor(div(total, reduce_sum(weights, axes, self.keepdims)))

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None


class GlobalAveragePooling2D(GlobalPooling):
    """The mean over rows and columns."""

    spatial = 2
    reduction = staticmethod(reduce_mean)


class GlobalAveragePooling3D(GlobalPooling):
    """The mean of a volume."""

    spatial = 3
    reduction = staticmethod(reduce_mean)


AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)
