"""Data that come batch by batch: generators, Sequences and other iterables in fit, evaluate and predict."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import layers as L
from kgraph.keras.callbacks import BackupAndRestore, Callback, LambdaCallback
from tests.keras.training.small import N, X, Y, regression

SIZE = 8
STEPS = 4  # of which the last has 6 samples


def part(number: int) -> tuple[Any, Any]:
    rows = slice(number * SIZE, (number + 1) * SIZE)
    return X[rows], Y[rows]


class Numbered(keras.utils.Sequence):
    """The batches of X and Y by number, and which of them were asked for."""

    def __init__(self) -> None:
        self.epochs = 0
        self.asked: list[int] = []

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        self.asked.append(index)
        return part(index)

    def on_epoch_end(self) -> None:
        self.epochs += 1


class Reordered(Numbered):
    """Batches that come in another order after each epoch."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return part((index + self.epochs) % STEPS)


class Dataset(keras.utils.PyDataset):
    """The batches in the spelling of Keras 3, with what happened to them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.events: list[str] = []

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        self.events.append(threading.current_thread().name)
        return part(index)

    def on_epoch_begin(self) -> None:
        self.events.append("begin")

    def on_epoch_end(self) -> None:
        self.events.append("end")


class Loader:
    """What torch's DataLoader looks like: it can be iterated over again and again, and has a length."""

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return map(part, range(STEPS))


def endless() -> Iterator[tuple[Any, Any]]:
    while True:
        yield from map(part, range(STEPS))


def trained(x: Any, y: Any = None, **arguments: Any) -> tuple[dict[str, list[float]], list[Any]]:
    """The losses and the weights after three epochs from the same beginning."""
    keras.utils.set_random_seed(5)
    model = regression()
    history = model.fit(x, y, epochs=3, verbose=0, **arguments)
    return history.history, model.get_weights()


def assert_same(found: Any, wanted: Any) -> None:
    assert found[0] == wanted[0]
    for mine, theirs in zip(found[1], wanted[1], strict=True):
        np.testing.assert_array_equal(mine, theirs)


WORKERS: dict[str, dict[str, Any]] = {
    "none": {"workers": 0},
    "one": {},
    "threads": {"workers": 3, "max_queue_size": 2},
    "processes": {"workers": 2, "use_multiprocessing": True},
}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("kind", ["sequence", "generator", "loader"])
def test_batches_train_as_arrays_do(kind: str, workers: str) -> None:
    sources: dict[str, dict[str, Any]] = {
        "sequence": {"x": Numbered(), "shuffle": False},
        "generator": {"x": endless(), "steps_per_epoch": STEPS},
        "loader": {"x": Loader()},
    }
    found = trained(**sources[kind], **WORKERS[workers])
    assert_same(found, trained(X, Y, batch_size=SIZE, shuffle=False))


@pytest.mark.parametrize("workers", WORKERS)
def test_a_sequence_is_shuffled_by_the_seed_alone(workers: str) -> None:
    shuffled = trained(Numbered(), **WORKERS[workers])
    assert_same(shuffled, trained(Numbered(), workers=0))
    assert shuffled[0] != trained(Numbered(), shuffle=False)[0]


def test_each_batch_of_a_sequence_comes_once_in_an_epoch() -> None:
    source = Numbered()
    trained(source, workers=0)
    epochs = [source.asked[at : at + STEPS] for at in range(0, 3 * STEPS, STEPS)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(STEPS))] * 3
    assert len(set(map(tuple, epochs))) > 1
    assert (len(source.asked), source.epochs) == (3 * STEPS, 3)


def test_a_dataset_says_itself_how_it_is_fetched() -> None:
    mine = threading.current_thread().name
    source = Dataset(workers=0)
    assert_same(trained(source, shuffle=False), trained(X, Y, batch_size=SIZE, shuffle=False))
    assert source.events == ["begin", *[mine] * STEPS, "end"] * 3
    source = Dataset(workers=2, max_queue_size=3)
    assert (source.workers, source.max_queue_size, source.use_multiprocessing) == (2, 3, False)
    trained(source, workers=0)
    assert mine not in source.events


