"""Sample weights, class weights and masks, held against the formula and against real Keras 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import layers as L
from tests import oracle
from tests.keras.training.small import (
    LABELS,
    ONE_HOT,
    SERIES,
    STEPS,
    N,
    X,
    Y,
    Z,
    classifier,
    crossentropy,
    regression,
    series,
    two_by_two,
)

W = np.random.RandomState(5).rand(N).astype("float32") * 2
STEP_WEIGHTS = np.random.RandomState(6).rand(N, 5).astype("float32")


@pytest.mark.parametrize("weights", [W, W[:, None], W.tolist(), [W], {"out": W}, W.astype("float64")])
def test_sample_weights_scale_the_loss_of_their_samples(weights: Any) -> None:
    model = regression()
    error = model.predict(X) - Y
    wanted = (W * (error[:, 0] ** 2)).mean()
    np.testing.assert_allclose(model.evaluate(X, Y, sample_weight=weights, verbose=0), wanted, rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X, Y, sample_weight=weights), wanted, rtol=1e-5)
    kernel, _ = model.get_weights()
    np.testing.assert_allclose(model.train_on_batch(X, Y, sample_weight=weights), wanted, rtol=1e-5)
    gradient = 2 * X.T @ (error * W[:, None]) / N
    np.testing.assert_allclose(model.get_weights()[0], kernel - 0.1 * gradient, rtol=1e-4, atol=1e-6)


def test_metrics_are_weighted_only_when_asked_to_be() -> None:
    model = regression(metrics=["mae"], weighted_metrics=["mse"])
    error = model.predict(X) - Y
    wanted = [
        (W * error[:, 0] ** 2).mean(),
        np.abs(error).mean(),
        (W * error[:, 0] ** 2).sum() / W.sum(),
    ]
    np.testing.assert_allclose(model.evaluate(X, Y, sample_weight=W, verbose=0), wanted, rtol=1e-5)


def test_weights_per_step() -> None:
    model = series()
    error = (model.predict(SERIES) - STEPS)[..., 0]
    wanted = (error**2 * STEP_WEIGHTS).mean()
    found = model.evaluate(SERIES, STEPS, sample_weight=STEP_WEIGHTS, verbose=0)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    history = model.fit(SERIES, STEPS, sample_weight=STEP_WEIGHTS, batch_size=N, verbose=0).history
    np.testing.assert_allclose(history["loss"], wanted, rtol=1e-5)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], ONE_HOT])
def test_class_weights_scale_the_samples_of_their_class_in_training_only(labels: np.ndarray) -> None:
    model = classifier("categorical_crossentropy" if labels is ONE_HOT else "sparse_categorical_crossentropy")
    losses = crossentropy(model.predict(X))
    table = {0: 0.5, 2: 3}  # class 1 counts once, as in Keras 3
    factors = np.array([0.5, 1, 3])[LABELS]
    history = model.fit(
        X, labels, class_weight=table, batch_size=N, validation_data=(X, labels), verbose=0
    ).history
    np.testing.assert_allclose(history["loss"], (losses * factors).mean(), rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], crossentropy(model.predict(X)).mean(), rtol=1e-5)


def test_class_and_sample_weights_multiply_and_do_not_reach_held_out_samples() -> None:
    model = classifier()
    model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy")
    losses = crossentropy(model.predict(X))
    table = {0: 0.5, 1: 2, 2: 3}
    history = model.fit(
        X, ONE_HOT, class_weight=table, sample_weight=W, validation_split=0.5, verbose=0
    ).history
    factors = np.array([0.5, 2, 3])[LABELS] * W
    np.testing.assert_allclose(history["loss"], (losses * factors)[:15].mean(), rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], (losses * W)[15:].mean(), rtol=1e-5)
    found = model.train_on_batch(X, ONE_HOT, class_weight=table)
    np.testing.assert_allclose(found, (losses * np.array([0.5, 2, 3])[LABELS]).mean(), rtol=1e-5)


def test_labels_of_minus_one_are_a_class() -> None:
    model = regression(rate=0.0)
    model.compile(keras.optimizers.SGD(0.0), "hinge")
    signs = np.where(LABELS > 0, 1.0, -1.0)
    losses = np.maximum(1 - signs * model.predict(X)[:, 0], 0)
    history = model.fit(X, signs, class_weight={-1: 4, 1: 0.5}, verbose=0).history
    np.testing.assert_allclose(history["loss"], (losses * np.where(signs > 0, 0.5, 4)).mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("weights", "on_p", "on_q"),
    [(W, W, W), ([W, None], W, 1), ([None, W], 1, W), ({"q": W}, 1, W), ([W, 2 * W], W, 2 * W)],
)
def test_weights_of_several_outputs(weights: Any, on_p: Any, on_q: Any) -> None:
    model = two_by_two()
    p, q = model.predict([X, Z])
    losses = [((p - Y)[:, 0] ** 2 * on_p).mean(), (crossentropy(q) * on_q).mean()]
    found = model.evaluate([X, Z], [Y, ONE_HOT], sample_weight=weights, verbose=0)
    np.testing.assert_allclose(found, [sum(losses), *losses], rtol=1e-5)


@pytest.mark.parametrize("table", [{"q": {0: 2, 1: 3, 2: 4}}, [None, {0: 2, 1: 3, 2: 4}]])
def test_class_weights_of_one_of_several_outputs(table: Any) -> None:
    model = two_by_two()
    p, q = model.predict([X, Z])
    losses = [((p - Y) ** 2).mean(), (crossentropy(q) * np.array([2, 3, 4])[LABELS]).mean()]
    found = model.train_on_batch([X, Z], [Y, ONE_HOT], class_weight=table)
    np.testing.assert_allclose(found, [sum(losses), *losses], rtol=1e-5)


def masked(module: Any, mode: str | None = None) -> Any:
    """A masked recurrent model in any module that has Keras's names."""
    model = module.Sequential(
        [
            module.Input((5, 4)),
            module.layers.Masking(),
            module.layers.SimpleRNN(3, return_sequences=True),
            module.layers.Dense(1),
        ]
    )
    extra = {"sample_weight_mode": mode} if mode else {}
    model.compile(optimizer="sgd", loss="mse", **extra)
    return model


