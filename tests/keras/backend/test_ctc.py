"""Connectionist temporal classification against all paths, one by one, and against Keras."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import kgraph
from kgraph import keras
from kgraph.errors import ArgumentError, ShapeError, UnsupportedError
from kgraph.keras import backend as K
from kgraph.keras import layers as L
from kgraph.keras import losses
from kgraph.keras.backend.ctc import UNFIT, ctc_loss
from tests.keras.test_export import Runner
from tests.keras.tracing import values
from tests.oracle import its_own_warnings, keras_value, needs_keras
from tests.oracle import keras as real_keras

_random = np.random.RandomState(0)
LOGITS = _random.randn(6, 5, 4)
STEPS = np.array([5, 4, 5, 3, 1, 5])
LABELS = {
    0: (np.array([[1, 1, 2], [3, 0, 0], [0, 9, -1], [1, 2, 1], [2, 3, 3], [1, 2, 3]]), [3, 1, 0, 3, 1, 3]),
    3: (np.array([[0, 0, 1], [2, 3, 3], [3, 9, -1], [0, 1, 0], [2, 0, 0], [1, 2, 0]]), [3, 1, 0, 3, 1, 3]),
}


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.logaddexp.reduce(x, -1, keepdims=True)


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(log_softmax(x))


def spellings(logs: np.ndarray, blank: int) -> dict[tuple[int, ...], float]:
    """The log probability of every sequence of labels, from every path."""
    total: dict[tuple[int, ...], float] = defaultdict(lambda: -np.inf)
    steps, classes = logs.shape
    for path in itertools.product(range(classes), repeat=steps):
        labels = tuple(label for label, _ in itertools.groupby(path) if label != blank)
        total[labels] = np.logaddexp(total[labels], sum(logs[t, c] for t, c in enumerate(path)))
    return total


def by_enumeration(logits: np.ndarray, blank: int) -> np.ndarray:
    labels, counts = LABELS[blank]
    return np.array(
        [
            -spellings(log_softmax(x[:steps]), blank)[tuple(row[:count])]
            for x, steps, row, count in zip(logits, STEPS, labels, counts, strict=True)
        ]
    )


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("static", [False, True])
def test_the_loss_is_that_of_all_paths(blank: int, static: bool) -> None:
    labels, counts = LABELS[blank]
    found = values(
        lambda y, x, n, t: ctc_loss(y, x, n, t, blank), labels, LOGITS, counts, STEPS, static=static
    )
    np.testing.assert_allclose(found, by_enumeration(LOGITS, blank), rtol=1e-13)


@pytest.mark.parametrize("blank", [0, 3])
def test_the_gradient_is_that_of_finite_differences(blank: int) -> None:
    labels, counts = LABELS[blank]

    def gradient(x: Any) -> Any:
        return K.gradients(K.sum(ctc_loss(labels, x, np.array(counts), STEPS, blank)), x)[0]

    found, h = values(gradient, LOGITS), 1e-5
    for place in np.ndindex(LOGITS.shape):
        moved = np.zeros_like(LOGITS)
        moved[place] = h
        change = by_enumeration(LOGITS + moved, blank) - by_enumeration(LOGITS - moved, blank)
        assert found[place] == pytest.approx(change.sum() / (2 * h), rel=1e-6, abs=1e-9)


@needs_keras
def test_long_sequences_are_those_of_keras() -> None:
    batch, steps, classes, most = 4, 80, 12, 20
    logits = (_random.randn(batch, steps, classes) * 3).astype("float32")
    labels = _random.randint(1, classes, (batch, most))
    counts, lengths = np.array([20, 7, 0, 13]), np.array([80, 60, 33, 79])
    theirs = real_keras().ops.ctc_loss(labels, logits, counts, lengths, mask_index=0)
    mine = values(ctc_loss, labels, logits, counts, lengths)
    np.testing.assert_allclose(mine, keras_value(theirs), rtol=2e-6)


def test_labels_that_do_not_fit_have_no_gradient() -> None:
    """Two equal labels need a blank between them: three steps."""

    def both(x: Any) -> Any:
        loss = ctc_loss(np.array([[1, 1], [1, 2]]), x, np.array([2, 2]), np.array([2, 2]), 0)
        return [loss, K.gradients(K.sum(loss), x)[0]]

    loss, gradient = values(both, LOGITS[:2])
    assert loss[0] == UNFIT
    assert np.all(gradient[0] == 0)
    np.testing.assert_allclose(loss[1], -spellings(log_softmax(LOGITS[1, :2]), 0)[(1, 2)], rtol=1e-13)
    assert np.any(gradient[1] != 0)


def test_what_is_beyond_the_lengths_counts_nothing() -> None:
    labels, counts = LABELS[0]
    others, logits = labels.copy(), LOGITS.copy()
    for row, count, x, steps in zip(others, counts, logits, STEPS, strict=True):
        row[count:] = 2
        x[steps:] = 7.0

    def both(y: Any, x: Any) -> Any:
        loss = ctc_loss(y, x, np.array(counts), STEPS, 0)
        return [loss, K.gradients(K.sum(loss), x)[0]]

    before, after = values(both, labels, LOGITS), values(both, others, logits)
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])
    for gradient, steps in zip(after[1], STEPS, strict=True):
        assert np.all(gradient[steps:] == 0)


def test_the_batch_cost_takes_probabilities_and_columns() -> None:
    labels, counts = LABELS[3]
    found = values(
        K.ctc_batch_cost,
        labels.astype("float32"),
        softmax(LOGITS),
        STEPS[:, None],
        np.array(counts)[:, None],
        static=True,
    )
    logits = np.log(softmax(LOGITS) + K.epsilon())
    assert found.shape == (6, 1)
    np.testing.assert_allclose(found[:, 0], by_enumeration(logits, 3), rtol=1e-12)


# -- decoding


@needs_keras
@pytest.mark.parametrize("shape", [(6, 5, 4), (3, 40, 11), (2, 1, 3)])
def test_greedy_labels_are_those_of_keras(shape: tuple[int, int, int]) -> None:
    probabilities = softmax(np.random.RandomState(1).randn(*shape)).astype("float32")
    steps = np.random.RandomState(2).randint(0, shape[1] + 1, shape[0])
    steps[0] = shape[1]

    def both(p: Any, n: Any) -> Any:
        (labels,), score = K.ctc_decode(p, n)
        return [labels, score]

    labels, score = values(both, probabilities, steps, static=True)
    logs = np.log(probabilities + np.float32(K.epsilon()))
    theirs, their_score = real_keras().ops.ctc_decode(logs, steps, mask_index=shape[-1] - 1)
    np.testing.assert_array_equal(labels, keras_value(theirs)[0])
    np.testing.assert_allclose(score, keras_value(their_score), rtol=1e-6, atol=1e-6)
    assert labels.dtype == "int64"


def test_a_wide_beam_finds_the_best_labels_and_what_they_are_worth() -> None:
    found, scores = K.ctc_decode(softmax(LOGITS), STEPS, greedy=False, beam_width=2000, top_paths=3)
    logits = np.log(softmax(LOGITS) + K.epsilon())
    for sample, (x, steps) in enumerate(zip(logits, STEPS, strict=True)):
        wanted = sorted(spellings(log_softmax(x[:steps]), 3).items(), key=lambda item: -item[1])[:3]
        for rank, (labels, score) in enumerate(wanted):
            row = K.get_value(found[rank])[sample]
            assert tuple(row[row >= 0]) == labels
            assert np.all(row[len(labels) :] == -1)
            assert K.get_value(scores)[sample, rank] == pytest.approx(score, rel=1e-5)


@needs_keras
@its_own_warnings
@pytest.mark.parametrize(("beam", "paths"), [(1, 1), (3, 2), (8, 4)])
def test_narrow_beams_are_those_of_keras(beam: int, paths: int) -> None:
    probabilities = softmax(np.random.RandomState(3).randn(4, 9, 5)).astype("float32")
    steps = np.array([9, 7, 1, 4])
    found, scores = K.ctc_decode(probabilities, steps, False, beam, paths)
    theirs, their_scores = real_keras().ops.ctc_decode(
        np.log(probabilities + np.float32(K.epsilon())),
        steps,
        strategy="beam_search",
        beam_width=beam,
        top_paths=paths,
        mask_index=4,
    )
    np.testing.assert_array_equal([K.get_value(path) for path in found], keras_value(theirs))
    np.testing.assert_allclose(K.get_value(scores), keras_value(their_scores), rtol=1e-5)


def test_repeats_that_a_blank_parts_can_be_merged() -> None:
    probabilities = np.full((1, 5, 3), 0.01)
    probabilities[0, range(5), [0, 2, 0, 1, 1]] = 0.98
    for merge, wanted in ((False, [0, 0, 1, -1, -1]), (True, [0, 1, -1, -1, -1])):
        (labels,), _ = K.ctc_decode(probabilities, [5], greedy=False, merge_repeated=merge)
        np.testing.assert_array_equal(K.get_value(labels), [wanted])
    (labels,), _ = K.ctc_decode(probabilities, [5])
    np.testing.assert_array_equal(K.get_value(labels), [[0, 0, 1, -1, -1]])


def test_where_there_are_fewer_labels_than_paths_the_rest_is_empty() -> None:
    (first, second, third), scores = K.ctc_decode(
        np.array([[[0.75, 0.25]]]), [1], False, beam_width=5, top_paths=3
    )
    assert K.get_value(first).tolist() == [[0]]
    assert K.get_value(second).tolist() == K.get_value(third).tolist() == [[-1]]
    np.testing.assert_allclose(K.get_value(scores), [[np.log(0.75), np.log(0.25), -np.inf]], rtol=1e-6)


# -- in models

FEATURES, CLASSES = 6, 5


def lines(count: int = 12, steps: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Features [count, steps, 6] and labels from 1 on [count, 3], which can be read off the features."""
    random = np.random.RandomState(4)
    labels = random.randint(1, CLASSES, (count, 3))
    x = random.randn(count, steps, FEATURES).astype("float32") * 0.1
    for t, label in zip((0, 3, 6), labels.T, strict=True):
        x[range(count), t, label] += 3.0
    return x, labels


