"""Sessions, as far as programs for TensorFlow 1 need them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import backend as K
from kgraph.keras import layers as L
from kgraph.ops.samples import floats

X = floats(3, 4, low=-1)


def test_a_session_runs_tensors() -> None:
    x, w = K.placeholder((None, 4)), K.variable(np.arange(4.0))
    total, twice = K.sum(x * w, -1), x * 2
    with K.get_session().as_default() as session:
        np.testing.assert_allclose(session.run(total, {x: X}), X @ np.arange(4), rtol=1e-6)
        several = session.run([total, twice], feed_dict={x: X})
        named = session.run({"a": twice, "b": total}, {x: X})
    assert list(named) == ["a", "b"]
    np.testing.assert_array_equal(several[1], X * 2)
    np.testing.assert_array_equal(named["a"], several[1])
    np.testing.assert_array_equal(named["b"], several[0])
    K.set_value(w, np.ones(4))
    np.testing.assert_allclose(session.run(total, {x: X}), X.sum(1), rtol=1e-6)
    np.testing.assert_array_equal(session.run(w * 2.0), np.full(4, 2.0))


def test_tensors_of_models_follow_the_phase() -> None:
    model = keras.Sequential([L.Dropout(0.5, input_shape=(4,)), L.Lambda(lambda t: t + 1.0)])
    session = K.get_session()
    plain = session.run(model.output, {model.input: X, K.learning_phase(): 0})
    np.testing.assert_allclose(plain, X + 1, rtol=1e-6)
    dropped = session.run(model.output, {model.input: np.ones((50, 4)), K.learning_phase(): 1})
    assert set(np.unique(dropped)) == {1.0, 3.0}
    np.testing.assert_allclose(
        session.run(model.layers[1].output, {model.layers[1].input: X}), X + 1, rtol=1e-6
    )


def test_a_phase_that_was_set_may_be_fed() -> None:
    K.set_learning_phase(0)
    try:
        assert K.get_session().run(K.constant(3.0), {K.learning_phase(): 0}) == 3.0
    finally:
        K.clear_session()


def test_there_is_nothing_to_set() -> None:
    class Foreign: ...

    with pytest.warns(UserWarning, match=r"kgraph\.config chooses the device; got Foreign") as caught:
        K.set_session(Foreign())
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        K.set_session(K.get_session())
        K.get_session().close()
    assert K.get_session().run(K.constant(1.0)) == 1.0


def test_clearing_forgets_what_was_run() -> None:
    session = K.get_session()
    session.run(K.constant(1.0) * 2)
    assert session._functions
    K.clear_session()
    assert not K.get_session()._functions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("init",), r"runs tensors(.|\n)*'init'"),
        (([None],), r"runs tensors(.|\n)*None"),
        ((K.constant(1.0), {"x": 1}), r"feed_dict(.|\n)*'x'"),
    ],
)
def test_misuse_is_told(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        K.get_session().run(*arguments)
