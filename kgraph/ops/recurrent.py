"""Recurrent layers as ops: LSTM, GRU and the simple recurrent network over a whole sequence.

The ops are time-major, x [time, batch, input], as ONNX has them; the builders take batch-major operands like Keras and
put Transposes around, which cancel between stacked layers. Gates stand in Keras's order (i, f, c, o and z, r, h) and
weights in Keras's layout. With `reverse` time runs backwards, but output t still stands at position t; Keras's
`go_backwards` reverses the sequence of outputs afterwards.

Builders take a mask as well: where it is False the states, and with them the output, stay what they were.

`steps` says which steps an op takes, and what its last operand is then:

    "all"      every one
    "masked"   those where a mask [T, B] bool is True; at others states and output stay what they were
    "counted"  the first n[b] of row b, from counts [B] int32; behind them the output is 0, and the last states are
               those after the last step taken
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.ir.dims import Dim, Shape
from kgraph.ir.graph import Constant, Value
from kgraph.ir.op import Op, Sample, op
from kgraph.ir.types import TensorType
from kgraph.ops.activations import HardSigmoid, elu, relu, sigmoid, softplus, softsign, tanh
from kgraph.ops.base import expect_float, same_dtype
from kgraph.ops.broadcast import broadcast_to, reshape
from kgraph.ops.elementwise import add, mul, sub
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import less, where
from kgraph.ops.samples import floats
from kgraph.ops.scan import scan
from kgraph.ops.shape import Iota, concat, expand_dims, full, index_axis, split, transpose

Activation = Callable[[Value], Value]

STEPS = ("all", "masked", "counted")
ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "tanh": tanh,
        "sigmoid": sigmoid,
        "hard_sigmoid": HardSigmoid(1 / 6, 0.5),
        "relu": relu,
        "linear": lambda x: x,
        "elu": elu,
        "softsign": softsign,
        "softplus": softplus,
    }
)
"""The activations that recurrent ops know by name. Cells with another one are written with `scan`."""


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise ArgumentError(
            describe("unknown recurrent activation", expected=", ".join(ACTIVATIONS), got=repr(name))
        )
    return ACTIVATIONS[name]


_MASK = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]], "bool")
_COUNTS = np.array([2, 4, 0], "int32")


@dataclass(frozen=True, repr=False)
class Recurrent(Op):
    """x [T, B, I], kernel [I, G u], recurrent [u, G u], bias, states [B, u] -> sequence [T, B, u], last states [B, u].

    A subclass says in `cell` what one step does to the states, or in `update` where x_t and the first state act only
    through z = x_t kernel + h recurrent + bias. The first state is also the output. A mask or counts follow the states
    where `steps` asks for them.
    """

    activation: str = "tanh"
    reverse: bool = False
    steps: str = field(default="all", kw_only=True)

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    @property
    def summed(self) -> bool:
        """Whether `update` says what a step does."""
        return type(self).update is not Recurrent.update

    def bias_shape(self, units: Dim) -> Shape:
        """The shape of the bias."""
        return (units * self.gates,)

    def cell(self, z: Value, states: Sequence[Value], recurrent: Value, bias: Value) -> list[Value]:
        """The new states from z = x_t kernel + bias (its first row where there are two) [B, G u] and the old ones."""
        return self.update(add(z, matmul(states[0], recurrent)), states)

    def update(self, z: Value, states: Sequence[Value]) -> list[Value]:
        """The new states from z = x_t kernel + h recurrent + bias [B, G u] and the old ones."""
        raise NotImplementedError

    def infer(
        self, x: TensorType, kernel: TensorType, recurrent: TensorType, bias: TensorType, *rest: TensorType
    ) -> tuple[TensorType, ...]:
        _activation(self.activation)
        expect_float(x)
        count = self.states + (self.steps != "all")
        if self.steps not in STEPS or x.rank != 3 or recurrent.rank != 2 or len(rest) != count:
            raise ShapeError(
                describe(
                    "operands do not fit",
                    expected=f"x of rank 3, a recurrent kernel of rank 2, {count} operands for steps={self.steps!r}",
                    got=f"{x}, {recurrent}, {len(rest)} operands",
                )
            )
        states = rest[: self.states]
        dtype = same_dtype(x, kernel, recurrent, bias, *states)
        time, batch, size = x.shape
        units = _units(recurrent)
        wanted = [
            (kernel, TensorType(dtype, (size, units * self.gates))),
            (recurrent, TensorType(dtype, (units, units * self.gates))),
            (bias, TensorType(dtype, self.bias_shape(units))),
            *((state, TensorType(dtype, (batch, units))) for state in states),
        ]
        choices = {"masked": TensorType("bool", (time, batch)), "counted": TensorType("int32", (batch,))}
        wanted += [(type, choices[self.steps]) for type in rest[self.states :]]
        for type, expected in wanted:
            if not _fits(expected.shape, type.shape) or type.dtype != expected.dtype:
                raise ShapeError(describe("an operand has the wrong shape", expected=expected, got=type))
        state = TensorType(dtype, (batch, units))
        return TensorType(dtype, (time, batch, units)), *(state for _ in states)

    def decompose(self, *operands: Value) -> tuple[Value, ...]:
        return self.scan(operands, keep=False)

    def scan(self, operands: Sequence[Value], keep: bool = True, joined: bool = False) -> tuple[Value, ...]:
        """The op as a scan; `keep` is that of `kgraph.ops.scan.scan`.

        The product with the kernel is made before, for all steps, or, with `joined`, at each step: as one product
        [x_t, h, 1] [kernel; recurrent; bias] of an op that is `summed`.
        """
        x, kernel, recurrent, bias, *rest = operands
        states, masks = rest[: self.states], rest[self.states :]
        if self.steps == "counted":
            masks = [_first(x.shape[0], *masks)]
        taken = [expand_dims(mask, -1) for mask in masks]
        if joined:
            weights = concat([kernel, recurrent, expand_dims(bias, 0)], 0)
            ones = full((x.shape[1], 1), 1.0, x.dtype)

        def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            if joined:
                row = concat([slices[0], carries[0], ones], -1)
                new = self.update(matmul(row, weights), carries)
            else:
                new = self.cell(slices[0], carries, recurrent, bias)
            for here in slices[1:]:
                new = [where(here, a, b) for a, b in zip(new, carries, strict=True)]
            return new, new[:1]

        first = index_axis(bias, 0, 0) if bias.rank == 2 else bias
        sequences = [x if joined else project(x, kernel, first), *taken]
        last, (sequence,) = scan(step, states, sequences, reverse=self.reverse, keep=keep, name=self.name)
        if self.steps == "counted":
            sequence = where(taken[0], sequence, full((), 0.0, x.dtype))
        return sequence, *last

    @classmethod
    def example(cls, node: Recurrent, time: int = 4, batch: int = 3, size: int = 2, units: int = 5) -> Sample:
        """A sample of the right shapes, of sizes that all differ."""
        wide = units * cls.gates
        shapes: list[tuple[int, ...]] = [(time, batch, size), (size, wide), (units, wide)]
        shapes += [node.bias_shape(units), *[(batch, units)] * cls.states]  # type: ignore[list-item]  # integers
        operands = [floats(*shape, low=-1, high=1) for shape in shapes]
        choices = {"masked": _MASK[:time, :batch], "counted": _COUNTS[:batch]}
        return Sample(node, (*operands, *([choices[node.steps]] if node.steps in choices else [])))


@dataclass(frozen=True, repr=False)
class Gated(Recurrent):
    """A recurrent op whose gates have an activation of their own."""

    recurrent_activation: str = "sigmoid"

    @property
    def functions(self) -> tuple[Activation, Activation]:
        """The activation and that of the gates."""
        return _activation(self.activation), _activation(self.recurrent_activation)

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        _activation(self.recurrent_activation)
        return super().infer(*types)


@op("lstm")
class Lstm(Gated):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), without peepholes.

    x [T, B, I], kernel [I, 4u], recurrent [u, 4u], bias [4u], h [B, u], c [B, u]
    -> sequence [T, B, u], last h [B, u], last c [B, u]

        [i, f, g, o] = x_t kernel + h recurrent + bias
        c' = s(f) c + s(i) a(g);   h' = s(o) a(c')       with a = activation, s = recurrent_activation
    """

    gates = 4
    states = 2

    def update(self, z: Value, states: Sequence[Value]) -> list[Value]:
        return lstm_step(z, states[1], *self.functions)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield cls.example(cls())
        yield cls.example(cls(reverse=True))
        yield cls.example(cls("softsign", False, "hard_sigmoid"))
        yield cls.example(cls(steps="masked"))
        yield cls.example(cls(reverse=True, steps="counted"))