def recogniser(**arguments: Any) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([L.Dense(CLASSES, input_shape=(None, FEATURES), name="logits")])
    model.compile(keras.optimizers.Adam(0.1), **arguments)
    return model


@pytest.mark.parametrize("loss", ["ctc", losses.ctc, losses.CTC()], ids=["name", "function", "class"])
def test_a_model_learns_to_read(loss: Any) -> None:
    x, labels = lines()
    model = recogniser(loss=loss)
    history = model.fit(x, labels, batch_size=4, epochs=80, verbose=0).history["loss"]
    assert history[-1] < 0.02 < 5 < history[0]
    probabilities = softmax(np.roll(model.predict(x), -1, -1))  # the blank behind the labels, as K has it
    (read,), _ = K.ctc_decode(probabilities, np.full(len(x), x.shape[1]))
    np.testing.assert_array_equal(K.get_value(read)[:, :3], labels - 1)
    assert np.all(K.get_value(read)[:, 3:] == -1)


@needs_keras
def test_the_loss_of_a_model_is_that_of_keras() -> None:
    x, labels = lines()
    labels[:5, 2] = 0
    model = recogniser(loss=losses.CTC())
    found = model.evaluate(x, labels, batch_size=12, verbose=0)
    theirs = real_keras().losses.CTC()(labels, model.predict(x))
    assert found == pytest.approx(float(keras_value(theirs)), rel=1e-5)
    assert model.evaluate(x, labels[:, :2], verbose=0) != found  # another number of labels is another shape


