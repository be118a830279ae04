"""Cells: one step of a recurrent layer. `RNN` walks a cell along a sequence.

A cell has `state_size` (an integer, or a list of one per state), `output_size` and `call(inputs, states)`, which gives
the output of a step and the new states. Those here can also do a whole sequence as one op, when the op has their
activations and nothing of the state is dropped on the way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.ir.dims import Dim
from kgraph.ir.graph import Constant, Value
from kgraph.keras import activations
from kgraph.keras.layers.arguments import fraction, positive_int
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.config import extends, parameters_of
from kgraph.keras.layers.nodes import flatten
from kgraph.keras.layers.noise import Salted
from kgraph.keras.layers.parameters import Kernel
from kgraph.keras.layers.registry import deserialize, serialize
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops.base import as_value as as_operand
from kgraph.ops.elementwise import add, mul
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import where
from kgraph.ops.random import RNG, RandomBernoulli
from kgraph.ops.recurrent import ACTIVATIONS, gru, gru_step, lstm, lstm_step, simple_rnn
from kgraph.ops.shape import index_axis

# The activations that the ops for whole sequences know, by function.
_FUSED = MappingProxyType({getattr(activations, name): name for name in ACTIVATIONS})

old_spellings = legacy(
    units="output_dim",
    kernel_initializer="init",
    recurrent_initializer="inner_init",
    recurrent_activation="inner_activation",
    kernel_regularizer="W_regularizer",
    recurrent_regularizer="U_regularizer",
    bias_regularizer="b_regularizer",
    dropout="dropout_W",
    recurrent_dropout="dropout_U",
    unit_forget_bias="forget_bias_init",
    implementation="consume_less",
)
"""The decorator for the Keras 1 spellings of recurrent layers and cells."""


class Cell(Salted, Kernel, ABC):
    """Base of the built-in cells. Everything is given by name, as the subclasses have it.

    `dropout` drops elements of the inputs, `recurrent_dropout` of the state where it enters a product; both drop the
    same ones at every step (Gal and Ghahramani, "Dropout in recurrent neural networks", 2016) and for all gates.
    Weights: kernel and recurrent_kernel, whose last axis has `gates * width`; bias.
    """

    gates: ClassVar[int] = 1

    def __init__(
        self,
        *,
        recurrent_initializer: Any,
        recurrent_regularizer: Any,
        recurrent_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prescribe("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        self.dropout = fraction(dropout, "dropout", below=1)
        self.recurrent_dropout = fraction(recurrent_dropout, "recurrent_dropout", below=1)
        self.begin()

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers a gate has: at each place, where there are places."""

    @property
    def noisy(self) -> bool:
        """Whether training differs from inference."""
        return bool(self.dropout or self.recurrent_dropout)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.width,)

    def make_weights(self, kernel: tuple[int, ...], recurrent: tuple[int, ...]) -> None:
        """Create the weights; the shapes are those of the kernels but for the last axis."""
        self.kernel = self.make("kernel", (*kernel, self.gates * self.width))
        self.recurrent_kernel = self.make(
            "recurrent_kernel", (*recurrent, self.gates * self.width), stem="recurrent"
        )
        self.make_bias(*self.bias_shape)
        self.built = True

    def begin(self) -> None:
        """Choose anew what is dropped, once for all the steps of a sequence."""
        self._salts = (self.salt(), self.salt())

    def call(self, inputs: Tensor, states: Any, training: Any = None) -> tuple[Tensor, list[Tensor]]:
        """One step. What `training` says must be settled: `RNN` traces both phases."""
        x, old = inputs.value, [as_value(state, inputs.dtype) for state in flatten(states)]
        z = self.project(self.thinned(x, x.shape, training))
        new = self.step(z, old, self.seen(old[0], training))
        return Tensor(new[0]), [Tensor(value) for value in new]

    def thinned(self, x: Value, shape: tuple[Dim, ...], training: Any) -> Value:
        """The inputs as the product sees them, of which `dropout` drops the same ones along axes where `shape` is 1."""
        return mul(x, self._kept(0, shape, self.dropout, x.dtype)) if training and self.dropout else x

    def seen(self, h: Value, training: Any) -> Value:
        """The state as the product sees it."""
        if not training or not self.recurrent_dropout:
            return h
        return mul(h, self._kept(1, h.shape, self.recurrent_dropout, h.dtype))

    @abstractmethod
    def project(self, x: Value) -> Value:
        """x kernel + bias."""

    @abstractmethod
    def recur(self, h: Value) -> Value:
        """h recurrent_kernel."""

    @abstractmethod
    def step(self, z: Value, states: list[Value], seen: Value) -> list[Value]:
        """The new states from z = x kernel + bias; products take `seen` for the first state."""

    def as_op(self, activation: Any) -> Callable[[Value], Value]:
        """A function of tensors as one of values."""
        return lambda value: activation(Tensor(value)).value

    def _kept(self, which: int, shape: tuple[Dim, ...], rate: float, dtype: str) -> Value:
        """1 / (1 - rate) for what is kept, 0 for what is dropped."""
        kept = RandomBernoulli(shape, self._salts[which], 1 - rate)(RNG)
        return where(kept, as_operand(1 / (1 - rate), dtype), as_operand(0.0, dtype))