@op("gru")
class Gru(Gated):
    """Gated recurrent unit (Cho et al., 2014).

    x [T, B, I], kernel [I, 3u], recurrent [u, 3u], bias, h [B, u] -> sequence [T, B, u], last h [B, u]

        z = s(x_t kernel_z + h recurrent_z + bias_z);   r likewise;   h' = z h + (1 - z) g

    With `reset_after` (as cuDNN has it) bias is [2, 3u], one row for either product, and

        g = a(x_t kernel_g + bias_0g + r (h recurrent_g + bias_1g))

    and without it bias is [3u] and g = a(x_t kernel_g + bias_g + (r h) recurrent_g), as in the paper.
    """

    gates = 3

    reset_after: bool = True

    def bias_shape(self, units: Dim) -> Shape:
        return (2, 3 * units) if self.reset_after else (3 * units,)

    def cell(self, z: Value, states: Sequence[Value], recurrent: Value, bias: Value) -> list[Value]:
        inner_bias = index_axis(bias, 0, 1) if self.reset_after else None
        return gru_step(z, states, recurrent, *self.functions, inner_bias)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for reset_after in (True, False):
            yield cls.example(cls(reset_after=reset_after))
            yield cls.example(cls("softsign", True, "hard_sigmoid", reset_after))
            yield cls.example(cls(reset_after=reset_after, steps="counted"))
        yield cls.example(cls(reverse=True, steps="masked"))