def by_lambda() -> Any:
    """The model of programs for Keras 2: the loss is an output, and there is nothing to compare it with."""
    keras.utils.set_random_seed(0)
    x = keras.Input((None, FEATURES), name="x")
    inputs = [keras.Input((size,), name=name) for name, size in (("y", 3), ("steps", 1), ("count", 1))]
    probabilities = L.Dense(CLASSES, activation="softmax", name="probabilities")(x)
    cost = L.Lambda(lambda a: K.ctc_batch_cost(a[1], a[0], a[2], a[3]), output_shape=(1,), name="ctc")
    model = keras.Model([x, *inputs], cost([probabilities, *inputs]))
    model.compile(keras.optimizers.Adam(0.1), {"ctc": lambda y_true, y_pred: y_pred})
    return model


def all_inputs() -> tuple[list[np.ndarray], np.ndarray]:
    x, labels = lines()
    return [x, labels - 1, np.full((12, 1), 8), np.full((12, 1), 3)], np.zeros(12)


def test_the_cost_as_a_layer_trains_as_in_keras_2() -> None:
    inputs, nothing = all_inputs()
    history = by_lambda().fit(inputs, nothing, batch_size=4, epochs=80, verbose=0).history["loss"]
    assert history[-1] < 0.02 < 5 < history[0]


