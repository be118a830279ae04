"""Padding, sampling tables, pairs of words and windows over time."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError
from kgraph.keras import Sequential, layers, utils
from kgraph.keras.preprocessing.sequence import (
    TimeseriesGenerator,
    make_sampling_table,
    pad_sequences,
    skipgrams,
    timeseries_generator_from_json,
)
from tests.keras.preprocessing.legacy import legacy
from tests.oracle import keras, needs_keras

RAGGED = [[1, 2, 3, 4], [], [5], [6, 7]]
VECTORS = [np.arange(6.0).reshape(3, 2), np.zeros((0, 2)), [[7.5, 8]]]


@needs_keras
@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 1, 3, 9])
@pytest.mark.parametrize(
    ("sequences", "dtype", "value"),
    [
        (RAGGED, "int32", 0.0),
        (RAGGED, "float64", -1.5),
        (VECTORS, "float32", 2),
        ([["a"], ["bc", "d"]], object, ""),
        ([["a"], ["bc", "d"]], "U2", "-"),
    ],
)
def test_padding_is_that_of_keras(
    padding: str, truncating: str, maxlen: int | None, sequences: Any, dtype: Any, value: Any
) -> None:
    ours = pad_sequences(sequences, maxlen, dtype, padding, truncating, value)
    theirs = keras().utils.pad_sequences(sequences, maxlen, dtype, padding, truncating, value)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_a_length_of_zero_keeps_nothing_of_any_sequence() -> None:
    assert pad_sequences(VECTORS, maxlen=0).shape == (3, 0, 2)


def test_keras_3_has_padding_among_its_utils() -> None:
    assert utils.pad_sequences is pad_sequences


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([[1]], None, "int32", "left"), ArgumentError, "padding"),
        (([[1]], None, "int32", "pre", None), ArgumentError, "truncating"),
        (([[1]], -1), ArgumentError, "maxlen"),
        (([[1]], 2.5), ArgumentError, "maxlen"),
        (([],), ArgumentError, "there are no sequences"),
        ((3,), ArgumentTypeError, "got: int"),
        (("abc",), ArgumentTypeError, "got: str"),
        (([[1], 2],), DataError, "entry 1 is no sequence"),
        (([[1], None],), DataError, "entry 1 is no sequence"),
        ((["ab"],), DataError, "entry 0 is no sequence"),
        (([{1}],), DataError, "entry 0 is no sequence"),
        (([{1: 2}],), DataError, "entry 0 is no sequence"),
        (([np.int64(3)],), DataError, "entry 0 is no sequence"),
        (([np.array(3)],), DataError, "entry 0 is no sequence"),
        (([[1], [[2]]],), DataError, "sequence 1 has other elements"),
        (([[[1], [2, 3]]],), DataError, "sequence 0 is no array"),
        (([["a"]],), DataError, "sequence 0 is no array"),
        (([[2**40]],), DataError, "sequence 0 is no array"),
        (([[1]], None, "int32", "pre", "pre", "x"), ArgumentError, "dtype=object"),
        (([[1]], None, "int32", "pre", "pre", None), ArgumentError, "fits int32"),
    ],
)
def test_what_cannot_be_padded_is_named(arguments: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        pad_sequences(*arguments)


def test_the_sampling_table_is_that_of_its_formula() -> None:
    r = np.arange(1, 5000, dtype=np.float64)
    frequency = 1 / (r * (np.log(r) + 0.577) + 0.5 - 1 / (12 * r))
    expected = np.minimum(1, np.sqrt(1e-3 / frequency))
    table = make_sampling_table(5000, 1e-3)
    np.testing.assert_allclose(table[1:], expected, rtol=1e-14)
    assert table[0] == table[1]
    assert table[-1] == 1


@needs_keras
def test_the_sampling_table_is_that_of_keras_to_the_bit() -> None:
    theirs = legacy("sequence").make_sampling_table(1000)
    np.testing.assert_array_equal(make_sampling_table(1000), theirs)


@pytest.mark.parametrize("factor", [0, -1.0, float("nan"), None])
def test_a_sampling_factor_is_above_zero(factor: Any) -> None:
    with pytest.raises(ArgumentError, match="sampling_factor"):
        make_sampling_table(5, factor)


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_sampling_table_has_entries(size: Any) -> None:
    with pytest.raises(ArgumentError, match="size"):
        make_sampling_table(size)


WORDS = [3, 0, 7, 2, 2, 9, 0, 4]


def neighbours(words: list[int], window: int) -> list[list[int]]:
    """All pairs of words that are no further apart, by definition."""
    pairs = [(i, j) for i in range(len(words)) for j in range(len(words)) if i != j and abs(i - j) <= window]
    return [[words[i], words[j]] for i, j in pairs if words[i] and words[j]]


@pytest.mark.parametrize("window", [0, 1, 3, 20])
def test_pairs_of_neighbours_are_those_of_the_definition(window: int) -> None:
    couples, labels = skipgrams(WORDS, 10, window, negative_samples=0, shuffle=False)
    assert couples == neighbours(WORDS, window)
    assert labels == [1] * len(couples)


def test_a_shuffle_keeps_pairs_with_their_labels() -> None:
    random.seed(1)
    couples, labels = skipgrams(WORDS, 100_000, 2, negative_samples=1.5)
    positive = neighbours(WORDS, 2)
    assert Counter(labels) == {1: len(positive), 0: int(1.5 * len(positive))}
    kept = [couple for couple, label in zip(couples, labels, strict=True) if label]
    assert sorted(kept) == sorted(positive)
    assert kept != positive
    assert {word for word, _ in couples} == set(WORDS) - {0}


@needs_keras
@pytest.mark.parametrize("categorical", [False, True])
@pytest.mark.parametrize("table", [None, np.linspace(0.2, 0.9, 10)])
@pytest.mark.parametrize("seed", [0, 5])  # without one, Keras fails on Python 3.12
def test_the_draws_are_those_of_keras(categorical: bool, table: Any, seed: int) -> None:
    theirs = legacy("sequence").skipgrams
    settings = {"categorical": categorical, "sampling_table": table, "seed": seed, "negative_samples": 2.0}
    results = []
    for function in (skipgrams, theirs):
        random.seed(11)
        results.append([function(WORDS, 10, **settings) for _ in range(3)])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], 1), "vocabulary_size"),
        (([1, 2], 5, -1), "window_size"),
        (([1, 8], 9, 4, 1.0, True, False, [0.5] * 3), "a word is not in sampling_table"),
    ],
)
def test_what_gives_no_pairs_is_named(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        skipgrams(*arguments)


def test_no_words_give_no_pairs() -> None:
    assert skipgrams([], 1) == skipgrams([0, 0], 1) == ([], [])


SERIES = np.random.default_rng(0).normal(size=(23, 3))
TARGETS = np.arange(23)

WINDOWS = [
    {"length": 4},
    {"length": 5, "sampling_rate": 2, "batch_size": 3},
    {"length": 1, "stride": 3, "batch_size": 2, "reverse": True},
    {"length": 6, "sampling_rate": 3, "stride": 2, "start_index": 4, "end_index": 17, "batch_size": 4},
    {"length": 22},
]


@pytest.mark.parametrize("settings", WINDOWS)
def test_windows_are_those_of_the_definition(settings: dict[str, Any]) -> None:
    windows = TimeseriesGenerator(SERIES, TARGETS, **settings)
    length, rate = settings["length"], settings.get("sampling_rate", 1)
    last = settings.get("end_index", len(SERIES) - 1)
    expected = list(range(settings.get("start_index", 0) + length, last + 1, settings.get("stride", 1)))
    batches = list(windows)
    assert [len(y) for _, y in batches[:-1]] == [windows.batch_size] * (len(windows) - 1)
    assert np.concatenate([y for _, y in batches]).tolist() == expected
    order = slice(None, None, -1 if settings.get("reverse") else 1)
    for x, y in batches:
        for window, target in zip(x, y, strict=True):
            np.testing.assert_array_equal(window[order], SERIES[target - length : target : rate])


@needs_keras
@pytest.mark.parametrize("settings", [*WINDOWS, {"length": 3, "shuffle": True, "batch_size": 5}])
def test_windows_are_those_of_keras(settings: dict[str, Any]) -> None:
    ours = TimeseriesGenerator(SERIES, TARGETS, **settings)
    theirs = legacy("sequence").TimeseriesGenerator(SERIES, TARGETS, **settings)
    assert len(ours) == len(theirs)
    for index in range(len(ours)):
        np.random.seed(index)
        expected = theirs[index]
        np.random.seed(index)
        for mine, other in zip(ours[index], expected, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_windows_come_back_from_their_json() -> None:
    windows = TimeseriesGenerator(SERIES, TARGETS.tolist(), **WINDOWS[3])
    again = timeseries_generator_from_json(windows.to_json(indent=1))
    assert again.get_config() == windows.get_config()
    for mine, other in zip(again, windows, strict=True):
        np.testing.assert_array_equal(mine[0], other[0])
        np.testing.assert_array_equal(mine[1], other[1])


def test_a_model_learns_from_windows() -> None:
    np.random.seed(0)
    wave = np.sin(np.arange(200) / 5).astype("float32")[:, None]
    windows = TimeseriesGenerator(wave, wave, length=8, batch_size=32, shuffle=True)
    model = Sequential([layers.Flatten(input_shape=(8, 1)), layers.Dense(1)])
    model.compile("adam", "mse")
    losses = model.fit(windows, epochs=30, verbose=0, workers=2).history["loss"]
    assert losses[-1] < losses[0] / 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 0}, "length"),
        ({"length": 2.0}, "length"),
        ({"length": 2, "stride": 0}, "stride"),
        ({"length": 2, "sampling_rate": -1}, "sampling_rate"),
        ({"length": 2, "batch_size": 0}, "batch_size"),
        ({"length": 2, "start_index": -3}, "start_index"),
        ({"length": 23}, "no window fits"),
        ({"length": 2, "end_index": 23}, "no window fits"),
    ],
)
def test_windows_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        TimeseriesGenerator(SERIES, TARGETS, **settings)


def test_each_step_needs_a_target() -> None:
    with pytest.raises(DataError, match="23 steps and 22 targets"):
        TimeseriesGenerator(SERIES, TARGETS[:-1], length=3)


def test_data_are_no_number() -> None:
    with pytest.raises(ArgumentTypeError, match="bad targets"):
        TimeseriesGenerator(SERIES, 3, length=3)


def test_data_that_are_no_json_are_named() -> None:
    with pytest.raises(ArgumentTypeError, match="data cannot be written"):
        TimeseriesGenerator([1, 2, object()], [1, 2, 3], length=1).get_config()


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"data": "[1", "targets": "[1]"},
        {"data": "[1, 2]", "targets": "[1, 2]", "length": 1, "more": 1},
        {"data": "[1, 2]", "targets": "[1, 2]", "length": 9},
    ],
)
def test_other_json_gives_no_windows(config: Any) -> None:
    with pytest.raises(ArgumentError):
        timeseries_generator_from_json(json.dumps({"class_name": "TimeseriesGenerator", "config": config}))
