"""Ctrl-C: the step that runs is finished, the weights are those of a whole step, the model trains on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph.keras.callbacks import LambdaCallback
from kgraph.keras.training.loop import interruptible
from tests.keras.training.small import X, Y, regression

ROOT = Path(__file__).resolve().parents[3]
needs_posix = pytest.mark.skipif(os.name != "posix", reason="a process sends itself SIGINT by os.kill")


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    """With Ctrl-C as Python starts with it, though a program that runs in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(batch: int) -> Any:
    def hook(number: int, logs: Any) -> None:
        if number == batch:
            os.kill(os.getpid(), signal.SIGINT)

    return hook


@needs_posix
@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
def test_the_weights_are_those_of_the_last_finished_step(hook: str) -> None:
    model, same = regression(), regression()
    same.set_weights(model.get_weights())
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            X, Y, batch_size=5, shuffle=False, callbacks=[LambdaCallback(**{hook: interrupt(2)})], verbose=0
        )
    for start in (0, 5, 10):  # the third step was under way, or just done
        same.train_on_batch(X[start : start + 5], Y[start : start + 5])
    for mine, wanted in zip(model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, wanted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert model.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]


@needs_posix
def test_evaluate_and_predict_stop_between_batches() -> None:
    model = regression()
    stop = LambdaCallback(on_test_batch_end=interrupt(1), on_predict_batch_end=interrupt(1))
    with pytest.raises(KeyboardInterrupt):
        model.evaluate(X, Y, batch_size=5, callbacks=[stop], verbose=0)
    with pytest.raises(KeyboardInterrupt):
        model.predict(X, batch_size=5, callbacks=[stop])
    assert np.isfinite(model.evaluate(X, Y, verbose=0))


@needs_posix
def test_a_second_one_does_not_wait() -> None:
    def twice() -> None:
        with interruptible() as held:
            os.kill(os.getpid(), signal.SIGINT)
            assert held.asked
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the second interrupt was held back")

    with pytest.raises(KeyboardInterrupt):
        twice()


@needs_posix
def test_handlers_of_others_are_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        regression().fit(X, Y, callbacks=[LambdaCallback(on_train_batch_end=interrupt(0))], verbose=0)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_training_outside_of_the_main_thread_leaves_signals_alone() -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(regression().fit(X, Y, verbose=0).epoch))
    thread.start()
    thread.join()
    assert found == [[0]]


@needs_posix
def test_from_outside_a_process_it_ends_training_and_the_program_goes_on() -> None:
    program = textwrap.dedent("""
        import numpy as np
        from kgraph import keras
        model = keras.Sequential([keras.layers.Dense(1, input_shape=(4,))])
        model.compile("sgd", "mse")
        steps = []

        def count(batch, logs):
            steps.append(batch)
            if len(steps) == 3:
                print("going", flush=True)

        watch = keras.callbacks.LambdaCallback(on_train_batch_end=count)
        x, y = np.random.randn(64, 4), np.zeros(64)
        try:
            model.fit(x, y, epochs=10**9, callbacks=[watch], verbose=0)
        except KeyboardInterrupt:
            counted = int(model.optimizer.iterations.numpy())
            print("steps", counted == len(steps), np.isfinite(model.get_weights()[0]).all())
            print("then", model.fit(x, y, verbose=0).epoch)
    """)
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "going\n"
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert rest.splitlines() == ["steps True True", "then [0]"], errors
