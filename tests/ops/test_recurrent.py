"""Recurrent ops: against step-by-step references, finite differences, the ONNX backend, and real Keras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.errors import ArgumentError, ShapeError
from kgraph.ir.graph import Function, Input, Value
from kgraph.ir.interpret import run
from kgraph.ir.op import Sample, registry
from kgraph.ir.types import Array, TensorType
from kgraph.ops.recurrent import ACTIVATIONS, gru, lstm, simple_rnn
from kgraph.ops.samples import floats
from tests.ops.checking import assert_backend_agrees, assert_gradients, leaves_for

SAMPLES = [sample for name in ("lstm", "gru", "simple_rnn") for sample in registry()[name].samples()]
SCALARS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "relu": lambda x: np.maximum(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "linear": lambda x: x,
}
BATCH, TIME, SIZE, UNITS = 3, 5, 2, 4


def operands(gates: int, bias: tuple[int, ...], states: int) -> list[Array]:
    """x, kernel, recurrent kernel, bias, states; batch-major, double precision, of no special values."""
    wide = gates * UNITS
    shapes = [(BATCH, TIME, SIZE), (SIZE, wide), (UNITS, wide), bias, *[(BATCH, UNITS)] * states]
    generator = np.random.default_rng(gates)
    return [generator.normal(size=shape) for shape in shapes]


def lstm_step(
    x: Array, states: list[Array], weights: Sequence[Array], act: str, gate: str, **_
) -> list[Array]:
    a, s = SCALARS[act], SCALARS[gate]
    kernel, recurrent, bias = weights
    i, f, g, o = np.split(x @ kernel + states[0] @ recurrent + bias, 4, -1)
    c = s(f) * states[1] + s(i) * a(g)
    return [s(o) * a(c), c]


def gru_step(
    x: Array, states: list[Array], weights: Sequence[Array], act: str, gate: str, after: bool
) -> list[Array]:
    a, s = SCALARS[act], SCALARS[gate]
    kernel, recurrent, bias = weights
    (h,) = states
    outer, inner = (bias[0], bias[1]) if after else (bias, np.zeros_like(bias))
    xz, xr, xg = np.split(x @ kernel + outer, 3, -1)
    rz, rr, rg = np.split(recurrent, 3, -1)
    bz, br, bg = np.split(inner, 3)
    z, r = s(xz + h @ rz + bz), s(xr + h @ rr + br)
    g = a(xg + r * (h @ rg + bg)) if after else a(xg + (r * h) @ rg)
    return [z * h + (1 - z) * g]


def rnn_step(x: Array, states: list[Array], weights: Sequence[Array], act: str, **_) -> list[Array]:
    kernel, recurrent, bias = weights
    return [SCALARS[act](x @ kernel + states[0] @ recurrent + bias)]


def by_hand(
    step: Callable, arrays: Sequence[Array], mask: Array | None, reverse: bool, **settings
) -> list[Array]:
    """The sequence and the last states, one step and one row of the batch after the other."""
    x, weights, states = arrays[0], arrays[1:4], list(arrays[4:])
    sequence = np.zeros((BATCH, TIME, UNITS))
    for row in range(BATCH):
        now = [state[row] for state in states]
        for t in range(TIME)[:: -1 if reverse else 1]:
            if mask is None or mask[row, t]:
                now = step(x[row, t], now, weights, **settings)
            sequence[row, t] = now[0]
        for state, value in zip(states, now, strict=True):
            state[row] = value
    return [sequence, *states]


CASES = [
    pytest.param(
        partial(lstm, activation=act, recurrent_activation=gate),
        operands(4, (4 * UNITS,), 2),
        partial(lstm_step, act=act, gate=gate),
        id=f"lstm-{act}-{gate}",
    )
    for act, gate in (("tanh", "sigmoid"), ("relu", "hard_sigmoid"), ("linear", "softsign"))
]
CASES += [
    pytest.param(
        partial(gru, activation=act, recurrent_activation=gate, reset_after=after),
        operands(3, (2, 3 * UNITS) if after else (3 * UNITS,), 1),
        partial(gru_step, act=act, gate=gate, after=after),
        id=f"gru-{act}-{gate}-reset_{'after' if after else 'before'}",
    )
    for act, gate in (("tanh", "sigmoid"), ("softsign", "hard_sigmoid"))
    for after in (True, False)
]
CASES += [
    pytest.param(
        partial(simple_rnn, activation=act),
        operands(1, (UNITS,), 1),
        partial(rnn_step, act=act),
        id=f"simple_rnn-{act}",
    )
    for act in ("tanh", "relu")
]
MASK = np.array([[True, True, True, False, False], [False, True, False, True, True], [True] * 5])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("build", "arrays", "step"), CASES)
def test_meaning(build, arrays, step, masked: bool, reverse: bool) -> None:
    mask = MASK if masked else None
    want = by_hand(step, [a.copy() for a in arrays], mask, reverse)
    given = [*arrays, MASK]
    leaves = leaves_for(given)
    results = build(*leaves[:-1], mask=leaves[-1] if masked else None, reverse=reverse)
    made, _ = run(Function("f", leaves, {str(i): v for i, v in enumerate(results)}), given)
    for got, expected in zip(made.values(), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.op))
def test_onnx_agrees_with_the_oracle_when_time_and_batch_are_symbols(sample: Sample) -> None:
    choices = {"all": [], "masked": [["time", "batch"]], "counted": [["batch"]]}
    names = [
        ["time", "batch", ""],
        ["", ""],
        ["", ""],
        [""] * sample.inputs[3].ndim,
        *[["batch", ""]] * sample.op.states,
        *choices[sample.op.steps],
    ]
    assert_backend_agrees(sample.op.apply, sample.inputs, names)


@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid", "linear"])
def test_onnx_has_every_activation(act: str, gate: str) -> None:
    arrays = [0.3 * a.astype("float32") for a in operands(4, (4 * UNITS,), 2)]
    build = partial(lstm, activation=act, recurrent_activation=gate, reverse=True)
    leaves = leaves_for(arrays)
    function = Function("f", leaves, dict(zip("shc", build(*leaves), strict=True)))
    wanted, _ = run(function, arrays)
    with config.using(device="cpu", backend="onnx"):
        made = compile_program([function]).run("f", arrays)
    for got, want in zip(made, wanted.values(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("build", "arrays", "step"), CASES)
def test_masked_gradients_and_onnx(build, arrays, step, reverse: bool) -> None:
    def masked(*leaves: Value) -> Sequence[Value]:
        return build(*leaves[:-1], mask=leaves[-1], reverse=reverse)

    given = [*[0.5 * a.astype("float32") for a in arrays], MASK]
    assert_gradients(masked, given, tolerance=1e-5)
    assert_backend_agrees(masked, given)


def test_what_is_left_out_is_zero() -> None:
    x, kernel, recurrent, _, h, c = operands(4, (4 * UNITS,), 2)
    leaves = leaves_for([x, kernel, recurrent, np.zeros(4 * UNITS), 0 * h, 0 * c])
    short, full = lstm(*leaves[:3]), lstm(*leaves)
    function = Function("f", leaves, {"a": short[0], "b": full[0]})
    made, _ = run(function, [x, kernel, recurrent, np.zeros(4 * UNITS), 0 * h, 0 * c])
    np.testing.assert_array_equal(made["a"], made["b"])


def test_time_major_operands_stay_as_they_are() -> None:
    def f32(*shape: int) -> Input:
        return Input("x", TensorType("float32", shape))

    sequence, last = gru(f32(5, 3, 2), f32(2, 12), f32(4, 12), time_major=True)
    assert sequence.shape == (5, 3, 4)
    assert last.shape == (3, 4)
    assert [call.op.name for call in Function("f", (), {"y": sequence}).calls()] == ["broadcast_to", "gru"]


def test_mistakes_are_named() -> None:
    def f32(*shape: int) -> Input:
        return Input("x", TensorType("float32", shape))

    with pytest.raises(ArgumentError, match="unknown recurrent activation"):
        lstm(f32(3, 5, 2), f32(2, 16), f32(4, 16), activation="softmax")
    with pytest.raises(ShapeError, match="wrong shape"):
        lstm(f32(3, 5, 2), f32(3, 16), f32(4, 16))
    with pytest.raises(ShapeError, match="wrong rank"):
        lstm(f32(3, 5), f32(2, 16), f32(4, 16))


KERAS = {
    "LSTM": ({}, lstm),
    "GRU": ({"reset_after": True}, gru),
    "GRU-reset-before": ({"reset_after": False}, partial(gru, reset_after=False)),
    "SimpleRNN": ({}, simple_rnn),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", KERAS)
def test_real_keras_agrees(name: str, masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    keras = pytest.importorskip("keras", reason="real Keras is an optional oracle")
    settings, build = KERAS[name]
    make = getattr(keras.layers, name.partition("-")[0])
    layer = make(
        UNITS, return_sequences=True, return_state=True, bias_initializer="random_uniform", **settings
    )
    x = floats(BATCH, TIME, SIZE)
    want = [np.asarray(value) for value in layer(x, mask=MASK if masked else None)]
    given = [x, *(np.asarray(weight.value) for weight in layer.weights), MASK]
    leaves = leaves_for(given)
    results = build(*leaves[:-1], mask=leaves[-1] if masked else None)
    made, _ = run(Function("f", leaves, {str(i): v for i, v in enumerate(results)}), given)
    for got, expected in zip(made.values(), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
