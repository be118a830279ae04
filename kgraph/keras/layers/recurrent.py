"""Recurrent layers: `RNN` walks a cell along a sequence; SimpleRNN, GRU and LSTM are it with their cells."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from kgraph.errors import ArgumentError, DataError, ShapeError, describe
from kgraph.ir.dims import Dim, as_ints
from kgraph.ir.graph import Value
from kgraph.keras import backend as K
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.cells import (
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
    call_cell,
    check_cell,
    old_spellings,
    state_shapes,
)
from kgraph.keras.layers.config import parameters_of
from kgraph.keras.layers.nodes import InputSpec, flatten
from kgraph.keras.layers.registry import deserialize, serialize
from kgraph.keras.tensor import Tensor, Variable, as_value
from kgraph.ops.broadcast import reshape
from kgraph.ops.logic import cast, where
from kgraph.ops.scan import scan
from kgraph.ops.shape import Reverse, full, index_axis, stack, transpose

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "SimpleRNN", "SimpleRNNCell", "StackedRNNCells"]


class RNN(Layer):
    """Walks a cell (or a list of cells, stacked) along axis 1.

    x [batch, time, *F] -> y [batch, *output], or [batch, time, *output] with `return_sequences`; with `return_state`
    the last states follow, those of each of several stacked cells as a list.

    Args: `go_backwards` walks from the last step to the first, and so does the sequence of outputs. `stateful` starts a
    batch from the last states of the batch before; the batch size must be known, and `reset_states` starts anew.
    `unroll` traces every step of a cell that has no op for a whole sequence; the number of steps must be known.
    Masked steps change nothing: the states stay, and the output is the one before, or 0 with `zero_output_for_mask`.

    Called with `initial_state` (tensors, or arrays) it starts from that; tensors may also follow the input in a list.
    `constants` are handed to each step of a cell that takes them.
    """

    supports_masking = True
    input_rank: ClassVar[int | None] = None
    """The rank of the input, where only one will do."""

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        if "input_dim" in kwargs:
            kwargs.setdefault("input_length", None)
        super().__init__(**kwargs)
        self.cell = StackedRNNCells(cell) if isinstance(cell, list | tuple) else cell
        check_cell(self.cell)
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.unroll = bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.input_spec = InputSpec(ndim=self.input_rank, min_ndim=3)
        self.states: list[Variable] = []
        self._constant_shapes: list[Any] = []
        if not self._trainable:
            self.trainable = False

    # -- states

    @property
    def state_size(self) -> Any:
        """That of the cell."""
        return self.cell.state_size

    @property
    def feature_axis(self) -> int:
        """The axis of the input whose size the weights depend on."""
        return -1

    def get_initial_state(self, inputs: Tensor) -> list[Tensor]:
        """What a sequence starts from: what the cell says, else zeros."""
        own = getattr(self.cell, "get_initial_state", None)
        batch = inputs.dims[0]
        if own is not None:
            given = {"inputs": inputs, "batch_size": batch, "dtype": inputs.dtype}
            return flatten(own(**{key: given[key] for key in parameters_of(own) & given.keys()}))
        return [Tensor(full((batch, *shape), 0.0, inputs.dtype)) for shape in state_shapes(self.cell)]

    def reset_states(self, states: Any = None) -> None:
        """Start the next batch from zeros, or from the given arrays. Raises DataError when these do not fit."""
        arrays = [np.zeros(v.shape, v.dtype) for v in self.states] if states is None else flatten(states)
        if [np.shape(array) for array in arrays] != [variable.shape for variable in self.states]:
            raise DataError(
                describe(
                    f"layer {self.name}: states do not fit",
                    expected=[variable.shape for variable in self.states]
                    or "a stateful layer that was called",
                    got=[np.shape(array) for array in arrays],
                    where=self.name,
                )
            )
        for variable, array in zip(self.states, arrays, strict=True):
            variable.variable.storage.write(np.asarray(array, variable.dtype))

    reset_state = reset_states

    def _make_states(self, batch: int | None) -> None:
        shapes = [(batch, *shape) for shape in state_shapes(self.cell)]
        if any(None in shape for shape in shapes):
            raise ArgumentError(
                describe(
                    f"layer {self.name} is stateful and must know the sizes of its states, the batch size among them",
                    expected="batch_input_shape=(batch, time, features), or Input(batch_shape=…)",
                    got=f"states of {', '.join(map(str, shapes))}",
                    where=self.name,
                )
            )
        self.states = [
            Variable(np.zeros(shape), self.dtype, f"{self.name}/state_{i}", role="rnn")
            for i, shape in enumerate(shapes)
        ]

    # -- calling

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self._constant_shapes = [K.int_shape(c) for c in flatten(kwargs.get("constants")) if c is not None]
        return super().__call__(inputs, *args, **kwargs)

    def _check_inputs(self, inputs: Any) -> None:
        super()._check_inputs(flatten(inputs)[0])

    def build(self, input_shape: Any) -> None:
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        step_shape = (shape[0], *shape[2:])
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build([step_shape, *self._constant_shapes] if self._constant_shapes else step_shape)
            self.cell.built = True
        if self.stateful:
            self._make_states(shape[0])
        self.input_spec = InputSpec(ndim=len(shape), axes={self.feature_axis: shape[self.feature_axis]})
        self.built = True

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        x, initial_state, constants = self._separate(inputs, initial_state, constants)
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        mask = None if mask is None else Tensor(cast(mask.value, "bool"))
        states = self._first_states(x, initial_state)
        if hasattr(self.cell, "begin"):
            self.cell.begin()

        def walk(phase: Any) -> list[Tensor]:
            outputs, last = self._walk(
                x.value, states, None if mask is None else mask.value, phase, constants
            )
            return [Tensor(self._output(outputs, mask)), *map(Tensor, last)]

        if getattr(self.cell, "noisy", False) and not isinstance(training, bool | int):
            pairs = zip(walk(True), walk(False), strict=True)
            output, *last = [K.in_train_phase(trained, inferred, training) for trained, inferred in pairs]
        else:
            output, *last = walk(training)
        if self.stateful:
            for variable, state in zip(self.states, last, strict=True):
                self.add_update((variable, state))
        return [output, *self._grouped(last)] if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        output_mask = mask if self.return_sequences else None
        return [output_mask, *[None] * len(state_shapes(self.cell))] if self.return_state else output_mask

    def _separate(self, inputs: Any, initial_state: Any, constants: Any) -> tuple[Tensor, Any, Any]:
        """The input, initial states and constants, of which the last two may follow the input in a list."""
        if not isinstance(inputs, list | tuple):
            return inputs, initial_state, constants
        count = len(state_shapes(self.cell))
        first, *rest = flatten(inputs)
        if rest and initial_state is None:
            initial_state, rest = rest[:count], rest[count:]
        return first, initial_state, rest or constants

    def _first_states(self, x: Tensor, initial_state: Any) -> list[Value]:
        if initial_state is None:
            given = self.states if self.stateful else self.get_initial_state(x)
        else:
            given = flatten(initial_state)
        values = [cast(as_value(state, x.dtype), x.dtype) for state in given]
        wanted = [(x.dims[0], *shape) for shape in state_shapes(self.cell)]
        if len(values) != len(wanted) or any(map(_differ, [v.shape for v in values], wanted)):
            raise ShapeError(
                describe(
                    f"layer {self.name}: the initial state does not fit",
                    expected=", ".join(str(list(shape)) for shape in wanted),
                    got=", ".join(str(value.type) for value in values),
                    where=self.name,
                )
            )
        return values

    def _walk(
        self, x: Value, states: list[Value], mask: Value | None, training: Any, constants: Any
    ) -> tuple[Value, list[Value]]:
        """The outputs [batch, time, …] at the positions of their inputs, or without `return_sequences` the last one
        alone; and the last states.
        """
        if self.unroll:
            self._expect_known(x.shape[1])
        whole = getattr(self.cell, "sequence", None)
        if whole is not None:
            made = whole(x, states, mask, self.go_backwards, training)
            if made is not None:
                return made[0 if self.return_sequences else 1], list(made[1:])

        def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            old = [Tensor(carry) for carry in carries]
            made, states = call_cell(self.cell, Tensor(slices[0]), old, training, constants)
            output, new = made.value, [as_value(state) for state in states]
            if mask is not None:
                output = keep(slices[1], output, self._output_before(carries, output))
                new = [keep(slices[1], state, carry) for state, carry in zip(new, carries, strict=True)]
            return new, [output]

        sequences = [x] if mask is None else [x, mask]
        major = [transpose(s, (1, 0, *range(2, s.rank))) for s in sequences]
        if self.unroll:
            last, outputs = self._unrolled(step, states, major)
        else:
            last, (outputs,) = scan(step, states, major, reverse=self.go_backwards, name=self.name)
        if not self.return_sequences:
            return index_axis(outputs, 0, 0 if self.go_backwards else outputs.shape[0] - 1), list(last)
        return transpose(outputs, (1, 0, *range(2, outputs.rank))), list(last)

    def _expect_known(self, steps: Dim) -> None:
        if not isinstance(steps, int):
            raise ArgumentError(
                describe(
                    f"layer {self.name} cannot be unrolled",
                    expected="a known number of steps",
                    got=None,
                    where=self.name,
                )
            )

    def _unrolled(self, step: Any, states: list[Value], sequences: list[Value]) -> tuple[list[Value], Value]:
        outputs: list[Value] = []
        (steps,) = as_ints(sequences[0].shape[:1])
        for t in reversed(range(steps)) if self.go_backwards else range(steps):
            states, (output,) = step(states, [index_axis(sequence, 0, t) for sequence in sequences])
            outputs.append(output)
        return states, stack(outputs[::-1] if self.go_backwards else outputs, 0)

    def _output_before(self, carries: Sequence[Value], output: Value) -> Value:
        """The output of the step before, which is taken to be the first state of the (last) cell."""
        cell = self.cell.cells[-1] if isinstance(self.cell, StackedRNNCells) else self.cell
        before = carries[-len(state_shapes(cell))]
        return before if before.type == output.type else full(output.shape, 0.0, output.dtype)

    def _output(self, outputs: Value, mask: Tensor | None) -> Value:
        """What the layer gives: the last output, or all of them in the order of the walk."""
        if not self.return_sequences:
            return outputs
        if mask is not None and self.zero_output_for_mask:
            outputs = keep(mask.value, outputs, full(outputs.shape, 0.0, outputs.dtype))
        return Reverse((1,))(outputs) if self.go_backwards else outputs

    def _grouped(self, states: list[Tensor]) -> list[Any]:
        """The states one by one, or those of each of several cells in a list."""
        if not isinstance(self.cell, StackedRNNCells) or len(self.cell.cells) == 1:
            return states
        groups: list[Any] = []
        for cell in self.cell.cells:
            count = len(state_shapes(cell))
            groups.append(states[:count] if count > 1 else states[0])
            states = states[count:]
        return groups

    # -- configuration

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell": serialize(self.cell), **self._own_config()}

    def _own_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _OWN}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        return cls(**{**config, "cell": deserialize(config["cell"], custom_objects)})


_OWN = tuple(p for p in inspect.signature(RNN.__init__).parameters if p not in ("self", "cell", "kwargs"))


class CellRNN(RNN):
    """An `RNN` whose constructor takes the arguments of its cell, and which has them as attributes."""

    input_rank = 3
    cell_class: ClassVar[Any]
    _cell_parameters: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        if not hasattr(cls, "cell_class"):
            return
        cell, own = inspect.signature(cls.cell_class.__init__), inspect.signature(RNN.__init__)
        theirs = [p for p in cell.parameters.values() if p.kind is not p.VAR_KEYWORD]
        mine = [own.parameters[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in _OWN]
        cls._cell_parameters = tuple(p.name for p in theirs if p.name != "self")
        cls.__signature__ = inspect.Signature([*theirs[1:], *mine, own.parameters["kwargs"]])

    @old_spellings
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        shared = {key: kwargs[key] for key in ("dtype", "trainable") if key in kwargs}
        named = {key: kwargs.pop(key) for key in self._cell_parameters if key in kwargs}
        super().__init__(self.cell_class(*args, **named, **shared), **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in type(self)._cell_parameters:
            return getattr(self.cell, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def get_config(self) -> dict[str, Any]:
        cell = self.cell.get_config()
        base = super(RNN, self).get_config()
        return {**base, **{name: cell[name] for name in self._cell_parameters}, **self._own_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


class SimpleRNN(CellRNN):
    """`RNN` with a `SimpleRNNCell`: h' = activation(x kernel + h recurrent_kernel + bias).

    x [batch, time, n] -> y [batch, units], or [batch, time, units] with `return_sequences`.
    """

    cell_class = SimpleRNNCell


class GRU(CellRNN):
    """`RNN` with a `GRUCell`: a gated recurrent unit.

    x [batch, time, n] -> y [batch, units], or [batch, time, units] with `return_sequences`.
    """

    cell_class = GRUCell


class LSTM(CellRNN):
    """`RNN` with an `LSTMCell`: long short-term memory, with states h and c.

    x [batch, time, n] -> y [batch, units], or [batch, time, units] with `return_sequences`.
    """

    cell_class = LSTMCell


def keep(mask: Value, new: Value, old: Value) -> Value:
    """`new` where the mask is True, else `old`; the mask lacks the last axes."""
    return where(reshape(mask, (*mask.shape, *[1] * (new.rank - mask.rank))), new, old)


def _differ(shape: Sequence[Dim], wanted: Sequence[Dim]) -> bool:
    return len(shape) != len(wanted) or any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(shape, wanted, strict=True)
    )