@op("simple_rnn")
class SimpleRnn(Recurrent):
    """The fully connected recurrent network of Elman (1990): h' = a(x_t kernel + h recurrent + bias).

    x [T, B, I], kernel [I, u], recurrent [u, u], bias [u], h [B, u] -> sequence [T, B, u], last h [B, u]
    """

    def update(self, z: Value, states: Sequence[Value]) -> list[Value]:
        return [_activation(self.activation)(z)]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield cls.example(cls())
        yield cls.example(cls("softsign", True))
        yield cls.example(cls(steps="masked"))
        yield cls.example(cls(reverse=True, steps="counted"))


def lstm_step(z: Value, c: Value, squash: Activation, gate: Activation, axis: int = -1) -> list[Value]:
    """The states after one step of an `Lstm`, from z = x_t kernel + h recurrent + bias [B, 4u] and c [B, u]; any
    activations will do. The gates may stand side by side on another axis than the last.
    """
    i, f, g, o = split(z, [_units(c.type, axis)] * 4, axis)
    new_c = add(mul(gate(f), c), mul(gate(i), squash(g)))
    return [mul(gate(o), squash(new_c)), new_c]


def gru_step(
    z: Value,
    states: Sequence[Value],
    recurrent: Value,
    squash: Activation,
    gate: Activation,
    inner_bias: Value | None,
    seen: Value | None = None,
) -> list[Value]:
    """The state after one step of a `Gru`, from z = x_t kernel + bias [B, 3u] and h; any activations will do.

    With an `inner_bias` [3u] the reset gate acts after the product, as with `reset_after`. The products take `seen` for
    h where it is given: h with some elements dropped.
    """
    (kept,) = states
    h = kept if seen is None else seen
    units = _units(recurrent.type)
    outer, outer_g = split(z, [2 * units, units], -1)
    if inner_bias is not None:
        inner = add(matmul(h, recurrent), inner_bias)
        inner, inner_g = split(inner, [2 * units, units], -1)
        update, reset = split(gate(add(outer, inner)), [units, units], -1)
        candidate = squash(add(outer_g, mul(reset, inner_g)))
    else:
        to_gates, to_candidate = split(recurrent, [2 * units, units], -1)
        update, reset = split(gate(add(outer, matmul(h, to_gates))), [units, units], -1)
        candidate = squash(add(outer_g, matmul(mul(reset, h), to_candidate)))
    return [add(candidate, mul(update, sub(kept, candidate)))]


def lstm(
    x: Value,
    kernel: Value,
    recurrent_kernel: Value,
    bias: Value | None = None,
    h0: Value | None = None,
    c0: Value | None = None,
    mask: Value | None = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reverse: bool = False,
    time_major: bool = False,
) -> tuple[Value, Value, Value]:
    """(sequence [B, T, u], last h [B, u], last c [B, u]) of an LSTM over x [B, T, I]; see `Lstm`.

    kernel [I, 4u], recurrent_kernel [u, 4u], bias [4u], h0 and c0 [B, u], mask [B, T] bool. What is None is zero; a
    mask that is None is all True. With `time_major`, x, mask and the sequence have time on axis 0. With `reverse`,
    sequence[:, t] still belongs to x[:, t], and "last" is what comes out at t = 0. Raises ShapeError for operands that
    do not fit, ArgumentError for activations that are not in ACTIVATIONS.
    """
    node = Lstm(activation, reverse, recurrent_activation)
    sequence, h, c = _apply(node, x, kernel, recurrent_kernel, bias, (h0, c0), mask, time_major)
    return sequence, h, c


