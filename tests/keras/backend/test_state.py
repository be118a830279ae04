"""Variables, placeholders, values and updates."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.keras import backend as K


def test_variables_are_read_and_written() -> None:
    v = K.variable([[1.0, 2.0]], name="v")
    assert K.is_variable(v)
    assert K.is_tensor(v)
    assert not K.is_placeholder(v)
    assert K.dtype(v) == "float32"
    np.testing.assert_array_equal(K.get_value(v), [[1, 2]])
    K.set_value(v, [[3, 4]])
    K.batch_set_value([(v, K.get_value(v) + 1)])
    np.testing.assert_array_equal(K.batch_get_value([v, v * 2]), [[[4, 5]], [[8, 10]]])
    with pytest.raises(ValueError, match="does not fit"):
        K.set_value(v, np.zeros(3))


def test_values_of_what_needs_no_input() -> None:
    assert K.eval(K.constant(2.0) * 3) == 6
    assert isinstance(K.get_value(K.variable(1.5)), np.float32)
    np.testing.assert_array_equal(K.eval(K.constant(3, shape=(2, 2))), np.full((2, 2), 3))
    np.testing.assert_array_equal(K.eval(K.constant([1, 2, 3, 4], shape=(2, 2))), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(K.eval(K.eye(3)), np.eye(3))
    np.testing.assert_array_equal(K.eval(K.eye((2, 3))), np.eye(2, 3))
    np.testing.assert_array_equal(K.eval(K.ones((2, 2), "int32")), np.ones((2, 2)))
    np.testing.assert_array_equal(K.eval(K.identity(K.zeros(3))), np.zeros(3))
    with pytest.raises(ValueError, match="no value yet"):
        K.eval(K.placeholder((2,)))


def test_placeholders() -> None:
    x = K.placeholder(ndim=2, dtype="int32")
    assert (x.shape, x.dtype) == ((None, None), "int32")
    assert K.is_placeholder(x)
    assert not K.is_keras_tensor(x)
    assert not K.is_sparse(x)
    with pytest.raises(TypeError, match="shape or ndim"):
        K.placeholder()
    with pytest.raises(ValueError, match="symbolic tensor"):
        K.is_keras_tensor(np.zeros(3))


def test_updates_are_pairs() -> None:
    v = K.variable([1.0, 2.0])
    for pair, wanted in (
        (K.update(v, [5, 6]), [5, 6]),
        (K.update_add(v, 1), [2, 3]),
        (K.update_sub(v, [1, 1]), [0, 1]),
        (K.moving_average_update(v, K.constant([3.0, 4.0]), 0.75), [1.5, 2.5]),
    ):
        assert pair[0] is v
        np.testing.assert_allclose(K.eval(pair[1]), wanted)


def test_cast_to_floatx_keeps_arrays_arrays() -> None:
    assert K.cast_to_floatx([1, 2]).dtype == "float32"
    assert K.cast_to_floatx(K.constant([1], "int32")).dtype == "float32"


def test_clear_session_begins_again() -> None:
    K.set_learning_phase(1)
    K.get_uid("thing")
    K.clear_session()
    assert K.get_uid("thing") == 1
    assert K.is_tensor(K.learning_phase())
    K.reset_uids()
    assert K.get_uid("thing") == 1
    assert K.backend() == "kgraph"