def test_a_part_of_a_sequence_is_continued_in_the_next_epoch() -> None:
    source = Numbered()
    with pytest.warns(UserWarning, match="after 1 of 3 batches"):
        trained(source, steps_per_epoch=3, shuffle=False, workers=0)
    assert source.asked == [0, 1, 2, 3, 0, 1, 2]


def test_a_generator_gives_what_is_used_and_no_more() -> None:
    given: list[int] = []

    def numbered() -> Iterator[tuple[Any, Any]]:
        for number in range(100):
            given.append(number)
            yield part(number % STEPS)

    trained(numbered(), steps_per_epoch=2)
    assert given == list(range(6))


def test_training_ends_where_a_generator_does() -> None:
    model = regression()
    with pytest.warns(UserWarning, match="the generator ended after 1 epochs, and training with it"):
        model.fit((part(number) for number in range(3)), epochs=3, verbose=0)
    assert model.history.epoch == [0]


def test_held_out_batches() -> None:
    sources: list[dict[str, Any]] = [
        {"validation_data": (X, Y), "validation_batch_size": SIZE},
        {"validation_data": Numbered()},
        {"validation_data": Loader()},
        {"validation_data": endless(), "validation_steps": STEPS},
    ]
    losses = [trained(X, Y, **source)[0] for source in sources]
    assert losses == losses[:1] * len(sources)


def test_a_held_out_generator_goes_on_where_it_was_and_a_sequence_begins_again() -> None:
    model = regression(rate=0.0)
    errors = [float(model.evaluate(*part(number), verbose=0)) for number in range(STEPS)]
    options = {"validation_steps": 1, "epochs": STEPS, "verbose": 0}
    going_on = model.fit(X, Y, validation_data=endless(), **options).history["val_loss"]
    np.testing.assert_allclose(going_on, errors, rtol=1e-6)
    beginning = model.fit(X, Y, validation_data=Numbered(), **options).history["val_loss"]
    np.testing.assert_allclose(beginning, errors[:1] * STEPS, rtol=1e-6)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("steps", [2, 3, STEPS, None])
@pytest.mark.filterwarnings("ignore:the data ended after 1 of 3:UserWarning")
def test_no_batch_is_fetched_before_its_epoch(steps: int | None, workers: str) -> None:
    """A Sequence that changes itself at the end of an epoch gives the same whoever fetches, however far ahead."""
    found = trained(Reordered(), steps_per_epoch=steps, **WORKERS[workers])
    assert_same(found, trained(Reordered(), steps_per_epoch=steps, workers=0))


@pytest.mark.parametrize("workers", WORKERS)
def test_evaluate_and_predict(workers: str) -> None:
    model, options = regression(metrics=["mae"]), WORKERS[workers]
    wanted = model.evaluate(X, Y, batch_size=SIZE, verbose=0)
    assert model.evaluate(Numbered(), verbose=0, **options) == wanted
    assert model.evaluate(endless(), steps=STEPS, verbose=0, **options) == wanted
    outputs = model.predict(X, batch_size=SIZE)
    np.testing.assert_array_equal(model.predict(Numbered(), **options), outputs)
    np.testing.assert_array_equal(model.predict(endless(), steps=STEPS, **options), outputs)
    np.testing.assert_array_equal(model.predict((x for x, _ in Loader()), **options), outputs)


def test_steps_of_arrays() -> None:
    model = regression()
    wanted = model.evaluate(X[: 2 * SIZE], Y[: 2 * SIZE], batch_size=SIZE, verbose=0)
    assert model.evaluate(X, Y, batch_size=SIZE, steps=2, verbose=0) == wanted
    for steps, size in ((1, SIZE), (2, 2 * SIZE), (STEPS, N)):
        outputs = model.predict(X, batch_size=SIZE, steps=steps)
        np.testing.assert_array_equal(outputs, model.predict(X, batch_size=SIZE)[:size])


