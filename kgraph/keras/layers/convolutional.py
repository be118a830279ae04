"""Convolution: plain, transposed, depthwise and separable, over one to three axes.

Kernels are [*K, channels, filters], as Keras keeps them in files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from kgraph.errors import ArgumentError, NotBuiltError, describe
from kgraph.ir.dims import Dim, maximum
from kgraph.ir.graph import Value
from kgraph.keras.layers.arguments import int_tuple, one_of, positive_int
from kgraph.keras.layers.config import extends
from kgraph.keras.layers.parameters import Biased, Kernel
from kgraph.keras.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from kgraph.keras.layers.resizing import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from kgraph.keras.layers.spatial import Spatial
from kgraph.keras.legacy import WEIGHTS, legacy, warn_legacy
from kgraph.keras.tensor import Tensor
from kgraph.lazy import lazy_names
from kgraph.ops.conv import conv, conv_transpose, from_keras_kernel
from kgraph.ops.windows import Pads, causal_pads, same_pads, span

# Older programs import pooling, resizing and separable convolutions from here.
__all__ = [
    "AtrousConv1D",
    "AtrousConv2D",
    "AtrousConvolution1D",
    "AtrousConvolution2D",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Convolution1D",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Deconv2D",
    "Deconv3D",
    "Deconvolution2D",
    "Deconvolution3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]


class Windowed(Biased, Spatial):
    """A layer with bias and activation that slides a window: `kernel_size`, `strides`, `padding` and `dilation_rate`.

    `padding` is "valid", "same" or, over one axis, "causal": output t sees no input later than t.
    """

    def __init__(
        self, *, kernel_size: Any, strides: Any, padding: str, dilation_rate: Any, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = int_tuple(kernel_size, self.spatial, "kernel_size")
        self.strides = int_tuple(strides, self.spatial, "strides")
        self.padding = one_of(
            padding, ("valid", "same", "causal")[: 3 if self.spatial == 1 else 2], "padding"
        )
        self.dilation_rate = int_tuple(dilation_rate, self.spatial, "dilation_rate")

    def pads_for(self, sizes: Sequence[Dim]) -> Pads | None:
        """What to add around spatial axes of these sizes."""
        if self.padding == "same":
            return tuple(map(same_pads, sizes, self.kernel_size, self.strides, self.dilation_rate))
        if self.padding == "causal":
            return tuple(map(causal_pads, self.kernel_size, self.dilation_rate))
        return None

    def convolve(self, x: Value, kernel: Value, groups: int = 1) -> Value:
        """x [batch, C, *S] with kernel [filters, C / groups, *K] -> [batch, filters, *S']."""
        return conv(x, kernel, self.strides, self.pads_for(x.shape[2:]), self.dilation_rate, groups)

    def channels_of(self, input_shape: Any) -> int:
        """How many channels the input has. Raises NotBuiltError when that is not known."""
        channels = input_shape[self.channel_axis]
        if channels is None:
            raise NotBuiltError(
                describe(
                    f"layer {self.name} must know its channels",
                    expected=f"an integer on axis {self.channel_axis}",
                    got=input_shape,
                    where=self.name,
                )
            )
        return channels

    def finish(self, y: Value) -> Tensor:
        """[batch, filters, *S] with the bias, in the format of the layer, activated."""
        return self.activation(Tensor(self.as_given(self.with_bias(y, 1))))


class Convolution(Kernel, Windowed):
    """The arguments that plain and transposed convolution share."""

    @legacy(
        filters="nb_filter",
        kernel_size="filter_length",
        strides="subsample_length",
        padding="border_mode",
        data_format="dim_ordering",
        dilation_rate="atrous_rate",
        **WEIGHTS,
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
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
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

    def channels_first(self, x: Value) -> Value:
        """An input as [batch, channels, *S], in the dtype of the weights."""
        return super().channels_first(self.in_dtype(x))


class Conv(Convolution):
    """y = activation(conv(x, kernel) + bias): each window times the kernel, summed over its elements and channels.

    x [batch, *S, C] -> y [batch, *S', filters].   Weights: kernel [*kernel_size, C / groups, filters], bias [filters].
    Raises ArgumentError when `groups` does not divide the channels and the filters.
    """

    @extends(Convolution.__init__)
    def __init__(self, *args: Any, groups: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.groups = positive_int(groups, "groups")

    def build(self, input_shape: Any) -> None:
        channels = self.channels_of(input_shape)
        if channels % self.groups or self.filters % self.groups:
            raise ArgumentError(
                describe(
                    f"layer {self.name}: groups must divide channels and filters",
                    expected=f"a divisor of {channels} and {self.filters}",
                    got=self.groups,
                    where=self.name,
                )
            )
        self.kernel = self.make("kernel", (*self.kernel_size, channels // self.groups, self.filters))
        self.make_bias(self.filters)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        x = self.channels_first(inputs.value)
        return self.finish(self.convolve(x, from_keras_kernel(self.kernel.value), self.groups))


class Conv1D(Conv):
    """Convolution over steps.   x [batch, steps, C] -> y [batch, windows, filters]."""

    spatial = 1


class Conv2D(Conv):
    """Convolution over rows and columns.   x [batch, rows, columns, C] -> y of the same rank."""

    spatial = 2


class Conv3D(Conv):
    """Convolution over the three axes of a volume."""

    spatial = 3


class ConvTranspose(Convolution):
    """The transpose of `Conv`: each input element spreads over a window of the output.

    A size n becomes n * stride with padding "same" and (n - 1) * stride + max(span, stride) with "valid", where span
    is what the kernel covers; `output_padding` says the sizes exactly: (n - 1) * stride + span with "valid", the parity
    of span instead of span with "same", plus itself.
    Weights: kernel [*kernel_size, filters, C], bias [filters].
    """

    @extends(Convolution.__init__)
    @legacy(filters="nb_filter", strides="subsample", padding="border_mode", data_format="dim_ordering")
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, data_format, *args, **kwargs)
        self.output_padding = (
            None
            if output_padding is None
            else int_tuple(output_padding, self.spatial, "output_padding", least=0)
        )

    def build(self, input_shape: Any) -> None:
        self.kernel = self.make("kernel", (*self.kernel_size, self.filters, self.channels_of(input_shape)))
        self.make_bias(self.filters)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        x = self.channels_first(inputs.value)
        extra = self.output_padding or (None,) * self.spatial
        spans = map(span, self.kernel_size, self.dilation_rate)
        frames = [self._frame(*axis) for axis in zip(x.shape[2:], spans, self.strides, extra, strict=True)]
        shape, pads = tuple(size for size, _ in frames), tuple(pair for _, pair in frames)
        kernel = from_keras_kernel(self.kernel.value)
        return self.finish(conv_transpose(x, kernel, shape, self.strides, pads, self.dilation_rate))

    def _frame(self, size: Dim, window: int, stride: int, extra: int | None) -> tuple[Dim, tuple[Dim, Dim]]:
        """The size of an output axis, and what the convolution that this transposes would pad it with."""
        if self.padding == "same":
            out = size * stride if extra is None else (size - 1) * stride + window % 2 + extra
            total = maximum((size - 1) * stride + window - out, 0)
            return out, (total // 2, total - total // 2)
        rest = max(window, stride) - window if extra is None else extra
        return (size - 1) * stride + window + rest, (0, 0)


class Conv1DTranspose(ConvTranspose):
    """Transposed convolution over steps."""

    spatial = 1


class Conv2DTranspose(ConvTranspose):
    """Transposed convolution over rows and columns."""

    spatial = 2


class Conv3DTranspose(ConvTranspose):
    """Transposed convolution over the three axes of a volume."""

    spatial = 3


def Convolution2D(*args: Any, **kwargs: Any) -> Conv2D:
    """Keras 1's spelling of `Conv2D`: rows and columns of the kernel may stand as two integers.

    `Convolution2D(32, 3, 3)` is `Conv2D(32, (3, 3))`, where `Conv2D(32, 3, 3)` has strides of 3.
    """
    return _keras_1(Conv2D, ("nb_row", "nb_col"), args, kwargs)


def Convolution3D(*args: Any, **kwargs: Any) -> Conv3D:
    """Keras 1's spelling of `Conv3D`: the sizes of the kernel may stand as three integers."""
    return _keras_1(Conv3D, ("kernel_dim1", "kernel_dim2", "kernel_dim3"), args, kwargs)


def Deconvolution2D(*args: Any, **kwargs: Any) -> Conv2DTranspose:
    """Keras 1's spelling of `Conv2DTranspose`: rows and columns of the kernel may stand as two integers."""
    return _keras_1(Conv2DTranspose, ("nb_row", "nb_col"), args, kwargs)


def _keras_1(
    make: Callable[..., Any], names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    filters, sizes = args[:1], list(takewhile(lambda arg: isinstance(arg, int), args[1 : 1 + len(names)]))
    named = names[len(sizes) :]
    if not all(name in kwargs for name in named):
        return make(*args, **kwargs)
    kernel_size = (*sizes, *(kwargs.pop(name) for name in named))
    warn_legacy(make.__name__, ", ".join(names), f"kernel_size={kernel_size}")
    if filters:
        return make(*filters, kernel_size, *args[1 + len(sizes) :], **kwargs)
    return make(kernel_size=kernel_size, **kwargs)


Convolution1D = AtrousConvolution1D = AtrousConv1D = Conv1D
AtrousConvolution2D = AtrousConv2D = Convolution2D
Convolution2DTranspose = Deconv2D = Deconvolution2D
Convolution3DTranspose = Deconvolution3D = Deconv3D = Conv3DTranspose

_SEPARABLE = (
    *("DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    *("SeparableConvolution1D", "SeparableConvolution2D"),
)
__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(_SEPARABLE, "kgraph.keras.layers.separable"))
