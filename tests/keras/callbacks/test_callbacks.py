"""Callbacks: when each hook is called, and what those that come with Keras do."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras.callbacks import (
    Callback,
    CSVLogger,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    TerminateOnNaN,
)
from tests.keras.training.small import X, Y, regression


class Diary(Callback):
    """Writes down every hook with its arguments. It does not call the __init__ of its base, as some forget."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, tuple[int, ...], list[str]]] = []


def _write(hook: str) -> Callable[..., None]:
    def method(self: Any, *arguments: Any) -> None:
        *numbers, logs = arguments
        self.lines.append((hook, tuple(numbers), sorted(logs)))

    return method


for _name in [name for name in vars(Callback) if name.startswith("on_") and "on_batch" not in name]:
    setattr(Diary, _name, _write(_name))


def test_hooks_come_in_order_with_their_logs() -> None:
    diary, model = Diary(), regression()
    model.fit(X, Y, batch_size=15, validation_data=(X[:5], Y[:5]), callbacks=[diary], verbose=0)
    begin, end = ["batch", "size"], ["batch", "loss", "size"]
    assert diary.lines == [
        ("on_train_begin", (), []),
        ("on_epoch_begin", (0,), []),
        ("on_train_batch_begin", (0,), begin),
        ("on_train_batch_end", (0,), end),
        ("on_train_batch_begin", (1,), begin),
        ("on_train_batch_end", (1,), end),
        ("on_test_begin", (), []),
        ("on_test_batch_begin", (0,), begin),
        ("on_test_batch_end", (0,), end),
        ("on_test_end", (), ["loss"]),
        ("on_epoch_end", (0,), ["loss", "val_loss"]),
        ("on_train_end", (), ["loss", "val_loss"]),
    ]
    assert diary.model is model
    assert (diary.params["steps"], diary.params["samples"]) == (2, 30)
    assert diary.params["metrics"] == ["loss", "val_loss"]


def test_evaluate_and_predict_have_their_hooks() -> None:
    diary, model = Diary(), regression()
    model.evaluate(X, Y, callbacks=[diary], verbose=0)
    model.predict(X, callbacks=[diary], verbose=0)
    assert [line[0] for line in diary.lines] == [
        "on_test_begin",
        "on_test_batch_begin",
        "on_test_batch_end",
        "on_test_end",
        "on_predict_begin",
        "on_predict_batch_begin",
        "on_predict_batch_end",
        "on_predict_end",
    ]


def test_the_older_batch_hooks_are_those_of_training() -> None:
    class Old(Callback):
        seen: tuple[str, ...] = ()

        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.seen += ("begin",)

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seen += ("end",)

    old, model = Old(), regression()
    model.fit(X, Y, batch_size=15, validation_split=0.5, callbacks=[old], verbose=0)
    model.evaluate(X, Y, callbacks=[old], verbose=0)
    assert old.seen == ("begin", "end")


def test_what_a_callback_adds_to_the_logs_is_recorded() -> None:
    watch = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(own=epoch * 2.0))
    history = regression().fit(X, Y, epochs=3, callbacks=watch, verbose=0)
    assert history.history["own"] == [0.0, 2.0, 4.0]
    assert isinstance(history, History)
    assert history.epoch == [0, 1, 2]


def test_a_callback_that_raises_leaves_the_model_usable() -> None:
    def fail(epoch: int, logs: Any) -> None:
        raise KeyError("mine")

    model = regression()
    with pytest.raises(KeyError, match="mine"):
        model.fit(X, Y, epochs=3, callbacks=[LambdaCallback(on_epoch_end=fail)], verbose=0)
    assert model.fit(X, Y, verbose=0).epoch == [0]


def test_a_lambda_for_a_hook_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match=r"on_epoch_end(.|\n)*on_epoch_ende"):
        LambdaCallback(on_epoch_ende=print)


def test_stop_training_ends_after_the_step_it_was_set_in() -> None:
    model, steps = regression(), []

    def stop(batch: int, logs: Any) -> None:
        steps.append(batch)
        model.stop_training = batch == 1

    watch = LambdaCallback(on_train_batch_end=stop)
    history = model.fit(X, Y, batch_size=5, epochs=3, callbacks=[watch], verbose=0)
    assert steps == [0, 1]
    assert history.epoch == [0]
    assert model.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]


def test_terminate_on_nan_stops_at_the_batch_whose_loss_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    x = X.copy()
    x[12] = np.nan
    stop = [TerminateOnNaN()]
    history = regression().fit(x, Y, batch_size=5, epochs=3, shuffle=False, callbacks=stop, verbose=0)
    assert "Batch 2: the loss is nan" in capsys.readouterr().out
    assert np.isnan(history.history["loss"]).tolist() == [True]


