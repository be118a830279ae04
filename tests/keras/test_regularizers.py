"""Regularisers against Keras 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import regularizers
from kgraph.ops.samples import floats
from tests.keras.tracing import values
from tests.oracle import keras, keras_value, needs_keras

W = floats(4, 3)
ALL = [
    regularizers.L1L2(0.1, 0.2),
    regularizers.L1L2(),
    regularizers.l1(0.3),
    regularizers.l2(0.3),
    regularizers.l1_l2(),
    regularizers.OrthogonalRegularizer(0.2),
]


def label(regularizer: Any) -> str:
    return f"{type(regularizer).__name__}-{'-'.join(map(str, regularizer.get_config().values()))}"


@needs_keras
@pytest.mark.parametrize("regularizer", ALL, ids=label)
def test_values_are_those_of_keras(regularizer: Any) -> None:
    theirs = keras().regularizers.deserialize(regularizers.serialize(regularizer))(W)
    np.testing.assert_allclose(values(regularizer, W, static=True), keras_value(theirs), rtol=1e-5)


@pytest.mark.parametrize("regularizer", ALL, ids=label)
def test_round_trip(regularizer: Any) -> None:
    made = regularizers.deserialize(regularizers.serialize(regularizer))
    assert type(made) is type(regularizer)
    assert made.get_config() == regularizer.get_config()


def test_orthogonal_columns_are_orthogonal_rows_of_the_transpose() -> None:
    # Keras 3.15 fails on columns of an array: its normalize takes axis 0 for no axis.
    rows = values(regularizers.OrthogonalRegularizer(0.2), W.T, static=True)
    columns = regularizers.OrthogonalRegularizer(0.2, "columns")
    np.testing.assert_allclose(values(columns, W, static=True), rows, rtol=1e-6)


@pytest.mark.parametrize("name", ["l1", "l2", "l1_l2", "L1", "L2", "L1L2", "orthogonal_regularizer"])
def test_names(name: str) -> None:
    assert isinstance(regularizers.get(name), regularizers.Regularizer)
    assert regularizers.get({"class_name": "L2", "config": {"l2": 0.5}}).l2 == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regularizers.get("l3"), "unknown regularizer: l3"),
        (lambda: regularizers.OrthogonalRegularizer(mode="both"), "mode"),
        (lambda: values(regularizers.OrthogonalRegularizer(), W[0]), "a matrix"),
        (lambda: values(regularizers.OrthogonalRegularizer(), W), "static shape"),
    ],
)
def test_misuse_is_a_value_error_that_says_so(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_the_older_argument_warns_and_works(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{name}="):
        made = getattr(regularizers, name)(l=0.3)
    assert getattr(made, name) == 0.3
