"""Layers that pad, crop and enlarge: ZeroPadding, Cropping and UpSampling for one to three axes."""

from __future__ import annotations

from typing import Any

from kgraph.errors import ShapeError, UnsupportedError, describe
from kgraph.ir.dims import Dim
from kgraph.keras.layers.arguments import int_tuple, one_of, pair_tuple
from kgraph.keras.layers.spatial import Spatial
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.ops.shape import Repeat, pad, slice_axis


class ZeroPadding(Spatial):
    """Zeros around: `padding` is one amount, one per axis, or a pair (before, after) per axis."""

    @legacy(data_format="dim_ordering")
    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.padding = pair_tuple(padding, self.spatial, "padding")

    def call(self, inputs: Tensor) -> Tensor:
        amounts: list[tuple[Dim, Dim]] = [(0, 0)] * inputs.ndim
        for axis, pair in zip(self.spatial_axes, self.padding, strict=True):
            amounts[axis] = pair
        return Tensor(pad(inputs.value, amounts))


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after the steps."""

    spatial = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around an image."""

    spatial = 2


class ZeroPadding3D(ZeroPadding):
    """Zeros around a volume."""

    spatial = 3


class Cropping(Spatial):
    """Positions taken away at both ends: `cropping` is one amount, one per axis, or a pair (before, after) per axis.

    Raises ShapeError when nothing would be left.
    """

    default: Any = 0

    @legacy(data_format="dim_ordering")
    def __init__(self, cropping: Any = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.cropping = pair_tuple(self.default if cropping is None else cropping, self.spatial, "cropping")

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs.value
        for axis, (before, after) in zip(self.spatial_axes, self.cropping, strict=True):
            size = x.shape[axis]
            if isinstance(size, int) and before + after >= size:
                raise ShapeError(
                    describe(
                        f"layer {self.name} would leave nothing of axis {axis}",
                        expected=f"more than {before + after}",
                        got=size,
                        where=self.name,
                    )
                )
            x = slice_axis(x, axis, before, size - after)
        return Tensor(x)


class Cropping1D(Cropping):
    """Fewer steps at the ends; one at either end unless given."""

    spatial = 1
    default = 1


class Cropping2D(Cropping):
    """An image without its margins."""

    spatial = 2


class Cropping3D(Cropping):
    """A volume without its margins; one position on each side unless given."""

    spatial = 3
    default = 1


class UpSampling(Spatial):
    """Each position repeated `size` times along each axis."""

    @legacy(size="length", data_format="dim_ordering")
    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.size = int_tuple(size, self.spatial, "size")

    def call(self, inputs: Tensor) -> Tensor:
        counts = dict(zip(self.spatial_axes, self.size, strict=True))
        return Tensor(Repeat(tuple(counts.get(axis, 1) for axis in range(inputs.value.rank)))(inputs.value))


class UpSampling1D(UpSampling):
    """Each step repeated."""

    spatial = 1


class UpSampling2D(UpSampling):
    """Each pixel repeated. The only `interpolation` is "nearest"; others raise UnsupportedError."""

    spatial = 2

    @legacy(data_format="dim_ordering")
    def __init__(
        self, size: Any = 2, data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(size=size, data_format=data_format, **kwargs)
        self.interpolation = one_of(interpolation, ("nearest", "bilinear"), "interpolation")
        if self.interpolation != "nearest":
            raise UnsupportedError(
                describe("UpSampling2D interpolates by repetition", expected="'nearest'", got=interpolation)
            )


class UpSampling3D(UpSampling):
    """Each voxel repeated."""

    spatial = 3
