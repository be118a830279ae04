"""Loops of K against loops of Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import backend as K
from kgraph.ops.samples import bools, floats
from tests.keras.tracing import values

X = floats(3, 5, 2, low=-1)
W = floats(2, 2, low=-1)


def test_map_and_folds() -> None:
    np.testing.assert_allclose(
        values(lambda t: K.map_fn(lambda e: K.sum(e * e), t), X), (X * X).sum((1, 2)), rtol=1e-5
    )
    assert values(lambda t: K.map_fn(lambda e: e > 0, t, dtype="int32"), X).dtype == "int32"
    np.testing.assert_allclose(
        values(lambda t: K.foldl(lambda a, e: a * 2 - e, t), X), X[0] * 4 - X[1] * 2 - X[2], rtol=1e-5
    )
    np.testing.assert_allclose(
        values(lambda t: K.foldr(lambda a, e: a * 2 - e, t), X), X[2] * 4 - X[1] * 2 - X[0], rtol=1e-5
    )
    for fold in (K.foldl, K.foldr):
        made = values(lambda t, fold=fold: fold(lambda a, e: a + K.sum(e), t, 1.0), X)
        np.testing.assert_allclose(made, 1 + X.sum(), rtol=1e-5)


def step(x: Any, states: Any) -> Any:
    h = K.tanh(x + K.dot(states[0], K.constant(W)))
    return h * 2.0, [h]


def walk(x: np.ndarray, mask: np.ndarray | None = None) -> tuple[Any, Any, Any]:
    h, y, made = np.ones((3, 2), "float32"), np.zeros((3, 2), "float32"), []
    for t in range(x.shape[1]):
        new = np.tanh(x[:, t] + h @ W)
        keep = np.ones((3, 1), bool) if mask is None else mask[:, t, None]
        h, y = np.where(keep, new, h), np.where(keep, new * 2, y)
        made.append(y)
    return y, np.stack(made, 1), h


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("static", [False, True])
def test_rnn_walks_masks_and_turns_round(backwards: bool, masked: bool, static: bool) -> None:
    mask = bools(3, 5) if masked else None

    def f(t: Any) -> Any:
        last, outputs, states = K.rnn(step, t, [K.ones_like(t[:, 0])], backwards, mask)
        return [last, outputs, *states]

    turn = slice(None, None, -1 if backwards else 1)
    wanted = walk(X[:, turn], None if mask is None else mask[:, turn])
    for made, expected in zip(values(f, X, static=static), wanted, strict=True):
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


def test_rnn_hands_constants_to_each_step_and_needs_no_state() -> None:
    def scaled(x: Any, states: Any) -> Any:
        return x * states[0], []

    made = values(lambda t, c: K.rnn(scaled, t, [], constants=[c])[1], X, X[0, 0])
    np.testing.assert_allclose(made, X * X[0, 0], rtol=1e-6)


def test_rnn_has_gradients() -> None:
    def gradient(t: Any) -> Any:
        return K.gradients(K.sum(K.rnn(step, t, [K.ones_like(t[:, 0])])[0]), t)[0]

    def loss(x: np.ndarray) -> float:
        return float(walk(x)[0].sum())

    bumped = X.copy()
    bumped[1, 2, 0] += 1e-2
    slope = (loss(bumped) - loss(2 * X - bumped)) / 2e-2
    np.testing.assert_allclose(values(gradient, X)[1, 2, 0], slope, rtol=1e-2, atol=1e-3)
