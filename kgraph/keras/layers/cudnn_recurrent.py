"""CuDNNGRU and CuDNNLSTM of Keras 2: `GRU` and `LSTM` with weights as NVIDIA's library lays them out, on any device."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from kgraph.ir.graph import Value
from kgraph.keras.layers.cells import DenseCell, GRUCell, LSTMCell
from kgraph.keras.layers.config import extends
from kgraph.keras.layers.recurrent import CellRNN
from kgraph.ops.broadcast import reshape
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.shape import transpose


class CuDNNCell(DenseCell):
    """A cell with tanh and sigmoid, a bias and no dropout, whose weights are those of Keras 2.3's CuDNN layers.

    Weights: kernel [n, gates * units], recurrent_kernel [units, gates * units], bias [2 * gates * units]. The n * units
    numbers of a gate's kernel are in row-major order those of a [units, n] matrix, by which the library multiplies from
    the left. The bias has first that of the product with the inputs, then that of the product with the state.
    """

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )

    @property
    def bias_shape(self) -> tuple[int, ...]:
        return (2 * self.gates * self.units,)

    @property
    def operands(self) -> tuple[Value, Value, Value | None]:
        kernel, recurrent, bias = super().operands
        both = None if bias is None else self.joined(reshape(bias, (2, self.gates * self.units)))
        return self._turned(kernel), self._turned(recurrent), both

    @abstractmethod
    def joined(self, biases: Value) -> Value:
        """The bias as the op takes it, from those of both products [2, gates * units]."""

    def _turned(self, kernel: Value) -> Value:
        """A kernel as the op takes it, [n, gates * units] with the matrix of each gate to multiply from the right."""
        n, columns = kernel.shape
        gates = transpose(reshape(kernel, (n, self.gates, self.units)), (1, 0, 2))
        return reshape(transpose(reshape(gates, (self.gates, self.units, n)), (2, 0, 1)), (n, columns))


class CuDNNGRUCell(CuDNNCell, GRUCell):
    """A `GRUCell` with `reset_after`; the gates stand as there: update, reset, candidate."""

    def joined(self, biases: Value) -> Value:
        return biases


class CuDNNLSTMCell(CuDNNCell, LSTMCell):
    """An `LSTMCell`; the gates stand as there: input, forget, candidate, output.

    `unit_forget_bias` is in the bias of the product with the state.
    """

    @extends(CuDNNCell.__init__)
    def __init__(self, units: int, *args: Any, unit_forget_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, *args, unit_forget_bias=unit_forget_bias, **kwargs)

    def joined(self, biases: Value) -> Value:
        return reduce_sum(biases, 0)


class CuDNNGRU(CellRNN):
    """`GRU(units, recurrent_activation="sigmoid", reset_after=True)` with the weights of Keras 2.3's layer.

    x [batch, time, n] -> y [batch, units], or [batch, time, units] with `return_sequences`. Unlike there, masks work.
    """

    cell_class = CuDNNGRUCell


class CuDNNLSTM(CellRNN):
    """`LSTM(units, recurrent_activation="sigmoid")` with the weights of Keras 2.3's layer.

    x [batch, time, n] -> y [batch, units], or [batch, time, units] with `return_sequences`. Unlike there, masks work.
    """

    cell_class = CuDNNLSTMCell
