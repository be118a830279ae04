"""The loop of fit: epochs, order, held-out samples, what it reports and returns."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from kgraph import config, keras
from kgraph.keras import layers as L
from kgraph.keras.callbacks import LambdaCallback
from tests.keras.training.small import LABELS, ONE_HOT, N, X, Y, Z, classifier, regression, two_by_two


def orders(**arguments: Any) -> list[list[int]]:
    """The samples as each batch of two epochs got them, found through a model that reports its inputs."""
    seen: list[list[int]] = []
    x = keras.Input((1,))
    model = keras.Model(x, L.Dense(1, kernel_initializer="ones")(x))
    model.compile(keras.optimizers.SGD(0.0), lambda y_true, y_pred: keras.backend.mean(y_pred, axis=-1))
    for _ in range(2):
        batches: list[float] = []
        watch = LambdaCallback(on_train_batch_end=lambda batch, logs, b=batches: b.append(logs["loss"]))
        model.fit(np.arange(10.0), np.zeros(10), batch_size=1, callbacks=[watch], verbose=0, **arguments)
        sums = np.array(batches) * np.arange(1, 11)
        seen.append(np.rint(np.diff(sums, prepend=0)).astype(int).tolist())
    return seen


def test_without_shuffling_samples_come_in_order() -> None:
    assert orders(shuffle=False) == [list(range(10))] * 2


def test_shuffling_draws_a_new_order_from_the_seed_for_each_epoch() -> None:
    keras.utils.set_random_seed(1)
    first, second = orders(shuffle=True)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    keras.utils.set_random_seed(1)
    assert orders(shuffle=True) == [first, second]


def test_shuffling_batches_keeps_their_samples_together() -> None:
    means: list[float] = []  # over the samples of the epoch so far
    model = regression(rate=0.0)
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: means.append(logs["loss"]))
    model.fit(X, Y, batch_size=8, shuffle="batch", callbacks=[watch], verbose=0)
    sums = np.diff(np.array(means) * [8, 16, 24, N], prepend=0)
    errors = ((model.predict(X) - Y) ** 2)[:, 0]
    wanted = [errors[start : start + 8].sum() for start in range(0, N, 8)]
    np.testing.assert_allclose(sorted(sums[:3]), sorted(wanted[:3]), rtol=1e-3)
    np.testing.assert_allclose(sums[3], wanted[3], rtol=1e-3)  # what is left stays at the end


def test_the_last_fraction_is_held_out_before_shuffling() -> None:
    y = Y.copy()
    y[24:] += 100
    model = regression(rate=0.0)
    history = model.fit(X, y, validation_split=0.2, verbose=0).history
    errors = ((model.predict(X) - y) ** 2)[:, 0]
    np.testing.assert_allclose(history["loss"], errors[:24].mean(), rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], errors[24:].mean(), rtol=1e-5)


def test_validation_data_wins_over_validation_split() -> None:
    model = regression(rate=0.0)
    history = model.fit(X, Y, validation_split=0.5, validation_data=(X[:3], Y[:3]), verbose=0).history
    errors = ((model.predict(X) - Y) ** 2)[:, 0]
    np.testing.assert_allclose(history["loss"], errors.mean(), rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], errors[:3].mean(), rtol=1e-5)


def test_validation_is_that_of_the_weights_after_the_epoch() -> None:
    model = regression()
    history = model.fit(X, Y, validation_data=(Z, Y), epochs=3, verbose=0)
    np.testing.assert_allclose(history.history["val_loss"][-1], model.evaluate(Z, Y, verbose=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("frequency", "due"),
    [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), ([1, 4], [1, 4]), ({5}, [5]), (range(2, 4), [2, 3])],
)
def test_validation_runs_after_the_epochs_asked_for(frequency: Any, due: list[int]) -> None:
    found: list[int] = []
    watch = LambdaCallback(on_epoch_end=lambda epoch, logs: "val_loss" in logs and found.append(epoch + 1))
    regression().fit(
        X, Y, epochs=5, validation_data=(X, Y), validation_freq=frequency, callbacks=[watch], verbose=0
    )
    assert found == due


def test_epochs_is_the_number_of_the_last_one() -> None:
    history = regression().fit(X, Y, initial_epoch=2, epochs=5, verbose=0)
    assert history.epoch == [2, 3, 4]
    assert len(history.history["loss"]) == 3
    assert regression().fit(X, Y, initial_epoch=5, epochs=5, verbose=0).epoch == []


def test_nb_epoch_still_works() -> None:
    with pytest.warns(DeprecationWarning, match="nb_epoch is now epochs"):
        assert regression().fit(X, Y, nb_epoch=2, verbose=0).epoch == [0, 1]


def test_numbers_are_means_over_the_samples_of_the_epoch() -> None:
    model = regression(rate=0.0, metrics=["mae"])
    history = model.fit(X, Y, batch_size=7, verbose=0).history
    error = model.predict(X) - Y
    np.testing.assert_allclose(history["loss"], (error**2).mean(), rtol=1e-5)
    np.testing.assert_allclose(history["mae"], np.abs(error).mean(), rtol=1e-5)
    np.testing.assert_allclose(
        model.evaluate(X, Y, batch_size=7, verbose=0), [(error**2).mean(), np.abs(error).mean()], rtol=1e-5
    )


def test_train_on_batch_starts_its_metrics_anew_unless_told_otherwise() -> None:
    model = regression(rate=0.0)
    errors = ((model.predict(X) - Y) ** 2)[:, 0]
    np.testing.assert_allclose(model.train_on_batch(X[:10], Y[:10]), errors[:10].mean(), rtol=1e-5)
    np.testing.assert_allclose(
        model.train_on_batch(X[10:], Y[10:], reset_metrics=False), errors.mean(), rtol=1e-5
    )
    np.testing.assert_allclose(model.test_on_batch(X[:5], Y[:5]), errors[:5].mean(), rtol=1e-5)


def test_names_and_numbers_of_several_outputs() -> None:
    model = two_by_two(loss_weights={"p": 0.5, "q": 2}, metrics={"p": "mae", "q": ["accuracy", "mse"]})
    assert model.metrics_names == ["loss", "p_loss", "q_loss", "p_mae", "q_accuracy", "q_mse"]
    p, q = model.predict([X, Z])
    losses = (p - Y)[:, 0] ** 2, -np.log((q * ONE_HOT).sum(1))
    wanted = [
        0.5 * losses[0].mean() + 2 * losses[1].mean(),
        losses[0].mean(),
        losses[1].mean(),
        np.abs(p - Y).mean(),
        (q.argmax(1) == LABELS).mean(),
        ((q - ONE_HOT) ** 2).mean(),
    ]
    data = [X, Z], [Y, ONE_HOT]
    np.testing.assert_allclose(model.evaluate(*data, verbose=0), wanted, rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(*data), wanted, rtol=1e-5)
    as_dict = model.evaluate(*data, verbose=0, return_dict=True)
    assert list(as_dict) == model.metrics_names
    history = model.fit(*data, verbose=0, validation_split=0.5).history
    assert list(history) == [*model.metrics_names, *(f"val_{name}" for name in model.metrics_names)]


@pytest.mark.parametrize(
    "metrics", [["mae"], "mae", [["mae"], ["mae"]], ["mae", ["mae"]], {"p": ["mae"], "q": "mae"}]
)
def test_each_way_to_name_metrics_per_output(metrics: Any) -> None:
    assert two_by_two(metrics=metrics).metrics_names[3:] == ["p_mae", "q_mae"]


def test_one_metric_object_for_two_outputs_counts_for_each() -> None:
    model = two_by_two(metrics=[keras.metrics.MeanAbsoluteError(name="off")])
    p, q = model.predict([X, Z])
    found = model.evaluate([X, Z], [Y, ONE_HOT], verbose=0, return_dict=True)
    wanted = [np.abs(p - Y).mean(), np.abs(q - ONE_HOT).mean()]
    np.testing.assert_allclose([found["p_off"], found["q_off"]], wanted, rtol=1e-5)
    assert len(model.metrics) == 2


def test_metrics_of_one_name_are_told_apart() -> None:
    model = regression(metrics=["mae", "mae"])
    assert model.metrics_names == ["loss", "mae", "mae_1"]
    assert list(model.fit(X, Y, verbose=0).history) == model.metrics_names


def test_a_custom_loss_may_give_a_value_per_sample_or_one_for_all() -> None:
    K = keras.backend
    for loss in (lambda a, b: K.mean(K.abs(a - b), axis=-1), lambda a, b: K.mean(K.abs(a - b))):
        model = regression(rate=0.0)
        model.compile("sgd", loss)
        wanted = np.abs(model.predict(X) - Y).mean()
        np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), wanted, rtol=1e-5)
        np.testing.assert_allclose(model.train_on_batch(X, Y), wanted, rtol=1e-5)


@pytest.mark.parametrize("verbose", [0, 1, 2, True, False, "auto"])
def test_progress_is_shown_as_asked(verbose: Any, capsys: pytest.CaptureFixture[str]) -> None:
    regression().fit(X, Y, epochs=2, validation_split=0.2, verbose=verbose)
    text = capsys.readouterr().out
    if not verbose:
        assert text == ""
        return
    assert text.count("val_loss") == 2
    assert text.count("Epoch ") == 2
    assert ("[====" in text) == (verbose != 2)


def test_evaluate_and_predict_show_one_bar_each(capsys: pytest.CaptureFixture[str]) -> None:
    model = regression()
    model.evaluate(X, Y, verbose=1, batch_size=10)
    model.predict(X, verbose=1, batch_size=10)
    assert capsys.readouterr().out.count("3/3 [====") == 2


def test_the_same_seed_gives_the_same_numbers_bit_for_bit() -> None:
    def run(seed: Any) -> list[np.ndarray]:
        seed()
        model = keras.Sequential(
            [
                L.Dense(8, input_shape=(4,), activation="relu"),
                L.Dropout(0.3),
                L.BatchNormalization(),
                L.GaussianNoise(0.1),
                L.Dense(3, activation="softmax"),
            ]
        )
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(X, ONE_HOT, epochs=3, batch_size=8, validation_split=0.2, verbose=0).history
        return [*map(np.asarray, history.values()), *model.get_weights(), model.predict(X)]

    runs = [run(lambda: keras.utils.set_random_seed(3)), run(lambda: np.random.seed(3))]
    for first, second in zip(*runs, strict=True):
        np.testing.assert_array_equal(first, second)
    assert any((a != b).any() for a, b in zip(runs[0], run(lambda: np.random.seed(4)), strict=True))


def test_the_reference_backend_trains_to_the_same_losses() -> None:
    def run() -> list[np.ndarray]:
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                L.Dense(8, input_shape=(4,), activation="relu"),
                L.Dropout(0.3),
                L.BatchNormalization(),
                L.Dense(3, activation="softmax"),
            ]
        )
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(X, ONE_HOT, epochs=3, batch_size=8, validation_split=0.2, verbose=0).history
        return [*map(np.asarray, history.values()), model.predict(X)]

    onnx = run()
    with config.using(backend="reference"):
        reference = run()
    for mine, theirs in zip(onnx, reference, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


def test_every_sample_is_seen_once_per_epoch_whatever_the_batch_size() -> None:
    for batch_size in (1, 4, 7, N, N + 1):
        seen: list[int] = []
        watch = LambdaCallback(on_train_batch_end=lambda batch, logs, s=seen: s.append(logs["size"]))
        regression().fit(X, Y, batch_size=batch_size, callbacks=[watch], verbose=0)
        assert sum(seen) == N
        assert len(seen) == -(-N // batch_size)


def test_a_compile_that_fails_leaves_the_one_before_in_force() -> None:
    model = classifier(metrics=["accuracy"])
    optimizer = model.optimizer
    for wrong in ({"loss": "nonsense"}, {"loss": "mse", "metrics": ["nonsense"]}, {"optimizer": "nonsense"}):
        with pytest.raises(ValueError, match="nonsense"):
            model.compile(**wrong)
    assert model.optimizer is optimizer
    assert model.metrics_names == ["loss", "accuracy"]
    model.fit(X, ONE_HOT, verbose=0)


@pytest.mark.parametrize("name", ["reset_states", "reset_state"])
def test_a_metric_that_resets_itself_is_asked_to(name: str) -> None:
    K = keras.backend

    class Counter(keras.metrics.Metric):
        """Counts steps from ten."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.count = self.add_weight(name="count", initializer="zeros")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.count.assign_add(1.0)

        def result(self) -> Any:
            return self.count

    setattr(Counter, name, lambda self: K.set_value(self.count, 10.0))
    model = regression(metrics=[Counter(name="steps")])
    assert model.fit(X, Y, batch_size=10, epochs=2, verbose=0).history["steps"] == [13, 13]
    assert model.evaluate(X, Y, batch_size=15, verbose=0)[1] == 12


def test_a_step_costs_a_handful_of_calls() -> None:
    """Counted rather than timed: what can be done once per fit must not be done once per step."""
    model = regression()

    def calls(steps: int) -> int:
        counted = 0

        def count(frame: Any, event: str, argument: Any) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        x, y = np.zeros((steps, 4)), np.zeros(steps)
        model.fit(x, y, batch_size=1, verbose=0)  # compiles
        sys.setprofile(count)
        try:
            model.fit(x, y, batch_size=1, verbose=0)
        finally:
            sys.setprofile(None)
        return counted

    assert (calls(300) - calls(100)) / 200 <= 13