class DenseCell(Cell):
    """A cell of `units` numbers per gate, and the arguments that such cells share.

    Weights: kernel [n, gates * units], recurrent_kernel [units, gates * units], bias.
    """

    @old_spellings
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        self.units = positive_int(units, "units")

    @property
    def width(self) -> int:
        return self.units

    @property
    def state_size(self) -> Any:
        """The size of the state; a list where there are several."""
        return self.units

    @property
    def output_size(self) -> int:
        return self.units

    def build(self, input_shape: Any) -> None:
        self.make_weights((input_shape[-1],), (self.units,))

    @property
    def operands(self) -> tuple[Value, Value, Value | None]:
        """Kernel, recurrent kernel and bias, as the op for a whole sequence takes them."""
        bias = None if self.bias is None else self.bias.value
        return self.kernel.value, self.recurrent_kernel.value, bias

    def project(self, x: Value) -> Value:
        z, bias = matmul(x, self.operands[0]), self.biases[0]
        return z if bias is None else add(z, bias)

    def recur(self, h: Value) -> Value:
        return matmul(h, self.operands[1])

    @property
    def biases(self) -> tuple[Value | None, Value | None]:
        """The bias of the product with the inputs, and that of the product with the state."""
        return self.operands[2], None

    def sequence(
        self, x: Value, states: Sequence[Value], mask: Value | None, reverse: bool, training: Any
    ) -> tuple[Value, ...] | None:
        """(outputs [B, T, units], last states) over x [B, T, n] by one op, or None when no op does that."""
        functions = self.functions
        if (training and self.recurrent_dropout) or any(f not in _FUSED for f in functions.values()):
            return None
        x = self.thinned(x, (x.shape[0], 1, x.shape[2]), training)
        names = {key: _FUSED[function] for key, function in functions.items()}
        return self.fused(x, *self.operands, *states, mask=mask, reverse=reverse, **names)

    @property
    def functions(self) -> dict[str, Any]:
        """The activations, as the op calls them."""
        return {"activation": self.activation}

    @abstractmethod
    def fused(self, *operands: Any, **options: Any) -> tuple[Value, ...]:
        """The op for a whole sequence."""


class SimpleRNNCell(DenseCell):
    """h' = activation(x kernel + h recurrent_kernel + bias). Elman, "Finding structure in time", 1990."""

    def step(self, z: Value, states: list[Value], seen: Value) -> list[Value]:
        return [self.as_op(self.activation)(add(z, self.recur(seen)))]

    def fused(self, *operands: Any, **options: Any) -> tuple[Value, ...]:
        return simple_rnn(*operands, **options)


class GatedCell(DenseCell):
    """A cell whose gates have an activation of their own. `implementation` is accepted and has no effect."""

    @old_spellings
    @extends(DenseCell.__init__)
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *args: Any,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, *args, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.implementation = implementation

    @property
    def functions(self) -> dict[str, Any]:
        return {"activation": self.activation, "recurrent_activation": self.recurrent_activation}


class GRUCell(GatedCell):
    """A gated recurrent unit; `kgraph.ops.recurrent.Gru` has the formula. Cho et al., 2014.

    With `reset_after` (the default of Keras 3) the reset gate acts after the product, as in cuDNN, and bias is
    [2, 3 * units]; without, as in the paper, it is [3 * units].
    """

    gates = 3

    @old_spellings
    @extends(GatedCell.__init__)
    def __init__(self, units: int, *args: Any, reset_after: bool = True, **kwargs: Any) -> None:
        super().__init__(units, *args, **kwargs)
        self.reset_after = bool(reset_after)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    @property
    def biases(self) -> tuple[Value | None, Value | None]:
        if not self.reset_after:
            return super().biases
        bias = self.operands[2]
        if bias is None:
            return None, Constant(np.zeros(3 * self.units, self.kernel.dtype))
        return index_axis(bias, 0, 0), index_axis(bias, 0, 1)

    def step(self, z: Value, states: list[Value], seen: Value) -> list[Value]:
        squash, gate = self.as_op(self.activation), self.as_op(self.recurrent_activation)
        return gru_step(z, states, self.operands[1], squash, gate, self.biases[1], seen)

    def fused(self, *operands: Any, **options: Any) -> tuple[Value, ...]:
        return gru(*operands, reset_after=self.reset_after, **options)