@pytest.mark.parametrize("source", [Numbered, Loader, endless])
def test_a_model_without_input_shape_is_built_from_the_first_batch(source: Any) -> None:
    model = keras.Sequential([L.Dense(1)])
    model.compile("sgd", "mse")
    losses = model.fit(source(), steps_per_epoch=STEPS, epochs=1, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert model.count_params() == 5


def test_batches_with_and_without_weights_may_follow_each_other() -> None:
    half = np.full(SIZE, 0.5, "float32")
    mixed = [part(0), (*part(1), half), part(2)]
    model, other = regression(), regression()
    other.set_weights(model.get_weights())
    model.fit(iter(mixed), verbose=0)
    for batch in mixed:
        other.train_on_batch(*batch)
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_error_of_a_generator_is_its_own_and_the_model_trains_on() -> None:
    def breaking() -> Iterator[tuple[Any, Any]]:
        yield part(0)
        raise OSError("the disk is gone")

    model = regression()
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(breaking(), verbose=0)
    model.fit(endless(), steps_per_epoch=2, verbose=0)


def test_stopping_within_an_epoch_leaves_the_rest() -> None:
    model, source = regression(), Numbered()

    def stop(batch: int, logs: Any) -> None:
        model.stop_training = batch == 1

    model.fit(source, shuffle=False, workers=0, callbacks=[LambdaCallback(on_batch_end=stop)], verbose=0)
    assert source.asked == [0, 1]


def test_the_bar_counts_batches_whose_number_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    regression().fit((part(number) for number in range(3)), verbose=1)
    shown = capsys.readouterr().out
    assert "3/Unknown" in shown
    assert shown.count("loss") >= 1
    regression().fit(Numbered(), verbose=2)
    assert "loss" in capsys.readouterr().out


class Interrupted(Exception):
    """What a test stops training with."""


class StopAt(Callback):
    """Raises after so many batches."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.count -= 1
        if self.count == 0:
            raise Interrupted


@pytest.mark.parametrize("source", [Numbered, Loader])
def test_an_interrupted_training_on_batches_goes_on_where_it_was(source: Any, tmp_path: Path) -> None:
    def run(*callbacks: Callback) -> list[Any]:
        keras.utils.set_random_seed(7)
        model = regression()
        model.fit(source(), epochs=3, callbacks=list(callbacks), verbose=0)
        weights: list[Any] = model.get_weights()
        return weights

    wanted = run()
    with pytest.raises(Interrupted):
        run(BackupAndRestore(str(tmp_path / "backup"), save_freq=1), StopAt(6))
    for mine, theirs in zip(
        run(BackupAndRestore(str(tmp_path / "backup"), save_freq=1)), wanted, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


GENERATOR_METHODS: dict[str, dict[str, Any]] = {
    "fit_generator": {"samples_per_epoch": 2, "nb_epoch": 2, "max_q_size": 3, "nb_worker": 1, "verbose": 0},
    "evaluate_generator": {"val_samples": 2, "max_q_size": 3, "pickle_safe": False},
    "predict_generator": {"val_samples": 2, "nb_worker": 1},
}


@pytest.mark.parametrize("name", GENERATOR_METHODS)
def test_the_generator_methods_know_their_old_arguments(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = getattr(regression(), name)(endless(), **GENERATOR_METHODS[name])
    assert {str(w.category.__name__) for w in caught} == {"DeprecationWarning"}
    if name == "fit_generator":
        assert found.epoch == [0, 1]
        assert found.params["steps"] == 2
    elif name == "predict_generator":
        assert found.shape == (2 * SIZE, 1)
    else:
        assert np.isfinite(found)