def test_the_cost_is_exported(tmp_path: Path) -> None:
    inputs, _ = all_inputs()
    model = by_lambda()
    kgraph.export(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    feed = {
        leaf.name: array.astype("float32") for leaf, array in zip(session.get_inputs(), inputs, strict=True)
    }
    np.testing.assert_allclose(session.run(None, feed)[0], model.predict(inputs), rtol=1e-6)


def test_greedy_decoding_is_exported(tmp_path: Path) -> None:
    x = keras.Input((None, FEATURES), name="x")
    probabilities = L.Dense(CLASSES, activation="softmax")(x)
    read = L.Lambda(lambda p: K.ctc_decode(p, K.sum(K.ones_like(p[:, :, 0]), 1))[0][0])(probabilities)
    model = keras.Model(x, [probabilities, read])
    kgraph.export(model, tmp_path / "m.onnx")
    data = _random.randn(3, 9, FEATURES).astype("float32") * 3
    _, labels = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": data})
    known, _ = model.predict(data)
    (wanted,), _ = K.ctc_decode(known, [9] * 3)
    np.testing.assert_array_equal(labels, K.get_value(wanted))


def test_a_bundle_trains_as_fit_does(tmp_path: Path) -> None:
    x, labels = lines()
    model = recogniser(loss="ctc")
    runner = Runner(kgraph.export_training(model, tmp_path / "bundle"))
    for _ in range(3):
        runner.run("train_step", data=x, target=labels.astype("int32"))
        model.train_on_batch(x, labels)
    for variable in model.weights:
        np.testing.assert_allclose(runner.state[variable.path], variable.numpy(), rtol=1e-6, atol=1e-7)


# -- misuse


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: K.ctc_batch_cost(np.zeros((2, 3)), np.zeros((2, 4)), [4, 4], [3, 3]), ShapeError, "classes"),
        (lambda: ctc_loss(np.zeros(3), np.zeros((1, 4, 5)), [3], [4]), ShapeError, "labels"),
        (lambda: K.ctc_decode(K.placeholder((2, 4, None)), [4, 4]), ShapeError, "number of classes"),
        (lambda: K.ctc_decode(K.placeholder((2, 4, 5)), [4, 4], False), UnsupportedError, "greedy=True"),
        (lambda: K.ctc_decode(softmax(LOGITS), STEPS, False, 2, 3), ArgumentError, "beam_width=2"),
        (lambda: K.ctc_decode(softmax(LOGITS), STEPS, False, 2, 0), ArgumentError, "top_paths"),
        (lambda: K.ctc_label_dense_to_sparse([[1]], [1]), UnsupportedError, "K.ctc_batch_cost"),
    ],
)
def test_misuse_is_told(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
