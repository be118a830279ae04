"""Convolution channel by channel, alone and followed by one that mixes the channels."""

from __future__ import annotations

from typing import Any

from kgraph.ir.graph import Value
from kgraph.keras.layers.arguments import positive_int
from kgraph.keras.layers.convolutional import Windowed
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.ops.broadcast import reshape
from kgraph.ops.conv import conv, from_keras_kernel
from kgraph.ops.shape import transpose


class Depthwise(Windowed):
    """Each channel by itself, with `depth_multiplier` kernels.

    x [batch, *S, C] -> y [batch, *S', C * depth_multiplier].
    Weights: depthwise_kernel [*kernel_size, C, depth_multiplier], bias.
    """

    @legacy(depthwise_initializer="init", padding="border_mode", data_format="dim_ordering", use_bias="bias")
    @legacy(strides="subsample")
    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.depth_multiplier = positive_int(depth_multiplier, "depth_multiplier")
        self.prescribe("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)

    def build(self, input_shape: Any) -> None:
        channels = self.channels_of(input_shape)
        self.make_depthwise(channels)
        self.make_bias(channels * self.depth_multiplier)
        self.built = True

    def make_depthwise(self, channels: int) -> None:
        """Create the weight `depthwise_kernel`."""
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self.make("depthwise_kernel", shape, stem="depthwise")

    def call(self, inputs: Tensor) -> Tensor:
        return self.finish(self.depthwise(self.channels_first(inputs.value)))

    def depthwise(self, x: Value) -> Value:
        """x [batch, C, *S] -> [batch, C * depth_multiplier, *S']."""
        kernel, n = self.depthwise_kernel.value, self.spatial
        apart = transpose(kernel, (n, n + 1, *range(n)))
        channels, each, *sizes = apart.shape
        return self.convolve(x, reshape(apart, (channels * each, 1, *sizes)), groups=channels)


class DepthwiseConv1D(Depthwise):
    """Depthwise convolution over steps."""

    spatial = 1


class DepthwiseConv2D(Depthwise):
    """Depthwise convolution over rows and columns."""

    spatial = 2


class Separable(Depthwise):
    """A depthwise convolution, then one of kernel size 1 to `filters` channels. Chollet, "Xception", 2017.

    Weights: depthwise_kernel [*kernel_size, C, depth_multiplier], pointwise_kernel [*1, C * depth_multiplier, filters],
    bias [filters].
    """

    @legacy(
        filters="nb_filter",
        depthwise_initializer="init",
        padding="border_mode",
        data_format="dim_ordering",
        use_bias="bias",
    )
    @legacy(strides="subsample")
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            depthwise_initializer,
            bias_initializer,
            depthwise_regularizer,
            bias_regularizer,
            activity_regularizer,
            depthwise_constraint,
            bias_constraint,
            **kwargs,
        )
        self.filters = positive_int(filters, "filters")
        self.prescribe("pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint)

    def build(self, input_shape: Any) -> None:
        channels = self.channels_of(input_shape)
        self.make_depthwise(channels)
        shape = (*[1] * self.spatial, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self.make("pointwise_kernel", shape, stem="pointwise")
        self.make_bias(self.filters)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        apart = self.depthwise(self.channels_first(inputs.value))
        return self.finish(conv(apart, from_keras_kernel(self.pointwise_kernel.value)))


class SeparableConv1D(Separable):
    """Separable convolution over steps."""

    spatial = 1


class SeparableConv2D(Separable):
    """Separable convolution over rows and columns."""

    spatial = 2


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
