"""Recurrent layers over sequences of images: an `RNN` over a cell whose products are convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kgraph.ir.dims import Dim, symbol
from kgraph.ir.dims import product as size_of
from kgraph.ir.graph import Value
from kgraph.keras import activations
from kgraph.keras.layers.arguments import positive_int
from kgraph.keras.layers.cells import LongShort, StackedRNNCells, old_spellings
from kgraph.keras.layers.config import parameters_of
from kgraph.keras.layers.convolutional import Windowed
from kgraph.keras.layers.recurrent import RNN, CellRNN, keep
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.ops.broadcast import reshape
from kgraph.ops.conv import conv, from_keras_kernel
from kgraph.ops.scan import scan
from kgraph.ops.shape import full, transpose
from kgraph.ops.windows import output_size, same_pads

old_names = legacy(
    filters="nb_filter",
    kernel_size=("nb_row", "nb_col"),
    strides="subsample",
    padding="border_mode",
    data_format="dim_ordering",
)
"""The decorator for what Keras 1 called the arguments of the convolution."""


class ConvLSTMCell(LongShort, Windowed):
    """Long short-term memory whose states are images. Shi et al., "Convolutional LSTM network", 2015; no peepholes.

        [i, f, g, o] = conv(x, kernel) + conv(h, recurrent_kernel) + bias
        c' = s(f) c + s(i) a(g);   h' = s(o) a(c')       with a = activation, s = recurrent_activation

    x [batch, *S, C], h and c [batch, *S', filters]; with "channels_first" the channels are on axis 1. The arguments of
    a window hold for the convolution of x; that of h has strides of 1, no dilation, and "same" padding.
    Weights: kernel [*kernel_size, C, 4 * filters], recurrent_kernel [*kernel_size, filters, 4 * filters], bias
    [4 * filters]. Raises NotBuiltError where the channels are not known.
    """

    gate_axis = 1

    @old_names
    @old_spellings
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
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
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            **kwargs,
        )
        self.filters = positive_int(filters, "filters")
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = bool(unit_forget_bias)
        self._places: tuple[int | None, ...] = (None,) * self.spatial

    @property
    def width(self) -> int:
        return self.filters

    @property
    def state_size(self) -> list[tuple[int | None, ...]]:
        """The shapes of the states; sizes are None until the cell is built, and where those of its inputs are."""
        return [self._as_image(self._places)] * 2

    def _as_image(self, places: Sequence[Any]) -> tuple[Any, ...]:
        """The shape of a state with these sizes."""
        first = self.data_format == "channels_first"
        return (self.filters, *places) if first else (*places, self.filters)

    def build(self, input_shape: Any) -> None:
        sizes = [input_shape[axis] for axis in self.spatial_axes]
        known = [symbol(f"n{i}") if size is None else size for i, size in enumerate(sizes)]
        self._places = tuple(size if isinstance(size, int) else None for size in self._placed(known))
        self.make_weights(
            (*self.kernel_size, self.channels_of(input_shape)), (*self.kernel_size, self.filters)
        )

    def _placed(self, sizes: Sequence[Dim]) -> tuple[Dim, ...]:
        """The sizes of a state, from those of an input."""
        pads = self.pads_for(sizes) or ((0, 0),) * self.spatial
        return tuple(map(output_size, sizes, self.kernel_size, self.strides, self.dilation_rate, pads))

    def get_initial_state(self, inputs: Tensor) -> list[Tensor]:
        """Zeros, for a sequence [batch, time, …] of inputs."""
        batch, _, *sizes = inputs.dims
        places = self._placed([sizes[axis - 1] for axis in self.spatial_axes])
        return [Tensor(full((batch, *self._as_image(places)), 0.0, inputs.dtype))] * 2

    # -- a step, with the channels in front

    def call(self, inputs: Tensor, states: Any, training: Any = None) -> tuple[Tensor, list[Tensor]]:
        """One step. What `training` says must be settled: `RNN` traces both phases."""
        x, *old = (Tensor(self.channels_first(image.value)) for image in (inputs, *states))
        _, new = super().call(x, old, training)
        given = [Tensor(self.as_given(state.value)) for state in new]
        return given[0], given

    def project(self, x: Value) -> Value:
        return self.with_bias(self.convolve(x, from_keras_kernel(self.kernel.value)), 1)

    def recur(self, h: Value) -> Value:
        pads = tuple(map(same_pads, h.shape[2:], self.kernel_size))
        return conv(h, from_keras_kernel(self.recurrent_kernel.value), pads=pads)

    def as_op(self, activation: Any) -> Callable[[Value], Value]:
        """One that may look along an axis sees the image in the format of the layer."""
        apply = super().as_op(activation)
        named = getattr(activations, getattr(activation, "__name__", ""), None) is activation
        if named and "axis" not in parameters_of(activation):
            return apply
        return lambda value: self.channels_first(apply(self.as_given(value)))

    # -- a sequence

    def sequence(
        self, x: Value, states: Sequence[Value], mask: Value | None, reverse: bool, training: Any
    ) -> tuple[Value, ...]:
        """(outputs [B, T, …], last states) over x [B, T, …]: one convolution of all inputs, then a scan of the rest."""
        frames = self._over_steps(self.channels_first, x)
        time, batch, *image = frames.shape
        frames = self.thinned(frames, (1, batch, *image), training)
        z = self.project(reshape(frames, (time * batch, *image)))
        sequences = [reshape(z, (time, batch, *z.shape[1:]))]
        if mask is not None:
            sequences.append(transpose(mask, (1, 0)))

        def step(old: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            new = self.step(slices[0], list(old), self.seen(old[0], training))
            for here in slices[1:]:
                new = [keep(here, a, b) for a, b in zip(new, old, strict=True)]
            return new, new[:1]

        first = [self.channels_first(state) for state in states]
        last, (outputs,) = scan(step, first, sequences, reverse=reverse, name="conv_lstm")
        return self._over_steps(self.as_given, outputs), *map(self.as_given, last)

    def _over_steps(self, change: Callable[[Value], Value], x: Value) -> Value:
        """`change`, which is for [n, …], of each of [a, b, …], as [b, a, …]."""
        a, b, *image = x.shape
        made = change(reshape(x, (size_of((a, b)), *image)))
        apart = reshape(made, (a, b, *made.shape[1:]))
        return transpose(apart, (1, 0, *range(2, apart.rank)))


class ConvLSTM1DCell(ConvLSTMCell):
    """`ConvLSTMCell` over steps."""

    spatial = 1


class ConvLSTM2DCell(ConvLSTMCell):
    """`ConvLSTMCell` over rows and columns."""

    spatial = 2


class ConvLSTM3DCell(ConvLSTMCell):
    """`ConvLSTMCell` over the three axes of a volume."""

    spatial = 3


class ConvRNN(RNN):
    """An `RNN` over images: a cell with `data_format` "channels_first" has its features on axis 2 of the input."""

    @property
    def feature_axis(self) -> int:
        cell = self.cell.cells[0] if isinstance(self.cell, StackedRNNCells) else self.cell
        return 2 if getattr(cell, "data_format", None) == "channels_first" else -1


class ConvRNN2D(ConvRNN):
    """Walks a cell along axis 1 of [batch, time, rows, columns, C], or of [batch, time, C, rows, columns]."""

    input_rank = 5


class ConvLSTM(ConvRNN, CellRNN):
    """`RNN` with a `ConvLSTMCell`: long short-term memory over images, with states h and c.

    x [batch, time, *S, C] -> y [batch, *S', filters], or [batch, time, *S', filters] with `return_sequences`; with
    "channels_first", C and filters stand before S.
    """

    @old_names
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class ConvLSTM1D(ConvLSTM):
    """`ConvLSTM` over steps."""

    input_rank = 4
    cell_class = ConvLSTM1DCell


class ConvLSTM2D(ConvRNN2D, ConvLSTM):
    """`ConvLSTM` over rows and columns."""

    cell_class = ConvLSTM2DCell


class ConvLSTM3D(ConvLSTM):
    """`ConvLSTM` over the three axes of a volume."""

    input_rank = 6
    cell_class = ConvLSTM3DCell
