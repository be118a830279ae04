"""Callbacks that watch a number, held against those of real Keras 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from tests import oracle
from tests.keras.training.small import X, Y, Z, regression

NUMBERS = {
    "falling": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3],
    "flat": [1.0] * 8,
    "rising": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
    "late": [1.0, 1.1, 1.2, 0.5, 0.6, 0.7, 0.4, 0.5],
    "small steps": [1.0, 0.99, 0.985, 0.98, 0.979, 0.9, 0.8999, 0.8998],
    "nan": [1.0, 0.9, float("nan"), float("nan"), 0.5, 0.4, 0.3, 0.2],
}
STOPPING: list[dict[str, Any]] = [
    {},
    {"patience": 2},
    {"patience": 2, "min_delta": 0.05},
    {"patience": 1, "mode": "max"},
    {"patience": 2, "baseline": 0.75},
    {"patience": 3, "baseline": 0.2, "restore_best_weights": True},
    {"patience": 2, "restore_best_weights": True},
    {"patience": 1, "start_from_epoch": 4, "restore_best_weights": True},
]
REDUCING: list[dict[str, Any]] = [
    {"patience": 1},
    {"patience": 2, "factor": 0.5},
    {"patience": 1, "cooldown": 2},
    {"patience": 1, "min_delta": 0.05, "min_lr": 0.02},
    {"patience": 1, "mode": "max"},
]


class Rate:
    """A learning rate as callbacks read and set it."""

    def __init__(self) -> None:
        self.learning_rate: Any = np.float32(0.1)


class Stub:
    """As much of a model as a callback that watches needs."""

    metrics: tuple[Any, ...] = ()
    stop_training = False

    def __init__(self) -> None:
        self.optimizer, self.weights = Rate(), -1

    def get_weights(self) -> int:
        return self.weights

    def set_weights(self, weights: int) -> None:
        self.weights = weights


def watch(callback: Any, numbers: list[float]) -> tuple[list[float], int, bool]:
    """The learning rate after each epoch until training stops, the weights in the end, whether it stopped."""
    model, rates = Stub(), []
    callback.set_model(model)
    callback.on_train_begin({})
    for epoch, number in enumerate(numbers):
        model.weights = epoch
        callback.on_epoch_end(epoch, {"val_loss": number})
        rates.append(float(np.asarray(model.optimizer.learning_rate)))
        if model.stop_training:
            break
    callback.on_train_end({})
    return rates, model.weights, model.stop_training


@oracle.needs_keras
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("arguments", STOPPING, ids=str)
def test_early_stopping_is_that_of_real_keras(numbers: str, arguments: dict[str, Any]) -> None:
    given = {"mode": "min", **arguments}
    mine = watch(EarlyStopping(**given), NUMBERS[numbers])
    theirs = watch(oracle.keras().callbacks.EarlyStopping(**given), NUMBERS[numbers])
    assert mine == theirs


@oracle.needs_keras
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("arguments", REDUCING, ids=str)
def test_reducing_the_rate_is_that_of_real_keras(numbers: str, arguments: dict[str, Any]) -> None:
    given = {"mode": "min", **arguments}
    mine = watch(ReduceLROnPlateau(**given), NUMBERS[numbers])
    theirs = watch(oracle.keras().callbacks.ReduceLROnPlateau(**given), NUMBERS[numbers])
    np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-6)


def test_early_stopping_ends_fit_and_restores_the_best_weights() -> None:
    model = regression(rate=0.0)

    def drift(epoch: int, logs: Any) -> None:
        model.set_weights([np.full((4, 1), abs(epoch - 2.0)), np.zeros(1)])

    y = np.zeros_like(Y)
    callbacks = [LambdaCallback(on_epoch_begin=drift), EarlyStopping(patience=2, restore_best_weights=True)]
    history = model.fit(X, y, validation_data=(Z, y), epochs=10, callbacks=callbacks, verbose=0)
    assert history.epoch == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(model.get_weights()[0], np.zeros((4, 1)))


def test_reducing_the_rate_acts_on_the_optimizer() -> None:
    model = regression(rate=1e-20)
    plateau = ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1)
    history = model.fit(X, Y, epochs=4, shuffle=False, callbacks=[plateau], verbose=0).history
    np.testing.assert_allclose(history["learning_rate"], [1e-20, 1e-20, 5e-21, 2.5e-21], rtol=1e-5)
    rate = float(np.asarray(model.optimizer.learning_rate))
    np.testing.assert_allclose(rate, 1.25e-21, rtol=1e-5)


@pytest.mark.parametrize("kind", [EarlyStopping, ReduceLROnPlateau])
def test_a_number_that_is_not_reported_is_a_warning(kind: Any) -> None:
    with pytest.warns(RuntimeWarning, match="'val_loss', which is not reported; available: loss"):
        regression().fit(X, Y, callbacks=[kind()], verbose=0)


@pytest.mark.parametrize(
    ("name", "grows"), [("val_loss", False), ("val_accuracy", True), ("auc", True), ("mae", False)]
)
def test_what_better_means_is_found_from_the_name(name: str, grows: bool) -> None:
    assert EarlyStopping(monitor=name).beats(0.9, 0.8) == grows


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: EarlyStopping(mode="foo"), r"mode of EarlyStopping(.|\n)*auto(.|\n)*foo"),
        (lambda: ModelCheckpoint("f", mode="foo"), r"mode of ModelCheckpoint(.|\n)*foo"),
        (lambda: ReduceLROnPlateau(factor=1.0), r"factor < 1(.|\n)*1\.0"),
    ],
)
def test_bad_arguments_are_refused(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_the_schedule_of_an_optimizer_is_reported_as_it_is_now() -> None:
    model = regression()
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    model.compile(keras.optimizers.SGD(decay), "mse")
    plateau = ReduceLROnPlateau(monitor="loss", patience=100)
    history = model.fit(X, Y, batch_size=30, epochs=2, callbacks=[plateau], verbose=0).history
    np.testing.assert_allclose(history["learning_rate"], [0.05, 0.025], rtol=1e-6)