def test_the_scheduler_sets_the_rate_of_each_epoch() -> None:
    model = regression()
    schedule = LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    history = model.fit(X, Y, epochs=3, callbacks=[schedule], verbose=0).history
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.05, 0.1 / 3], rtol=1e-6)
    with pytest.warns(DeprecationWarning, match="learning_rate"):
        assert history["lr"] == history["learning_rate"]
    halve = LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model.fit(X, Y, epochs=2, callbacks=[halve], verbose=0).history
    np.testing.assert_allclose(history["learning_rate"], [0.1 / 6, 0.1 / 12], rtol=1e-6)


def test_the_rate_that_is_set_is_the_rate_that_trains() -> None:
    model = regression(rate=0.3)
    kernel, _ = model.get_weights()
    model.fit(X, Y, batch_size=30, callbacks=[LearningRateScheduler(lambda epoch: 0.01)], verbose=0)
    step = 0.01 * 2 * X.T @ (X @ kernel - Y) / 30
    np.testing.assert_allclose(model.get_weights()[0], kernel - step, rtol=1e-4, atol=1e-6)


def test_a_rate_that_follows_a_schedule_cannot_be_set() -> None:
    model = regression()
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    model.compile(keras.optimizers.SGD(decay), "mse")
    with pytest.raises(TypeError, match="follows a schedule"):
        model.fit(X, Y, callbacks=[LearningRateScheduler(lambda epoch: 0.1)], verbose=0)


def test_a_schedule_must_be_a_function() -> None:
    with pytest.raises(TypeError, match=r"function of the epoch(.|\n)*0\.1"):
        LearningRateScheduler(0.1)


def test_rows_of_the_csv_file_are_those_of_the_history(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    model = regression(metrics=["mae"])
    history = model.fit(X, Y, epochs=2, callbacks=[CSVLogger(file)], verbose=0).history
    more = model.fit(X, Y, epochs=2, callbacks=[CSVLogger(file, append=True)], verbose=0).history
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["epoch", "loss", "mae"]
    assert [row["epoch"] for row in rows] == ["0", "1", "0", "1"]
    assert [float(row["loss"]) for row in rows] == history["loss"] + more["loss"]


def test_the_csv_file_is_closed_when_training_raises(tmp_path: Path) -> None:
    file, model = tmp_path / "log.csv", regression()

    def fail(epoch: int, logs: Any) -> None:
        raise RuntimeError("enough")

    logger = CSVLogger(file, separator=";")
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, Y, epochs=2, callbacks=[logger, LambdaCallback(on_epoch_end=fail)], verbose=0)
    assert not [value for value in vars(logger).values() if hasattr(value, "close")]
    header, row = file.read_text(encoding="utf-8").splitlines()
    assert header == "epoch;loss"
    assert row.startswith("0;")


def test_the_checkpoint_writes_where_and_when_it_should() -> None:
    class Model:
        saved: tuple[str, ...] = ()

        def save(self, path: str, overwrite: bool) -> None:
            self.saved += (path,)

        def save_weights(self, path: str, overwrite: bool) -> None:
            self.saved += (f"weights of {path}",)

    def run(**arguments: Any) -> tuple[str, ...]:
        model, callback = Model(), ModelCheckpoint("{epoch:02d}-{val_loss:.1f}.h5", **arguments)
        callback.set_model(model)
        callback.on_train_begin({})
        for epoch, loss in enumerate([0.5, 0.7, 0.3, 0.4]):
            callback.on_epoch_end(epoch, {"val_loss": loss})
        return model.saved

    assert run() == ("01-0.5.h5", "02-0.7.h5", "03-0.3.h5", "04-0.4.h5")
    assert run(save_best_only=True) == ("01-0.5.h5", "03-0.3.h5")
    assert run(save_best_only=True, mode="max") == ("01-0.5.h5", "02-0.7.h5")
    assert run(save_best_only=True, initial_value_threshold=0.35) == ("03-0.3.h5",)
    with pytest.warns(DeprecationWarning, match="save_freq"):
        assert run(period=2, save_weights_only=True) == ("weights of 02-0.7.h5", "weights of 04-0.4.h5")


def test_the_checkpoint_is_a_model_that_loads(tmp_path: Path) -> None:
    model = regression()
    model.fit(X, Y, callbacks=[ModelCheckpoint(str(tmp_path / "m.h5"), monitor="loss")], verbose=0)
    loaded = keras.models.load_model(tmp_path / "m.h5", compile=False)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
