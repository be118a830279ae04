"""Constraints against Keras 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import constraints
from kgraph.ops.samples import floats
from tests.keras.tracing import values
from tests.oracle import keras, keras_value, needs_keras

ALL = [
    constraints.MaxNorm(1.5),
    constraints.MaxNorm(0.5, axis=1),
    constraints.NonNeg(),
    constraints.UnitNorm(),
    constraints.UnitNorm(axis=[0, 1]),
    constraints.MinMaxNorm(1.0, 2.0),
    constraints.MinMaxNorm(0.5, 0.8, rate=0.3, axis=1),
]


def label(constraint: Any) -> str:
    return f"{type(constraint).__name__}-{'-'.join(map(str, constraint.get_config().values()))}"


@needs_keras
@pytest.mark.parametrize("constraint", ALL, ids=label)
def test_values_are_those_of_keras(constraint: Any) -> None:
    w = floats(4, 3)
    theirs = keras().constraints.deserialize(constraints.serialize(constraint))(w)
    np.testing.assert_allclose(values(constraint, w), keras_value(theirs), rtol=1e-5)


@pytest.mark.parametrize("constraint", ALL, ids=label)
def test_round_trip(constraint: Any) -> None:
    made = constraints.deserialize(constraints.serialize(constraint))
    assert type(made) is type(constraint)
    assert made.get_config() == constraint.get_config()


@pytest.mark.parametrize(
    "name", ["max_norm", "maxnorm", "non_neg", "nonneg", "unit_norm", "unitnorm", "min_max_norm", "MaxNorm"]
)
def test_names(name: str) -> None:
    assert isinstance(constraints.get(name), constraints.Constraint)


def test_what_is_unknown_is_refused() -> None:
    assert constraints.get(None) is None
    with pytest.raises(ValueError, match="unknown constraint: max"):
        constraints.get("max")


def test_the_older_argument_warns_and_works() -> None:
    with pytest.warns(DeprecationWarning, match="max_value="):
        assert constraints.maxnorm(m=3).max_value == 3