class LongShort(Cell):
    """Long short-term memory, whatever its products are; `kgraph.ops.recurrent.Lstm` has the formula.

    With `unit_forget_bias` the bias of the forget gate starts at 1 (Jozefowicz et al., 2015).
    """

    gates = 4
    gate_axis: ClassVar[int] = -1
    recurrent_activation: Any
    unit_forget_bias: bool

    def make_weights(self, kernel: tuple[int, ...], recurrent: tuple[int, ...]) -> None:
        super().make_weights(kernel, recurrent)
        if self.bias is not None and self.unit_forget_bias:
            start = self.bias.numpy().copy()
            start.reshape(-1, self.gates, self.width)[-1, 1] = 1.0
            self.bias.variable.storage.write(start)

    def step(self, z: Value, states: list[Value], seen: Value) -> list[Value]:
        squash, gate = self.as_op(self.activation), self.as_op(self.recurrent_activation)
        return lstm_step(add(z, self.recur(seen)), states[1], squash, gate, self.gate_axis)


class LSTMCell(LongShort, GatedCell):
    """Long short-term memory. Hochreiter and Schmidhuber, 1997."""

    @old_spellings
    @extends(GatedCell.__init__)
    def __init__(self, units: int, *args: Any, unit_forget_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, *args, **kwargs)
        self.unit_forget_bias = bool(unit_forget_bias)

    @property
    def state_size(self) -> list[int]:
        return [self.units, self.units]

    def fused(self, *operands: Any, **options: Any) -> tuple[Value, ...]:
        return lstm(*operands, **options)


class StackedRNNCells(Layer):
    """Cells one on top of the other, as one cell: the output of each is the input of the next."""

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cells = list(cells)
        for cell in self.cells:
            check_cell(cell)

    @property
    def state_size(self) -> list[Any]:
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        return output_size(self.cells[-1])

    @property
    def noisy(self) -> bool:
        return any(getattr(cell, "noisy", False) for cell in self.cells)

    def begin(self) -> None:
        for cell in self.cells:
            if hasattr(cell, "begin"):
                cell.begin()

    def build(self, input_shape: Any) -> None:
        batch = input_shape[0]
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                cell.built = True
            input_shape = (batch, *as_shape(output_size(cell)))
        self.built = True

    def call(self, inputs: Tensor, states: Any, training: Any = None, constants: Any = None) -> Any:
        """One step of all cells; the states of all cells, first cell first, in one flat list."""
        left, new = flatten(states), []
        for cell in self.cells:
            count = len(state_shapes(cell))
            inputs, made = call_cell(cell, inputs, left[:count], training, constants)
            left = left[count:]
            new += made
        return inputs, new

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cells": [serialize(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> StackedRNNCells:
        return cls(**{**config, "cells": [deserialize(cell, custom_objects) for cell in config["cells"]]})


def check_cell(cell: Any) -> None:
    """Raise ArgumentError unless something has what a cell needs."""
    if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
        raise ArgumentError(
            describe("not an RNN cell", expected="call(inputs, states) and state_size", got=repr(cell))
        )


def call_cell(
    cell: Any, inputs: Tensor, states: Sequence[Tensor], training: Any, constants: Any
) -> tuple[Tensor, list[Tensor]]:
    """One step of any cell: its output and its new states as a flat list."""
    accepted, given = parameters_of(type(cell).call), {}
    if "training" in accepted:
        given["training"] = training
    if constants is not None and ("constants" in accepted or "kwargs" in accepted):
        given["constants"] = constants
    output, new = cell.call(inputs, list(states), **given)
    return output, flatten(new)


def state_shapes(cell: Any) -> list[tuple[int, ...]]:
    """The shape of each state without the batch, those of stacked cells one after the other."""
    if isinstance(cell, StackedRNNCells):
        return [shape for inner in cell.cells for shape in state_shapes(inner)]
    sizes = cell.state_size
    return [as_shape(size) for size in (sizes if isinstance(sizes, list | tuple) else [sizes])]


def output_size(cell: Any) -> Any:
    """The size of a cell's output: that of its first state unless it says otherwise."""
    said = getattr(cell, "output_size", None)
    return state_shapes(cell)[0] if said is None else said


def as_shape(size: Any) -> tuple[int, ...]:
    """A size, or a shape, as a shape."""
    return tuple(size) if isinstance(size, list | tuple) else (int(size),)