GAPS = SERIES.copy()
GAPS[np.random.RandomState(7).rand(N, 5) < 0.4] = 0
VALID = (GAPS != 0).any(-1)


def test_masked_steps_do_not_count() -> None:
    model = masked(keras, "temporal")
    errors = ((model.predict(GAPS) - STEPS) ** 2)[..., 0]
    np.testing.assert_allclose(
        model.evaluate(GAPS, STEPS, batch_size=N, verbose=0), errors[VALID].sum() / VALID.sum(), rtol=1e-5
    )
    found = model.evaluate(GAPS, STEPS, sample_weight=STEP_WEIGHTS, batch_size=N, verbose=0)
    np.testing.assert_allclose(found, (errors * STEP_WEIGHTS)[VALID].sum() / VALID.sum(), rtol=1e-5)
    whole = masked(keras)
    whole.set_weights(model.get_weights())
    found = whole.evaluate(GAPS, STEPS, sample_weight=W, batch_size=N, verbose=0)
    np.testing.assert_allclose(found, (errors * W[:, None])[VALID].sum() / VALID.sum(), rtol=1e-5)


@oracle.needs_keras
@pytest.mark.parametrize("weights", ["none", "steps"])
def test_masks_and_weights_are_those_of_real_keras(weights: str) -> None:
    real = oracle.keras()
    mine, theirs = masked(keras, "temporal" if weights == "steps" else None), masked(real)
    theirs.set_weights(mine.get_weights())
    given = {"none": None, "steps": STEP_WEIGHTS}[weights]
    found = mine.evaluate(GAPS, STEPS, batch_size=8, sample_weight=given, verbose=0)
    wanted = theirs.evaluate(GAPS, STEPS, batch_size=8, sample_weight=given, verbose=0)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@oracle.needs_keras
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_metrics_are_those_of_real_keras(weighted: bool) -> None:
    def build(module: Any) -> Any:
        layers = module.layers
        model = module.Sequential(
            [module.Input((4,)), layers.Dense(6, activation="tanh"), layers.Dense(3, activation="softmax")]
        )
        model.compile(
            optimizer="sgd",
            loss="categorical_crossentropy",
            metrics=["accuracy", "mae"],
            weighted_metrics=["mse"],
        )
        return model

    mine, theirs = build(keras), build(oracle.keras())
    theirs.set_weights(mine.get_weights())
    data = {"batch_size": 7, "sample_weight": W if weighted else None, "verbose": 0, "return_dict": True}
    found, wanted = mine.evaluate(X, ONE_HOT, **data), theirs.evaluate(X, ONE_HOT, **data)
    assert set(found) <= set(wanted)
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-5, err_msg=name)


def test_weights_of_zero_leave_the_model_as_it_is() -> None:
    model = regression()
    before = model.get_weights()
    model.fit(X, Y, sample_weight=np.zeros(N), verbose=0)
    for mine, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_a_mask_reaches_the_loss_through_layers_that_pass_it_on() -> None:
    model = keras.Sequential([L.Embedding(9, 3, mask_zero=True, input_length=4), L.Dropout(0.5), L.Dense(1)])
    model.compile("sgd", "mse")
    indices = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    errors = (model.predict(indices)[..., 0] - 1) ** 2
    found = model.evaluate(indices, np.ones((2, 4)), verbose=0)
    np.testing.assert_allclose(found, errors[indices != 0].mean(), rtol=1e-5)
