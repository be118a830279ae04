"""The phase, switch, gradients and compiled functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import backend as K
from kgraph.ops.samples import floats
from tests.keras.tracing import values

X = floats(3, 4)


@pytest.fixture
def phase() -> Any:
    yield K.set_learning_phase
    K.set_learning_phase(None)


def test_the_phase_decides() -> None:
    def both(t: Any) -> list[Any]:
        return [K.in_train_phase(t * 2, t), K.in_test_phase(lambda: t * 2, lambda: t)]

    for training in (False, True):
        made = values(both, X, training=training)
        np.testing.assert_array_equal(made[training], X)
        np.testing.assert_array_equal(made[not training], X * 2)


def test_a_given_phase_wins(phase: Any) -> None:
    assert values(lambda t: K.in_train_phase(t, t * 0, training=1), X).any()
    assert not values(lambda t: K.in_train_phase(t, t * 0, training=False), X, training=True).any()
    flag = K.constant(True, "bool")
    assert values(lambda t: K.in_train_phase(t, t * 0, training=flag), X).any()
    phase(1)
    assert K.learning_phase() == 1
    assert values(lambda t: K.in_train_phase(t, t * 0), X).any()
    phase(0)
    assert not values(lambda t: K.in_train_phase(t, t * 0), X, training=True).any()
    with pytest.raises(ValueError, match="0, 1 or None"):
        phase(2)


def test_the_symbolic_phase_computes() -> None:
    for training in (False, True):
        made = values(lambda t: t * K.cast(K.learning_phase(), "float32"), X, training=training)
        np.testing.assert_array_equal(made, X * training)
        chosen = values(lambda t: K.switch(K.learning_phase(), t, -t), X, training=training)
        np.testing.assert_array_equal(chosen, X if training else -X)


def test_switch_broadcasts_a_low_condition_over_leading_axes() -> None:
    rows = np.array([True, False, True])
    made = values(lambda c, t: K.switch(c, t, lambda: t * 0), rows, X)
    np.testing.assert_array_equal(made, np.where(rows[:, None], X, 0))
    np.testing.assert_array_equal(values(lambda t: K.switch(t > 0, t, 0), X), np.maximum(X, 0))
    np.testing.assert_array_equal(values(lambda t: K.switch(1, t, t * 0), X), X)
    with pytest.raises(ValueError, match="rank of the condition"):
        K.switch(K.placeholder((2, 3)), K.placeholder((2,)), 0)


def test_gradients_sum_what_is_no_scalar_and_are_none_without_dependence() -> None:
    def f(t: Any) -> list[Any]:
        (a, b) = K.gradients(t * t, [t, K.variable(1.0)])
        assert b is None
        return [a]

    np.testing.assert_allclose(values(f, X)[0], 2 * X)
    np.testing.assert_allclose(
        values(lambda t: K.gradients(t * K.stop_gradient([t])[0], t)[0], X),
        X,
    )


def test_what_has_no_meaning_in_a_graph_passes_through() -> None:
    with K.name_scope("here"), K.control_dependencies([]):
        np.testing.assert_array_equal(values(lambda t: K.print_tensor(t, "x = "), X), X)
    assert K.symbolic(len) is K.eager(len) is len


def test_functions_run_updates_and_know_both_phases(phase: Any) -> None:
    x, v = K.placeholder((None, 4)), K.variable(0.0)
    f = K.function([x, K.learning_phase()], [K.in_train_phase(x * 2, x), K.sum(x)], [K.update_add(v, 1)])
    for training in (0, 1, 0):
        doubled, total = f([X, training])
        np.testing.assert_array_equal(doubled, X * (1 + training))
        np.testing.assert_allclose(total, X.sum(), rtol=1e-5)
    assert K.get_value(v) == 3
    g = K.function([x], K.in_train_phase(x * 2, x))
    np.testing.assert_array_equal(g([X]), X)
    phase(1)
    np.testing.assert_array_equal(g(X[:1]), X[:1] * 2)


def test_functions_cut_the_graph_at_tensors_that_are_fed() -> None:
    x = K.placeholder((None, 4))
    middle = x * 2
    f = K.function([middle], [middle + 1])
    np.testing.assert_array_equal(f([X])[0], X + 1)


def test_functions_say_what_does_not_fit() -> None:
    f = K.function([K.placeholder((None, 4))], [K.constant(1.0)])
    with pytest.raises(ValueError, match="number of inputs"):
        f([X, X])
    with pytest.raises(ValueError, match="does not fit"):
        f([X[:, :2]])
    with pytest.raises(ValueError, match="not an input"):
        K.function(["x"], [])
