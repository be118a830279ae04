"""Losses against Keras 3: every function and class, weights, masks and reductions."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from kgraph.keras import backend as K
from kgraph.keras import losses
from kgraph.keras.tensor import Tensor
from kgraph.ops.samples import bools, floats, integers
from tests.keras.tracing import values
from tests.oracle import keras, keras_value, needs_keras

ANY = (floats(5, 3, low=-2, high=2), floats(5, 3, low=-1.5, high=2))
LABELS = integers(5, high=3)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
SOFT = floats(5, 3, low=0.05, high=1)
PROBABILITIES = (floats(5, 3, low=0.01, high=0.99) / 1.1).astype("float32")
CATEGORICAL = (ONE_HOT, (SOFT / SOFT.sum(-1, keepdims=True)).astype("float32"))
BINARY = (bools(5, 3).astype("float32"), PROBABILITIES)
LOGITS = floats(5, 3, low=-4, high=4)
SMOOTH = {"label_smoothing": 0.2}
RAW = {"from_logits": True}

CASES: list[tuple[str, tuple[Any, Any], dict[str, Any]]] = [
    ("mean_squared_error", ANY, {}),
    ("mean_absolute_error", ANY, {}),
    ("mean_absolute_percentage_error", ANY, {}),
    ("mean_squared_logarithmic_error", ANY, {}),
    ("hinge", ANY, {}),
    ("hinge", (BINARY[0], LOGITS), {}),
    ("squared_hinge", (BINARY[0], LOGITS), {}),
    ("squared_hinge", ANY, {}),
    ("categorical_hinge", (ONE_HOT, LOGITS), {}),
    ("cosine_similarity", ANY, {}),
    ("cosine_similarity", (floats(5, 2, 3), floats(5, 2, 3, low=-1)), {"axis": 1}),
    ("huber", ANY, {}),
    ("huber", ANY, {"delta": 0.4}),
    ("log_cosh", (ANY[0] * 40, ANY[1]), {}),
    ("kl_divergence", CATEGORICAL, {}),
    ("poisson", (integers(5, 3).astype("float32"), PROBABILITIES), {}),
    ("categorical_crossentropy", CATEGORICAL, {}),
    ("categorical_crossentropy", CATEGORICAL, SMOOTH),
    ("categorical_crossentropy", (ONE_HOT, SOFT), {}),
    ("categorical_crossentropy", (ONE_HOT, LOGITS), RAW),
    ("categorical_crossentropy", (ONE_HOT, LOGITS), {**RAW, **SMOOTH}),
    ("sparse_categorical_crossentropy", (LABELS, SOFT), {}),
    ("sparse_categorical_crossentropy", (LABELS[:, None], SOFT), {}),
    ("sparse_categorical_crossentropy", (LABELS, LOGITS), RAW),
    ("binary_crossentropy", BINARY, {}),
    ("binary_crossentropy", BINARY, SMOOTH),
    ("binary_crossentropy", (BINARY[0], LOGITS), RAW),
    ("binary_crossentropy", (BINARY[0], np.round(PROBABILITIES)), {}),
    ("categorical_focal_crossentropy", CATEGORICAL, {}),
    ("categorical_focal_crossentropy", (ONE_HOT, LOGITS), {**RAW, **SMOOTH, "alpha": 0.5, "gamma": 1.0}),
    ("binary_focal_crossentropy", BINARY, {}),
    ("binary_focal_crossentropy", (BINARY[0], LOGITS), {**RAW, "apply_class_balancing": True}),
    ("binary_focal_crossentropy", BINARY, SMOOTH),
    ("dice", BINARY, {}),
    ("dice", BINARY, {"axis": 1}),
    ("tversky", BINARY, {"alpha": 0.3, "beta": 0.8}),
    ("tversky", BINARY, {"axis": [1]}),
]
CLASSES = {
    name: cls for name, cls in vars(losses).items() if inspect.isclass(cls) and issubclass(cls, losses.Loss)
}
CONCRETE = sorted(set(CLASSES) - {"Loss", "LossFunctionWrapper"})


def label(case: Any) -> str:
    return str(case) if isinstance(case, str | dict) else ""


@needs_keras
@pytest.mark.parametrize(("name", "data", "arguments"), CASES, ids=label)
def test_functions_are_those_of_keras(name: str, data: Any, arguments: dict[str, Any]) -> None:
    mine = values(lambda t, p: getattr(losses, name)(t, p, **arguments), *data, static=True)
    theirs = getattr(keras().losses, name)(*data, **arguments)
    np.testing.assert_allclose(mine, keras_value(theirs), rtol=5e-6, atol=2e-6)


def find_class(function: str) -> str:
    return next(c for c in CONCRETE if c.lower() == function.replace("_", ""))


@needs_keras
@pytest.mark.parametrize(("name", "data", "arguments"), CASES, ids=label)
@pytest.mark.parametrize("weighted", [False, True])
def test_classes_are_those_of_keras(name: str, data: Any, arguments: dict[str, Any], weighted: bool) -> None:
    cls = find_class(name)
    weights = floats(5, low=0, high=2) if weighted else None
    if weighted and (name in ("dice", "tversky") or data[1].ndim == 3):
        weights = np.float32(0.7)  # these losses are not one per sample
    theirs = getattr(keras().losses, cls)(**arguments)(*data, sample_weight=weights)
    mine = values(lambda t, p: CLASSES[cls](**arguments)(t, p, weights), *data, static=True)
    np.testing.assert_allclose(mine, keras_value(theirs), rtol=5e-6, atol=2e-6)


@pytest.mark.parametrize(("name", "data", "arguments"), CASES, ids=label)
def test_losses_have_finite_gradients(name: str, data: Any, arguments: dict[str, Any]) -> None:
    def gradient(t: Any, p: Any) -> Any:
        return K.gradients(K.sum(getattr(losses, name)(t, p, **arguments)), p)[0]

    assert np.isfinite(values(gradient, *data, static=True)).all()


@needs_keras
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "none", None, "mean", "mean_with_sample_weight"]
)
@pytest.mark.parametrize(
    "weights", [None, floats(2, low=0), floats(2, 4, low=0), floats(2, 4, 1, low=0)], ids=str
)
@pytest.mark.parametrize("masked", [False, True])
def test_reductions_weights_and_masks_are_those_of_keras(reduction: Any, weights: Any, masked: bool) -> None:
    y_true, y_pred, mask = floats(2, 4, 3), floats(2, 4, 3, low=-1), bools(2, 4)
    if weights is not None and weights.ndim == 1:
        weights = np.repeat(weights[:, None], 4, 1)  # Keras 3 cannot do that itself

    def mine(t: Any, p: Any) -> Any:
        p._keras_mask = K.constant(mask, "bool") if masked else None
        return losses.MeanSquaredError(reduction)(t, p, weights)

    real = keras()
    theirs = real.src.losses.loss.reduce_weighted_values(
        real.losses.mean_squared_error(y_true, y_pred),
        sample_weight=weights,
        mask=mask if masked else None,
        reduction=reduction,
    )
    np.testing.assert_allclose(values(mine, y_true, y_pred), keras_value(theirs), rtol=1e-5)


def test_a_weight_per_sample_weighs_all_positions() -> None:
    y_true, y_pred, weights = floats(2, 4, 3), floats(2, 4, 3, low=-1), floats(2, low=0)
    made = values(lambda t, p: losses.MeanSquaredError()(t, p, weights), y_true, y_pred)
    wanted = (np.square(y_true - y_pred).mean(-1) * weights[:, None]).mean()
    np.testing.assert_allclose(made, wanted, rtol=1e-5)


def test_masks_that_let_nothing_through_give_zero() -> None:
    def loss(t: Any, p: Any) -> Any:
        p._keras_mask = K.constant([False] * 5, "bool")
        return losses.MeanSquaredError()(t, p)

    assert values(loss, *ANY) == 0


def test_an_ignored_class_counts_neither_above_nor_below_the_line() -> None:
    labels = np.array([0, -1, 2, 1, -1])
    made = values(lambda t, p: losses.SparseCategoricalCrossentropy(ignore_class=-1)(t, p), labels, SOFT)
    kept = labels >= 0
    rest = values(lambda t, p: losses.SparseCategoricalCrossentropy()(t, p), labels[kept], SOFT[kept])
    np.testing.assert_allclose(made, rest, rtol=1e-6)


def test_vectors_meet_columns() -> None:
    y_true, y_pred = bools(5).astype("float32"), PROBABILITIES[:, :1]
    for name in ("mean_squared_error", "binary_crossentropy", "hinge", "huber"):
        made = values(lambda t, p, name=name: getattr(losses, name)(t, p), y_true, y_pred, static=True)
        wanted = values(lambda t, p, name=name: getattr(losses, name)(t, p), y_true[:, None], y_pred)
        np.testing.assert_array_equal(made, wanted)


def test_functions_of_users_become_losses() -> None:
    def mine(y_true: Any, y_pred: Any) -> Any:
        return K.mean(y_pred * y_true)

    loss = losses.as_loss(mine)
    assert loss.name == "mine"
    np.testing.assert_allclose(values(loss, *ANY), (ANY[0] * ANY[1]).mean(), rtol=1e-6)

    class Scaled(losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Tensor:
            return K.sum(K.square(y_true - y_pred), -1)

    assert Scaled().name == "scaled"
    wanted = np.square(ANY[0] - ANY[1]).sum(-1).mean()
    np.testing.assert_allclose(values(Scaled(), *ANY), wanted, rtol=1e-5)
    np.testing.assert_allclose(values(Scaled(dtype="float64"), *ANY), wanted, rtol=1e-5)
    with pytest.raises(NotImplementedError, match="no call method"):
        losses.Loss()(1.0, 2.0)


@pytest.mark.parametrize("name", CONCRETE)
def test_round_trip(name: str) -> None:
    loss = CLASSES[name](reduction="sum", name="mine")
    made = losses.deserialize(losses.serialize(loss))
    assert type(made) is type(loss)
    assert made.get_config() == loss.get_config()
    assert isinstance(losses.get(name), CLASSES[name])


OLDER = (
    "mse MSE mae MAPE msle kld KLD cosine cosine_proximity logcosh huber_loss bce kullback_leibler_divergence"
)


@pytest.mark.parametrize("name", OLDER.split())
def test_older_names_are_found(name: str) -> None:
    assert losses.get(name) is getattr(losses, name)
    assert losses.as_loss(name).name == getattr(losses, name).__name__


def test_what_the_one_hot_loss_is_called() -> None:
    assert losses.is_categorical_crossentropy("categorical_crossentropy")
    assert losses.is_categorical_crossentropy(losses.CategoricalCrossentropy())
    assert not losses.is_categorical_crossentropy("mse")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.get("crossentropy"), "unknown loss function: crossentropy"),
        (lambda: losses.MeanSquaredError("average"), "unknown loss reduction"),
        (lambda: losses.mean_squared_error(np.zeros((2, 3)), np.zeros((2, 4))), "broadcast"),
        (lambda: losses.MeanSquaredError()(*ANY, floats(5, 3)), "do not fit the losses"),
    ],
)
def test_misuse_is_a_value_error_that_says_so(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
