"""`CallbackList` and `BaseLogger` in loops of one's own."""

from __future__ import annotations

from typing import Any

import pytest

from kgraph import keras
from kgraph.keras.callbacks import BaseLogger, CallbackList, EarlyStopping, History, LambdaCallback
from tests import oracle
from tests.keras.training.small import X, Y, regression


def test_a_loop_of_ones_own() -> None:
    model = regression()
    hooks = CallbackList([BaseLogger()], add_history=True, model=model, metrics=["loss"], epochs=2)
    losses: list[list[float]] = []
    hooks.on_train_begin()
    for epoch in range(2):
        hooks.on_epoch_begin(epoch)
        losses.append([])
        for batch, rows in enumerate((slice(0, 20), slice(20, 30))):
            hooks.on_train_batch_begin(batch)
            losses[-1].append(model.train_on_batch(X[rows], Y[rows]))
            logs = {"batch": batch, "size": rows.stop - rows.start, "loss": losses[-1][-1]}
            hooks.on_train_batch_end(batch, logs)
        hooks.on_epoch_end(epoch, {})
    hooks.on_train_end()
    assert model.history.history["loss"] == pytest.approx(
        [(a * 20 + b * 10) / 30 for a, b in losses], rel=1e-12
    )


def test_the_base_logger_takes_stateful_numbers_as_they_are() -> None:
    logger = BaseLogger(stateful_metrics=["seen"])
    logger.set_params({"metrics": ["loss", "seen", "absent"]})
    logger.on_epoch_begin(0)
    for batch, (size, loss) in enumerate([(4, 1.0), (2, 4.0)]):
        logger.on_batch_end(batch, {"batch": batch, "size": size, "loss": loss, "seen": 10.0 * size})
    logs = {"val_loss": 7.0}
    logger.on_epoch_end(0, logs)
    assert logs == {"val_loss": 7.0, "loss": 2.0, "seen": 20.0}


def test_the_base_logger_leaves_the_numbers_of_fit_alone() -> None:
    watched, plain = regression(), regression()
    plain.set_weights(watched.get_weights())
    histories = [
        model.fit(X, Y, batch_size=8, verbose=0, shuffle=False, callbacks=callbacks).history
        for model, callbacks in ((watched, BaseLogger()), (plain, None))
    ]
    assert histories[0] == histories[1]


@oracle.needs_keras
def test_every_hook_reaches_every_callback_as_in_keras() -> None:
    def called(framework: Any) -> list[Any]:
        seen: list[Any] = []

        class Diary(framework.callbacks.Callback):
            def __getattribute__(self, name: str) -> Any:
                found = super().__getattribute__(name)
                if not name.startswith("on_"):
                    return found

                def call(*arguments: Any, **named: Any) -> Any:
                    seen.append((name, *arguments, *named.values()))
                    return found(*arguments, **named)

                return call

        diaries = [Diary(), Diary()]
        hooks = framework.callbacks.CallbackList(diaries, model=framework.Sequential(), steps=3)
        for name in ("train", "epoch", "test", "predict"):
            for when in ("begin", "end"):
                numbers = [0] if name == "epoch" else []
                getattr(hooks, f"on_{name}_{when}")(*numbers, {"loss": 1.0})
                if name != "epoch":
                    getattr(hooks, f"on_{name}_batch_{when}")(5, {"loss": 2.0})
        assert diaries[0].params["steps"] == 3
        assert diaries[0].model is hooks.model
        return [entry for entry in seen if not entry[0].startswith(("on_batch",))]

    assert called(keras) == called(oracle.keras())


def test_params_and_model_can_change() -> None:
    history, first, second = History(), regression(), regression()
    hooks = CallbackList([history], model=first, epochs=1)
    hooks.set_params({"epochs": 4})
    hooks.set_model(second)
    assert history.params["epochs"] == 4
    assert history.model is second
    assert second.history is history
    assert list(hooks) == [history]


def test_a_progress_bar_for_a_loop(capsys: pytest.CaptureFixture[str]) -> None:
    hooks = CallbackList(add_progbar=True, model=regression(), verbose=1, epochs=3, steps=2, metrics=["loss"])
    hooks.on_train_begin()
    hooks.on_epoch_begin(1)
    for batch in range(2):
        hooks.on_batch_begin(batch)
        hooks.on_batch_end(batch, {"loss": 0.25})
    hooks.on_epoch_end(1, {"loss": 0.25})
    shown = capsys.readouterr().out
    assert "Epoch 2/3" in shown
    assert "2/2" in shown
    assert "loss: 0.2500" in shown


def test_what_acts_last_stays_last() -> None:
    order: list[str] = []
    last = LambdaCallback(on_epoch_end=lambda epoch, logs: order.append("last"))
    last.acts_last = True
    hooks = CallbackList([last, EarlyStopping("loss")])
    hooks.append(LambdaCallback(on_epoch_end=lambda epoch, logs: order.append("first")))
    hooks.on_epoch_end(0, {"loss": 1.0})
    assert order == ["first", "last"]


def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(TypeError, match=r"instance of keras.callbacks.Callback(.|\n)*print"):
        CallbackList().append(print)
