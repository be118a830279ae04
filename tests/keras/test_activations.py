"""Activations against Keras 3, function by function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import activations
from kgraph.keras import backend as K
from kgraph.keras.utils.custom_objects import CustomObjectScope
from kgraph.ops.samples import floats
from tests.keras.tracing import values
from tests.oracle import keras, keras_value, needs_keras

X = np.concatenate([floats(4, 6, low=-4, high=4), [[-30, -6, 0, 1, 6, 30]]]).astype("float32")
ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "relu": [{}, {"negative_slope": 0.1}, {"max_value": 2.0}, {"negative_slope": 0.2, "threshold": 0.5}],
    "elu": [{}, {"alpha": 0.5}],
    "celu": [{}, {"alpha": 0.5}],
    "leaky_relu": [{}, {"negative_slope": 0.3}],
    "gelu": [{}, {"approximate": True}],
    "softmax": [{}, {"axis": 0}],
    "log_softmax": [{}, {"axis": 0}],
    "hard_shrink": [{}, {"threshold": 1.0}],
    "soft_shrink": [{}, {"threshold": 1.0}],
    "threshold": [{"threshold": 0.5, "default_value": -1.0}],
    "squareplus": [{}, {"b": 2.0}],
    "glu": [{}, {"axis": -1}],
}
NAMES = sorted(activations._LOOKUP.names)
CASES = [
    (name, arguments)
    for name in NAMES
    if name != "hard_sigmoid_keras2"  # which Keras 3 does not have
    for arguments in ARGUMENTS.get(name, [{}])
]


@needs_keras
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_values_are_those_of_keras(name: str, arguments: dict[str, Any]) -> None:
    mine = values(lambda x: getattr(activations, name)(x, **arguments), X)
    theirs = getattr(keras().activations, name)(X, **arguments)
    np.testing.assert_allclose(mine, keras_value(theirs), rtol=2e-6, atol=1e-6)


def test_the_hard_sigmoid_of_keras_2_has_its_slope() -> None:
    mine = values(activations.hard_sigmoid_keras2, X)
    np.testing.assert_allclose(mine, np.clip(0.2 * X + 0.5, 0, 1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_names_stand_for_the_functions(name: str) -> None:
    function = getattr(activations, name)
    assert activations.get(name) is activations.get(function) is function
    assert activations.get(activations.serialize(function)) is function


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("linear", "threshold")])
def test_gradients_are_finite_everywhere(name: str) -> None:
    function = getattr(activations, name)
    assert np.isfinite(values(lambda x: K.gradients(function(x), x)[0], np.minimum(X, 20))).all()


def test_none_is_linear_and_what_is_unknown_is_refused() -> None:
    assert activations.get(None) is activations.linear
    with pytest.raises(ValueError, match="unknown activation: rellu"):
        activations.get("rellu")
    with pytest.raises(ValueError, match="activation"):
        activations.get(3)


def test_activations_of_users_are_found_by_name() -> None:
    def twice(x: Any) -> Any:
        return 2 * x

    assert activations.get(twice) is twice
    with CustomObjectScope({"twice": twice}):
        assert activations.get("twice") is twice


def test_the_older_argument_of_relu_warns_and_works() -> None:
    with pytest.warns(DeprecationWarning, match="negative_slope="):
        made = values(lambda x: activations.relu(x, alpha=0.1), X)
    np.testing.assert_array_equal(made, values(lambda x: activations.relu(x, 0.1), X))