def gru(
    x: Value,
    kernel: Value,
    recurrent_kernel: Value,
    bias: Value | None = None,
    h0: Value | None = None,
    mask: Value | None = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
    reverse: bool = False,
    time_major: bool = False,
) -> tuple[Value, Value]:
    """(sequence [B, T, u], last h [B, u]) of a GRU over x [B, T, I]; see `Gru`.

    kernel [I, 3u], recurrent_kernel [u, 3u], bias [2, 3u] with `reset_after` and [3u] without, h0 [B, u], mask [B, T]
    bool. The rest is as for `lstm`.
    """
    node = Gru(activation, reverse, recurrent_activation, reset_after)
    sequence, h = _apply(node, x, kernel, recurrent_kernel, bias, (h0,), mask, time_major)
    return sequence, h


def simple_rnn(
    x: Value,
    kernel: Value,
    recurrent_kernel: Value,
    bias: Value | None = None,
    h0: Value | None = None,
    mask: Value | None = None,
    *,
    activation: str = "tanh",
    reverse: bool = False,
    time_major: bool = False,
) -> tuple[Value, Value]:
    """(sequence [B, T, u], last h [B, u]) of a simple recurrent network over x [B, T, I]; see `SimpleRnn`.

    kernel [I, u], recurrent_kernel [u, u], bias [u], h0 [B, u], mask [B, T] bool. The rest is as for `lstm`.
    """
    node = SimpleRnn(activation, reverse)
    sequence, h = _apply(node, x, kernel, recurrent_kernel, bias, (h0,), mask, time_major)
    return sequence, h


def project(x: Value, kernel: Value, bias: Value | None = None) -> Value:
    """x [T, B, I] @ kernel [I, n] + bias [n] -> [T, B, n], as one matrix product over all steps."""
    time, batch, size = x.shape
    rows = matmul(reshape(x, (time * batch, size)), kernel)
    return reshape(rows if bias is None else add(rows, bias), (time, batch, kernel.shape[1]))


def _apply(
    node: Recurrent,
    x: Value,
    kernel: Value,
    recurrent: Value,
    bias: Value | None,
    states: Sequence[Value | None],
    mask: Value | None,
    time_major: bool,
) -> tuple[Value, ...]:
    if x.rank != 3:
        raise ShapeError(describe(f"{node.name}: wrong rank", expected="[batch, time, input]", got=x.type))
    if not time_major:
        x = transpose(x, (1, 0, 2))
        mask = None if mask is None else transpose(mask, (1, 0))
    units = _units(recurrent.type)
    if bias is None:
        bias = Constant(np.zeros(node.bias_shape(units), x.dtype))
    first = [full((x.shape[1], units), 0.0, x.dtype) if state is None else state for state in states]
    masks = [] if mask is None else [mask]
    chosen = node if mask is None else replace(node, steps="masked")
    sequence, *last = chosen.apply(x, kernel, recurrent, bias, *first, *masks)
    return sequence if time_major else transpose(sequence, (1, 0, 2)), *last


def _first(time: Dim, counts: Value) -> Value:
    """The mask [T, B] that is True at the first counts[b] steps of row b."""
    (batch,) = counts.shape
    positions = broadcast_to(reshape(Iota(time, "int32")(), (time, 1)), (time, batch))
    return less(positions, broadcast_to(counts, (time, batch)))


def _units(type: TensorType, axis: int = 0) -> int:
    """The number of units from a recurrent kernel, or from the last axis of a state."""
    units = type.shape[axis]
    if not isinstance(units, int):
        raise ShapeError(describe("the number of units must be known", expected="an integer", got=type))
    return units


def _fits(wanted: Sequence[Dim], shape: Sequence[Dim]) -> bool:
    """Same rank, and no two integers that differ."""
    return len(wanted) == len(shape) and all(
        a == b or not (isinstance(a, int) and isinstance(b, int)) for a, b in zip(wanted, shape, strict=True)
    )
