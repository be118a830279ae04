"""Locally connected layers: convolution whose weights differ by position."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod
from typing import Any

from kgraph.errors import NotBuiltError, ShapeError, describe
from kgraph.keras import backend as K
from kgraph.keras.layers.arguments import int_tuple, one_of, positive_int
from kgraph.keras.layers.parameters import Kernel
from kgraph.keras.layers.spatial import Spatial
from kgraph.keras.legacy import WEIGHTS, legacy
from kgraph.keras.tensor import Tensor


class LocallyConnected(Kernel, Spatial, ABC):
    """y[p] = activation(x[window p] kernel[p] + bias[p]): each window, as one row, times a matrix of its own.

    x [batch, *S, C] -> y [batch, *P, filters] with (size - kernel_size) // strides + 1 positions on each axis; with
    "channels_first" the channels of both are on axis 1.
    Weights: kernel [prod P, prod kernel_size * C, filters], whose rows are (*kernel_size, C) in row-major order, or
    (C, *kernel_size) with "channels_first"; bias [*P, filters], which "channels_first" takes as [filters, *P], element
    by element as it lies. All of that is as in Keras 2.3.

    `implementation` 1, 2 or 3 is accepted and has no effect: it is one product for all positions at once.
    Raises ArgumentError for any other padding than "valid", NotBuiltError where a size of the input is not known,
    and ShapeError where the input is smaller than a window.
    """

    @legacy(
        filters="nb_filter",
        kernel_size="filter_length",
        strides="subsample_length",
        padding="border_mode",
        data_format="dim_ordering",
        **WEIGHTS,
    )
    @legacy(kernel_size=("nb_row", "nb_col"), strides="subsample")
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            data_format=data_format,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.filters = positive_int(filters, "filters")
        self.kernel_size = int_tuple(kernel_size, self.spatial, "kernel_size")
        self.strides = int_tuple(strides, self.spatial, "strides")
        self.padding = one_of(padding, ("valid",), "padding")
        self.implementation = one_of(implementation, (1, 2, 3), "implementation")

    def build(self, input_shape: Any) -> None:
        self._positions = self._count_positions(input_shape)
        rows = prod(self.kernel_size) * input_shape[self.channel_axis]
        self.kernel = self.make("kernel", (prod(self._positions), rows, self.filters))
        self.make_bias(*self._positions, self.filters)
        self.built = True

    def _count_positions(self, input_shape: Any) -> tuple[int, ...]:
        """How often the window fits on each axis."""
        if None in input_shape[1:]:
            raise NotBuiltError(
                describe(
                    f"layer {self.name} has weights for each position and must know the sizes of its input",
                    expected="integers on all axes but the first",
                    got=input_shape,
                    where=self.name,
                )
            )
        sizes = [input_shape[axis] for axis in self.spatial_axes]
        if any(size < window for size, window in zip(sizes, self.kernel_size, strict=True)):
            raise ShapeError(
                describe(
                    f"layer {self.name}: the input is smaller than a window",
                    expected=f"{self.kernel_size} or more",
                    got=tuple(sizes),
                    where=self.name,
                )
            )
        windows = zip(sizes, self.kernel_size, self.strides, strict=True)
        return tuple((size - window) // step + 1 for size, window, step in windows)

    def call(self, inputs: Tensor) -> Tensor:
        y = self.convolve(Tensor(self.in_dtype(inputs.value)))
        return self.activation(y if self.bias is None else K.bias_add(y, self.bias, self.data_format))

    @abstractmethod
    def convolve(self, x: Tensor) -> Tensor:
        """Each window of `x` times its own matrix."""


class LocallyConnected1D(LocallyConnected):
    """Local connections over steps.   x [batch, steps, C] -> y [batch, windows, filters]."""

    spatial = 1

    def convolve(self, x: Tensor) -> Tensor:
        return K.local_conv1d(x, self.kernel, self.kernel_size, self.strides, self.data_format)


class LocallyConnected2D(LocallyConnected):
    """Local connections over rows and columns.   x [batch, rows, columns, C] -> y of the same rank."""

    spatial = 2

    def convolve(self, x: Tensor) -> Tensor:
        sizes = self.kernel_size, self.strides, self._positions
        return K.local_conv2d(x, self.kernel, *sizes, self.data_format)
