"""Lowerings of `ops/recurrent.py` to ONNX's LSTM, GRU and RNN, which are time-major too.

ONNX puts gates in another order (i, o, f, c for an LSTM), transposes weights, and has a leading axis for directions. It
takes the first steps of each row (`sequence_lens`), but knows no masks. A row without any step ends with zeros in
onnxruntime, where our ops keep its initial state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.ir.graph import Call, Value
from kgraph.ir.types import Array
from kgraph.ops.recurrent import Gated, Gru, Lstm, Recurrent, SimpleRnn
from kgraph.passes.facts import is_zero
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter
from kgraph.plugins.onnx.lowerings.activations import NARROW

TABLE = LoweringTable()

# ONNX's names, and the parameters of those that have some: each takes its own from the lists, in order.
ACTIVATIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "tanh": ("Tanh", ()),
    "sigmoid": ("Sigmoid", ()),
    "hard_sigmoid": ("HardSigmoid", (1 / 6, 0.5)),
    "relu": ("Relu", ()),
    "linear": ("Affine", (1.0, 0.0)),
    "elu": ("Elu", (1.0,)),
    "softsign": ("Softsign", ()),
    "softplus": ("Softplus", ()),
}
DEFAULTS = {Lstm: ("sigmoid", "tanh", "tanh"), Gru: ("sigmoid", "tanh"), SimpleRnn: ("tanh",)}
LSTM_ORDER = (0, 3, 1, 2)


@TABLE.lowers(Lstm)
def lstm(emitter: Emitter, call: Call, operands: list[str]) -> list[str]:
    op = call.op
    assert isinstance(op, Lstm)
    return _lower(emitter, call, operands, "LSTM", [op.recurrent_activation, op.activation, op.activation])


@TABLE.lowers(Gru)
def gru(emitter: Emitter, call: Call, operands: list[str]) -> list[str]:
    op = call.op
    assert isinstance(op, Gru)
    return _lower(
        emitter,
        call,
        operands,
        "GRU",
        [op.recurrent_activation, op.activation],
        linear_before_reset=int(op.reset_after),
    )


@TABLE.lowers(SimpleRnn)
def simple_rnn(emitter: Emitter, call: Call, operands: list[str]) -> list[str]:
    op = call.op
    assert isinstance(op, SimpleRnn)
    return _lower(emitter, call, operands, "RNN", [op.activation])


def _lower(
    emitter: Emitter,
    call: Call,
    operands: list[str],
    onnx_name: str,
    activations: Sequence[str],
    **attributes: Any,
) -> list[str]:
    op = call.op
    assert isinstance(op, Recurrent)
    if op.steps == "masked" or not has_kernel(op, call.inputs[0].dtype, emitter.target.device):
        return emitter.expand(call)
    if tuple(activations) != DEFAULTS[type(op)]:
        rows = [ACTIVATIONS[name] for name in activations]
        attributes["activations"] = [name for name, _ in rows]
        attributes["activation_alpha"] = [numbers[0] for _, numbers in rows if numbers] or None
        attributes["activation_beta"] = [numbers[1] for _, numbers in rows if len(numbers) > 1] or None
    _, kernel, recurrent, bias, *rest = call.inputs
    states, counts = rest[: op.states], operands[4 + op.states :]
    starts = [_state(emitter, state, name) for state, name in zip(states, operands[4:], strict=False)]
    order = LSTM_ORDER if isinstance(op, Lstm) else tuple(range(op.gates))
    results = emitter.node_multi(
        onnx_name,
        operands[0],
        _weights(emitter, kernel, operands[1], order),
        _weights(emitter, recurrent, operands[2], order),
        _bias(emitter, bias, operands[3], order),
        counts[0] if counts else "",
        *starts,
        outputs=len(call.results),
        hidden_size=call.results[1].shape[1],
        direction="reverse" if op.reverse else "forward",
        **attributes,
    )
    # The axis of directions is axis 1 of the sequence and axis 0 of the states.
    squeezed = [emitter.node("Squeeze", results[0], emitter.ints([1]))]
    squeezed += [emitter.node("Squeeze", result, emitter.ints([0])) for result in results[1:]]
    if not counts or not any(starts):
        return squeezed
    zero = emitter.constant(np.zeros((), "int32"))
    some = emitter.node("Unsqueeze", emitter.node("Greater", counts[0], zero), emitter.ints([1]))
    ends = zip(squeezed[1:], operands[4:], starts, strict=False)
    return [
        squeezed[0],
        *(emitter.node("Where", some, last, first) if start else last for last, first, start in ends),
    ]


def has_kernel(op: Recurrent, dtype: str, device: str) -> bool:
    """Whether onnxruntime has a kernel: none for double precision, on CUDA none for unusual activations or a reset
    before the product.
    """
    if dtype not in NARROW or device != "cuda":
        return dtype in NARROW
    activations = {Lstm: ("tanh", "sigmoid"), Gru: ("tanh", "sigmoid"), SimpleRnn: ("tanh",)}[type(op)]
    named = (op.activation, *([op.recurrent_activation] if isinstance(op, Gated) else []))
    return named == activations and getattr(op, "reset_after", True)


def _weights(emitter: Emitter, value: Value, name: str, order: Sequence[int]) -> str:
    """[n, G u] -> [1, G u, n], gates reordered."""
    array = emitter.known(value)
    if array is not None:
        return emitter.constant(_reordered(array, order).T[np.newaxis], name=f"{name}/onnx")
    turned = emitter.node("Transpose", _reorder(emitter, value, name, order), perm=[1, 0])
    return emitter.node("Unsqueeze", turned, emitter.ints([0]))


def _bias(emitter: Emitter, value: Value, name: str, order: Sequence[int]) -> str:
    """[G u], or [2, G u] with a row for each product -> [1, 2 G u], gates reordered."""
    array = emitter.known(value)
    if array is not None:
        if not np.any(array):
            return ""
        rows = _reordered(array, order).reshape(1, -1)
        both = rows if value.rank == 2 else np.concatenate([rows, np.zeros_like(rows)], 1)
        return emitter.constant(both, name=f"{name}/onnx")
    wide = value.shape[-1]
    row = emitter.node("Reshape", _reorder(emitter, value, name, order), emitter.ints([1, -1]))
    if value.rank == 2:
        return row
    zero = emitter.constant(np.zeros((), value.dtype))
    return emitter.node("Pad", row, emitter.ints([0, 0, 0, int(str(wide))]), zero)


def _state(emitter: Emitter, value: Value, name: str) -> str:
    """[B, u] -> [1, B, u]; left out where it is zero."""
    if is_zero(value):
        return ""
    return emitter.node("Unsqueeze", name, emitter.ints([0]))


def _reordered(array: Array, order: Sequence[int]) -> Array:
    gates = np.split(array, len(order), axis=-1)
    return np.concatenate([gates[i] for i in order], axis=-1)


def _reorder(emitter: Emitter, value: Value, name: str, order: Sequence[int]) -> str:
    if tuple(order) == tuple(range(len(order))):
        return name
    axis, count = value.rank - 1, len(order)
    sizes = emitter.ints([int(str(value.shape[axis])) // count] * count)
    gates = emitter.node_multi("Split", name, sizes, outputs=count, axis=axis)
    return emitter.node("Concat", *(gates[i] for i in order), axis=axis)
