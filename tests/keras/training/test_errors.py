"""Every mistake gets one error, of the built-in type that Keras documents, that says what is expected and what came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import KgraphError
from kgraph.keras import layers as L
from kgraph.keras.callbacks import LearningRateScheduler, TerminateOnNaN
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
    regression,
    series,
    two_by_two,
)


class Batches(keras.utils.Sequence):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return X, Y


def generator() -> Iterator[Any]:
    yield X, Y


def fresh() -> Any:
    return keras.Sequential([L.Dense(1, input_shape=(4,))], name="fresh")


def call_fresh(method: str, *arguments: Any) -> Any:
    return getattr(fresh(), method)(*arguments)


def fit(x: Any = X, y: Any = Y, **arguments: Any) -> Callable[[], Any]:
    return lambda: regression().fit(x, y, **{"verbose": 0, **arguments})


def fit_two(x: Any = (X, Z), y: Any = (Y, ONE_HOT), **arguments: Any) -> Callable[[], Any]:
    return lambda: two_by_two().fit(x, y, **{"verbose": 0, **arguments})


def fit_classes(
    y: Any = ONE_HOT, loss: str = "categorical_crossentropy", **arguments: Any
) -> Callable[[], Any]:
    return lambda: classifier(loss).fit(X, y, **{"verbose": 0, **arguments})


# What is done: the built-in type of the error, and what its text must say, in this order.
Mistake = tuple[Callable[[], Any], type[Exception], tuple[str, ...]]

BEFORE_COMPILE: dict[str, Mistake] = {
    name: (partial(call_fresh, name, *arguments), RuntimeError, ("fresh", "compile"))
    for name, arguments in {
        "fit": (X, Y),
        "evaluate": (X, Y),
        "train_on_batch": (X, Y),
        "test_on_batch": (X, Y),
        "reset_metrics": (),
    }.items()
}

COMPILE: dict[str, Mistake] = {
    "optimizer": (lambda: fresh().compile("foo"), ValueError, ("optimizer", "foo")),
    "optimizer of a wrong type": (lambda: fresh().compile(3), ValueError, ("optimizer", "3")),
    "no optimizer": (lambda: fresh().compile(None), ValueError, ("optimizer", "None")),
    "loss": (lambda: fresh().compile("sgd", "foo"), ValueError, ("loss function", "foo")),
    "loss of a wrong type": (lambda: fresh().compile("sgd", 3), ValueError, ("loss function", "3")),
    "late loss": (
        lambda: keras.Sequential([L.Dense(1)]).compile("sgd", "foo"),
        ValueError,
        ("loss function", "foo"),
    ),
    "late metric": (
        lambda: keras.Sequential([L.Dense(1)]).compile("sgd", "mse", metrics=["foo"]),
        ValueError,
        ("metric", "foo"),
    ),
    "losses": (lambda: two_by_two(loss=["mse"]), ValueError, ("loss", "2: p, q", "1")),
    "loss of no output": (lambda: two_by_two(loss={"zz": "mse"}), ValueError, ("loss", "p, q", "zz")),
    "metric": (lambda: regression(metrics=["foo"]), ValueError, ("metric", "foo")),
    "metrics": (lambda: regression(metrics=3), ValueError, ("metrics", "list or a dict", "3")),
    "metric of no output": (lambda: two_by_two(metrics={"zz": "mae"}), ValueError, ("metrics", "p, q", "zz")),
    "metric lists": (lambda: two_by_two(metrics=[["mae"]]), ValueError, ("metrics", "2", "1")),
    "weighted metric": (lambda: regression(weighted_metrics=["foo"]), ValueError, ("metric", "foo")),
    "mode": (
        lambda: regression(sample_weight_mode="foo"),
        ValueError,
        ("sample_weight_mode", "temporal", "foo"),
    ),
    "mode without time": (
        lambda: regression(sample_weight_mode="temporal"),
        ValueError,
        ("time axis", "rank 3", r"float32[batch, 1]", "out"),
    ),
    "loss_weights": (lambda: two_by_two(loss_weights=[1.0]), ValueError, ("loss_weights", "2: p, q", "1")),
    "loss_weights for none": (
        lambda: two_by_two(loss_weights={"zz": 1}),
        ValueError,
        ("loss_weights", "p, q", "zz"),
    ),
    "loss_weights in words": (
        lambda: two_by_two(loss_weights=["a", 1]),
        ValueError,
        ("'p'", "number", "'a'"),
    ),
    "one loss_weight": (
        lambda: two_by_two(loss_weights=3.0),
        ValueError,
        ("loss_weights", "list or a dict", "3.0"),
    ),
    "keyword": (lambda: regression(foo=3), TypeError, ("compile", "foo")),
    "too many target_tensors": (
        lambda: regression(target_tensors=[Y, Y]),
        ValueError,
        ("target_tensors", "1: out", "2"),
    ),
    "one target tensor": (lambda: two_by_two(target_tensors=Y), ValueError, ("target_tensors", "2: p, q")),
    "target_tensors for none": (
        lambda: two_by_two(target_tensors={"zz": Y}),
        ValueError,
        ("target_tensors", "p, q", "zz"),
    ),
}

ARGUMENTS: dict[str, Mistake] = {
    "keyword": (fit(foo=3), TypeError, ("fit", "foo")),
    "batch_size 0": (fit(batch_size=0), ValueError, ("batch_size", "1 or more", "0")),
    "batch_size 2.5": (fit(batch_size=2.5), ValueError, ("batch_size", "integer", "2.5")),
    "batch_size text": (fit(batch_size="a"), ValueError, ("batch_size", "integer", "'a'")),
    "batch_size True": (fit(batch_size=True), ValueError, ("batch_size", "integer", "True")),
    "batch_size of predict": (lambda: regression().predict(X, batch_size=0), ValueError, ("batch_size", "0")),
    "batch_size of evaluate": (
        lambda: regression().evaluate(X, Y, batch_size="a"),
        ValueError,
        ("batch_size", "'a'"),
    ),
    "epochs text": (fit(epochs="3"), ValueError, ("epochs", "integer", "'3'")),
    "epochs -1": (fit(epochs=-1), ValueError, ("epochs", "0 or more", "-1")),
    "epochs 2.5": (fit(epochs=2.5), ValueError, ("epochs", "integer", "2.5")),
    "initial_epoch": (fit(initial_epoch="a"), ValueError, ("initial_epoch", "integer", "'a'")),
    "verbose text": (fit(verbose="loud"), ValueError, ("verbose", "0, 1, 2", "'loud'")),
    "verbose 3": (fit(verbose=3), ValueError, ("verbose", "0, 1, 2", "3")),
    "verbose of predict": (lambda: regression().predict(X, verbose=-1), ValueError, ("verbose", "-1")),
    "shuffle": (fit(shuffle="foo"), ValueError, ("shuffle", "'batch'", "'foo'")),
    "callbacks": (fit(callbacks=3), TypeError, ("callback", "3")),
    "callback class": (fit(callbacks=[TerminateOnNaN]), TypeError, ("callback", "TerminateOnNaN")),
    "validation_split 1.5": (
        fit(validation_split=1.5),
        ValueError,
        ("validation_split", "between 0 and 1", "1.5"),
    ),
    "validation_split -0.1": (fit(validation_split=-0.1), ValueError, ("validation_split", "-0.1")),
    "validation_split text": (fit(validation_split="a"), ValueError, ("validation_split", "'a'")),
    "validation_split of one": (fit(X[:1], Y[:1], validation_split=0.1), ValueError, ("both", "1 samples")),
    "validation_freq 0": (
        fit(validation_data=(X, Y), validation_freq=0),
        ValueError,
        ("validation_freq", "0"),
    ),
    "validation_freq text": (fit(validation_freq="a"), ValueError, ("validation_freq", "'a'")),
    "steps_per_epoch": (fit(steps_per_epoch=0), ValueError, ("steps_per_epoch", "1 or more", "0")),
    "validation_steps": (fit(validation_steps=1.5), ValueError, ("validation_steps", "integer", "1.5")),
    "steps": (lambda: regression().evaluate(X, Y, steps="2"), ValueError, ("steps", "integer", "'2'")),
    "steps of predict": (lambda: regression().predict(X, steps=-1), ValueError, ("steps", "1 or more", "-1")),
    "workers": (fit(generator(), None, workers=-1), ValueError, ("workers", "0 or more", "-1")),
    "max_queue_size": (
        fit(generator(), None, max_queue_size=0),
        ValueError,
        ("max_queue_size", "1 or more", "0"),
    ),
    "schedule": (
        fit(callbacks=[LearningRateScheduler(lambda epoch: None)]),
        ValueError,
        ("schedule", "float", "None"),
    ),
}

DATA: dict[str, Mistake] = {
    "width": (fit(X[:, :3]), ValueError, ("input 'out_input'", "float32[batch, 4]", "float32[30, 3]")),
    "rank": (fit(X[:, :, None, None]), ValueError, ("out_input", "float32[batch, 4]", "float32[30, 4, 1, 1]")),
    "one column": (fit(X[:, 0]), ValueError, ("out_input", "float32[batch, 4]", "float32[30, 1]")),
    "one number": (fit(3.0), ValueError, ("out_input", "float32[batch, 4]", "float64[]")),
    "width of targets": (fit(y=np.zeros((N, 2))), ValueError, ("target 'out'", "float32[batch, 1]", "float64[30, 2]")),
    "length": (fit(y=Y[:20]), ValueError, ("number of samples", "out_input 30", "out_target 20")),
    "empty": (fit(X[:0], Y[:0]), ValueError, ("no samples", "at least one", "0")),
    "empty list": (fit([], []), ValueError, ("out_input",)),
    "empty batch": (lambda: regression().train_on_batch(X[:0], Y[:0]), ValueError, ("no samples", "0")),
    "empty prediction": (lambda: regression().predict(X[:0]), ValueError, ("no samples", "0")),
    "nothing": (fit(None), ValueError, ("no input data", "out_input", "None")),
    "no targets": (fit(y=None), ValueError, ("no target data", "out", "None")),
    "nothing to predict": (lambda: regression().predict(None), ValueError, ("no input data", "None")),
    "text": (fit(np.full((N, 4), "a")), TypeError, ("out_input", "numbers", "<U1")),
    "objects": (fit(np.full((N, 4), object())), TypeError, ("out_input", "numbers", "object")),
    "complex": (fit(X.astype("complex64")), TypeError, ("out_input", "numbers", "complex64")),
    "dates": (fit(X.astype("datetime64[s]")), TypeError, ("out_input", "numbers", "datetime64")),
    "ragged": (fit([[1, 2, 3, 4], [1, 2]], Y[:2]), ValueError, ("out_input", "rows of equal length")),
    "text as targets": (fit(y=["a"] * N), TypeError, ("target 'out'", "numbers", "<U1")),
    "unknown name": (fit({"foo": X}), ValueError, ("missing for 'out_input'", "out_input", "foo")),
    "unknown target": (fit(y={"foo": Y}), ValueError, ("target", "out", "foo")),
    "too few inputs": (fit_two([X]), ValueError, ("input", "2: a, b", "1")),
    "one array for two": (fit_two(X), ValueError, ("input", "2: a, b", "one ndarray")),
    "too many inputs": (fit_two([X, X, X]), ValueError, ("input", "2: a, b", "3")),
    "missing input": (fit_two({"a": X}), ValueError, ("missing for 'b'", "a, b", "a")),
    "one target for two": (fit_two(y=Y), ValueError, ("target", "2: p, q", "one ndarray")),
    "missing target": (fit_two(y={"p": Y}), ValueError, ("missing for 'q'", "p, q", "p")),
    "lengths of inputs": (fit_two([X, Z[:9]]), ValueError, ("number of samples", "a 30", "b 9")),
    "validation array": (fit(validation_data=X), ValueError, ("validation_data", "(x, y)", "ndarray")),
    "validation of one": (fit(validation_data=(X,)), ValueError, ("validation_data", "(x, y)", "tuple of 1")),
    "validation width": (fit(validation_data=(X[:, :2], Y)), ValueError, ("out_input", "float32[30, 2]")),
    "validation length": (fit(validation_data=(X, Y[:3])), ValueError, ("number of samples", "out_target 3")),
    "labels too large": (
        fit_classes(LABELS + 5, "sparse_categorical_crossentropy"),
        ValueError,
        ("'classes'", "0 to 2", "5 to 7"),
    ),
    "labels below zero": (
        fit_classes(LABELS - 1, "sparse_categorical_crossentropy"),
        ValueError,
        ("'classes'", "0 to 2", "-1 to 1"),
    ),
    "one-hot labels for a sparse loss": (
        fit_classes(ONE_HOT, "sparse_categorical_crossentropy"),
        ValueError,
        ("'classes'", "int32[batch, 1]", "float32[30, 3]"),
    ),
    "labels for a categorical loss": (fit_classes(LABELS), ValueError, ("'classes'", "float32[batch, 3]", "[30, 1]")),
    "targets beside a generator": (fit(generator()), ValueError, ("y ", "(x, y)", "a generator and y")),
    "weights beside a Sequence": (
        fit(Batches(), None, sample_weight=np.ones(N)), ValueError, ("sample_weight", "a Batches and sample_weight"),
    ),
    "batch size beside a Sequence": (fit(Batches(), None, batch_size=3), ValueError, ("batch_size", "batches")),
    "split of a generator": (fit(generator(), None, validation_split=0.1), ValueError, ("validation_split",)),
    "generator for two": (lambda: two_by_two().fit(generator(), verbose=0), ValueError, ("input", "2: a, b")),
    "generator of inputs only": (fit((X for _ in range(2)), None), ValueError, ("no target data", "out")),
    "generator of long tuples": (
        fit(((X, Y, None, 3) for _ in range(2)), None), ValueError,
        ("batch of generator", "sample_weight", "tuple of 4"),
    ),
    "generator of wrong shapes": (
        fit(((X[:, :2], Y) for _ in range(2)), None), ValueError, ("input", "float32[batch, 4]", "float32[30, 2]"),
    ),
    "empty generator": (fit(iter(()), None), ValueError, ("no batches", "at least one", "tuple_iterator")),
    "empty generator to evaluate": (lambda: regression().evaluate(iter(())), ValueError, ("no batches",)),
    "empty generator to predict": (lambda: regression().predict(iter(())), ValueError, ("no batches",)),
    "batch size to evaluate": (
        lambda: regression().evaluate(generator(), batch_size=3), ValueError, ("batch_size", "batches"),
    ),
    "batch size to predict": (
        lambda: regression().predict(generator(), batch_size=3), ValueError, ("batch_size", "batches"),
    ),
    "generator of targets": (fit(y=generator()), ValueError, ("target 'out'", "arrays", "generator")),
    "generator of inputs to one batch": (
        lambda: regression().train_on_batch(generator()), ValueError, ("input", "arrays", "generator"),
    ),
    "arrays to fit_generator": (
        lambda: regression().fit_generator(X), TypeError, ("fit_generator", "a generator or a Sequence", "ndarray"),
    ),
    "a tensor": (fit(keras.Input((4,))), NotImplementedError, ("input", "Tensor")),
    "indices": (
        lambda: keras.Sequential([L.Embedding(5, 3, input_length=2, name="words")]).predict(np.full((3, 2), 9)),
        RuntimeError,
        ("words", "idx=9", "predict"),
    ),
}  # fmt: skip

WEIGHTS: dict[str, Mistake] = {
    "length": (fit(sample_weight=np.ones(3)), ValueError, ("number of samples", "out_sample_weight 3")),
    "rank": (
        fit(sample_weight=np.ones((N, 3))),
        ValueError,
        ("sample_weight of 'out'", "float32[batch]", "temporal", "[30, 3]"),
    ),
    "one number": (fit(sample_weight=3.0), ValueError, ("out_sample_weight",)),
    "text": (fit(sample_weight=["a"] * N), TypeError, ("sample_weight of 'out'", "numbers")),
    "no output": (fit(sample_weight={"foo": np.ones(N)}), ValueError, ("sample_weight", "out", "foo")),
    "per step without asking": (
        lambda: series(None).fit(SERIES, STEPS, sample_weight=np.ones((N, 5)), verbose=0),
        ValueError,
        ("sample_weight_mode='temporal'", "[30, 5]"),
    ),
    "per sample for steps": (
        lambda: series().fit(SERIES, STEPS, sample_weight=np.ones(N), verbose=0),
        ValueError,
        ("sample_weight of 'steps'", "float32[batch, 5]", "[30]"),
    ),
    "other steps": (
        lambda: series().fit(SERIES, STEPS, sample_weight=np.ones((N, 3)), verbose=0),
        ValueError,
        ("sample_weight of 'steps'", "float32[batch, 5]", "[30, 3]"),
    ),
    "too many": (fit_two(sample_weight=[np.ones(N)] * 3), ValueError, ("sample_weight", "2: p, q", "3")),
    "class_weight list": (fit_classes(class_weight=[1, 2]), TypeError, ("class_weight", "dict", "[1, 2]")),
    "class_weight keys": (
        fit_classes(class_weight={"a": 1}),
        ValueError,
        ("class_weight", "integers", "'a'"),
    ),
    "class_weight values": (
        fit_classes(class_weight={0: "a"}),
        ValueError,
        ("class_weight", "numbers", "'a'"),
    ),
    "class_weight per step": (
        lambda: series(None).fit(SERIES, STEPS, class_weight={0: 1}, verbose=0),
        ValueError,
        ("class_weight", "'steps'", "rank 1 or 2", "[30, 5, 1]"),
    ),
    "class_weight of no output": (
        fit_two(class_weight={"zz": {0: 1}}),
        ValueError,
        ("class_weight", "p, q", "zz"),
    ),
}

MISTAKES = {
    f"{kind}: {name}": mistake
    for kind, mistakes in {
        "before compile": BEFORE_COMPILE,
        "compile": COMPILE,
        "arguments": ARGUMENTS,
        "data": DATA,
        "weights": WEIGHTS,
    }.items()
    for name, mistake in mistakes.items()
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_clear_error(name: str) -> None:
    make, kind, words = MISTAKES[name]
    with pytest.raises(kind) as caught:
        make()
    assert isinstance(caught.value, KgraphError)
    text, at = str(caught.value), 0
    for word in words:
        assert word in text[at:], f"{word!r} is not in the rest of:\n{text}"
        at = text.index(word, at) + len(word)


def test_a_model_trains_on_after_every_mistake_with_data() -> None:
    model = regression()
    model.fit(X, Y, verbose=0)
    before, history = model.get_weights(), model.history
    wrong: list[dict[str, Any]] = [
        {"x": X[:, :2]}, {"y": Y[:3]}, {"x": None}, {"sample_weight": np.ones(3)}, {"class_weight": 3},
        {"batch_size": 0}, {"validation_data": X}, {"callbacks": 3}, {"shuffle": "foo"}, {"x": X[:0], "y": Y[:0]},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises((ValueError, TypeError)):
            model.fit(**{"x": X, "y": Y, "verbose": 0, **change})
    assert model.history is history or model.history.epoch == []
    for mine, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, wanted)
    model.fit(X, Y, verbose=0)


def test_a_step_that_fails_leaves_the_weights_and_the_model_usable() -> None:
    model = keras.Sequential([L.Embedding(5, 3, input_length=2), L.Flatten(), L.Dense(1)])
    model.compile("sgd", "mse")
    indices = np.zeros((8, 2), "int32")
    model.train_on_batch(indices, Y[:8])
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="idx=9"):
        model.train_on_batch(indices + 9, Y[:8])
    for mine, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, wanted)
    assert np.isfinite(model.train_on_batch(indices, Y[:8]))


def test_nan_in_the_data_is_no_error_but_shows() -> None:
    assert np.isnan(regression().fit(X * np.nan, Y, verbose=0).history["loss"][0])
