"""Initialisers: exact values where they are exact, distributions against Keras 3 where they are random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, ShapeError
from kgraph.keras import initializers
from kgraph.keras.utils.custom_objects import CustomObjectScope
from tests.oracle import keras, keras_value, needs_keras

RANDOM = [
    initializers.RandomNormal(0.5, 0.2),
    initializers.RandomUniform(-0.3, 0.1),
    initializers.TruncatedNormal(0.5, 0.2),
    initializers.VarianceScaling(0.7, "fan_out", "untruncated_normal"),
    initializers.VarianceScaling(3.0, "fan_avg", "truncated_normal"),
    initializers.glorot_uniform(),
    initializers.glorot_normal(),
    initializers.he_uniform(),
    initializers.he_normal(),
    initializers.lecun_uniform(),
    initializers.lecun_normal(),
    initializers.Orthogonal(1.5),
]
EXACT = [
    initializers.Zeros(),
    initializers.Ones(),
    initializers.Constant(0.3),
    initializers.Constant(np.array([1.0, 2.0])),
    initializers.Identity(2.0),
]


def label(initializer: Any) -> str:
    return f"{type(initializer).__name__}-{'-'.join(map(str, initializer.get_config().values()))}"


@pytest.mark.parametrize("initializer", RANDOM, ids=label)
def test_a_seed_repeats_and_so_does_numpys(initializer: Any) -> None:
    config = {**initializer.get_config(), "seed": 7}
    seeded = type(initializer).from_config(config)
    np.testing.assert_array_equal(seeded((5, 4)), seeded((5, 4)))
    state = np.random.get_state()
    np.random.seed(3)
    first, second = initializer((5, 4)), initializer((5, 4))
    np.random.seed(3)
    np.testing.assert_array_equal(initializer((5, 4)), first)
    np.random.set_state(state)
    assert (first != second).any()


@pytest.mark.parametrize("initializer", [*RANDOM, *EXACT], ids=label)
def test_round_trip_and_dtype(initializer: Any) -> None:
    made = initializers.deserialize(initializers.serialize(initializer))
    assert type(made) is type(initializer)
    assert made.get_config() == initializer.get_config() == initializer.clone().get_config()
    assert initializer((2, 2)).dtype == "float32"
    assert initializer((2, 2), dtype="float64").dtype == "float64"


@needs_keras
@pytest.mark.parametrize("initializer", RANDOM, ids=label)
@pytest.mark.parametrize("shape", [(60, 700), (3, 3, 24, 200)], ids=str)
def test_distributions_are_those_of_keras(initializer: Any, shape: tuple[int, ...]) -> None:
    data = initializers.serialize(type(initializer).from_config({**initializer.get_config(), "seed": 11}))
    mine = initializers.deserialize(data)(shape)
    theirs = keras_value(keras().initializers.deserialize(data)(shape))
    assert mine.dtype == theirs.dtype
    quantiles = np.linspace(0.01, 0.99, 21)
    spread = theirs.std()
    np.testing.assert_allclose(
        np.quantile(mine, quantiles), np.quantile(theirs, quantiles), atol=0.06 * spread
    )
    assert mine.std() == pytest.approx(spread, rel=0.02)
    # A distribution that is cut off ends where theirs does.
    assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=0.35)


@needs_keras
@pytest.mark.parametrize("initializer", EXACT, ids=label)
def test_exact_values_are_those_of_keras(initializer: Any) -> None:
    data = initializers.serialize(initializer)
    theirs = keras_value(keras().initializers.deserialize(data)((2, 2)))
    np.testing.assert_array_equal(initializers.deserialize(data)((2, 2)), theirs)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 3, 4)])
def test_orthogonal_is_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = initializers.Orthogonal(2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("uniform", initializers.RandomUniform),
        ("normal", initializers.RandomNormal),
        ("zero", initializers.Zeros),
        ("one", initializers.Ones),
        ("orthogonal", initializers.Orthogonal),
        ("identity", initializers.Identity),
        ("glorot_uniform", initializers.VarianceScaling),
        ("GlorotUniform", initializers.VarianceScaling),
        ("he_normal", initializers.VarianceScaling),
        ("LecunNormal", initializers.VarianceScaling),
    ],
)
def test_every_spelling_of_a_name(name: str, cls: type) -> None:
    assert type(initializers.get(name)) is cls
    data = {"class_name": name, "config": {}}
    assert type(initializers.get(data)) is cls
    assert type(initializers.get(getattr(initializers, name))) is cls


def test_keras_3_data_and_dtypes_of_tf_keras_are_understood() -> None:
    data = {
        "module": "keras.initializers",
        "class_name": "GlorotUniform",
        "config": {"seed": 3},
        "registered_name": None,
    }
    assert initializers.get(data).get_config()["seed"] == 3
    assert initializers.get({"class_name": "Zeros", "config": {"dtype": "float32"}})((2,)).tolist() == [0, 0]


def test_functions_and_names_of_users() -> None:
    def mine(shape: Any, dtype: Any = None) -> Any:
        return np.full(shape, 5, dtype)

    assert initializers.get(mine) is mine
    assert initializers.get(None) is None
    with CustomObjectScope({"mine": mine}):
        assert initializers.get("mine") is mine


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: initializers.get("glorot"), ArgumentError, "unknown initializer: glorot"),
        (lambda: initializers.get(3), ArgumentError, "initializer"),
        (lambda: initializers.VarianceScaling(-1), ArgumentError, "scale"),
        (lambda: initializers.VarianceScaling(mode="fan"), ArgumentError, "mode"),
        (lambda: initializers.VarianceScaling(distribution="gamma"), ArgumentError, "distribution"),
        (lambda: initializers.Identity()((2,)), ShapeError, "matrices"),
        (lambda: initializers.Orthogonal()((2,)), ShapeError, "matrices"),
    ],
)
def test_misuse_is_a_value_error_that_says_so(call: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
    assert issubclass(error, ValueError)
