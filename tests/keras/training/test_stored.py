"""Data in HDF5 files do the same as arrays in memory, and are read a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import ArgumentTypeError, DataError
from kgraph.keras.utils import HDF5Matrix
from tests.keras.training.small import LABELS, ONE_HOT, N, X, Y, Z, classifier, regression, two_by_two


@pytest.fixture
def file(tmp_path: Path) -> Iterator[h5py.File]:
    with h5py.File(tmp_path / "data.h5", "w") as made:
        made["x"], made["y"], made["one_hot"], made["labels"], made["z"] = X, Y, ONE_HOT, LABELS, Z
        made["x of another dtype"] = X.astype(">f8")
        made["y without an axis"] = Y[:, 0]
        made["in/chunks"] = X
        made["scaled"] = X * 2 + 1
        made["text"] = ["a"] * N
        made["number"] = 1.0
        made["between"] = np.concatenate([Z, X, Z])
        made.create_dataset("compressed", data=X, chunks=(7, 2), compression="gzip")
        made.flush()
        yield made


class Spy:
    """A data set that notes how many rows are read at a time."""

    def __init__(self, data: h5py.Dataset) -> None:
        self._data, self.most, self.shape, self.dtype = data, 0, data.shape, data.dtype

    def __getitem__(self, key: Any) -> Any:
        rows = self._data[key]
        self.most = max(self.most, len(rows))
        return rows

    def read_direct(self) -> None: ...


def weights_after(
    make: Callable[[], Any], x: Any, y: Any, shuffle: Any = False, **arguments: Any
) -> list[np.ndarray]:
    keras.utils.set_random_seed(0)
    model = make()
    model.set_weights([np.full(w.shape, 0.1) for w in model.weights])
    model.fit(x, y, batch_size=8, verbose=0, shuffle=shuffle, **arguments)
    return model.get_weights()


@pytest.mark.parametrize("x", ["x", "compressed", "x of another dtype", "in/chunks"])
@pytest.mark.parametrize("y", ["y", "y without an axis"])
@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_data_sets_do_what_arrays_do(file: h5py.File, x: str, y: str, shuffle: Any) -> None:
    for arguments in ({}, {"validation_split": 0.3}, {"sample_weight": np.arange(N)}):
        stored = weights_after(regression, file[x], file[y], shuffle, **arguments)
        inside = weights_after(regression, X, Y, shuffle, **arguments)
        for mine, wanted in zip(stored, inside, strict=True):
            np.testing.assert_array_equal(mine, wanted)


def test_evaluate_predict_and_one_batch(file: h5py.File) -> None:
    model = regression()
    x, y = file["x of another dtype"], file["y without an axis"]
    assert model.evaluate(x, y, verbose=0) == model.evaluate(X, Y, verbose=0)
    for batch_size in (7, N, 100):
        np.testing.assert_array_equal(
            model.predict(x, batch_size=batch_size), model.predict(X, batch_size=batch_size)
        )
    np.testing.assert_array_equal(model.predict_on_batch(x), model.predict_on_batch(X))
    assert model.test_on_batch(x, y) == model.test_on_batch(X, Y)
    wanted = model.evaluate(X, Y, verbose=0)
    assert model.train_on_batch(x, y) == pytest.approx(wanted, rel=1e-6)


def test_several_inputs_some_of_them_stored(file: h5py.File) -> None:
    wanted = weights_after(two_by_two, [X, Z], [Y, ONE_HOT], True)
    for x, y in (
        ([file["x"], Z], [Y, file["one_hot"]]),
        ({"a": X, "b": file["z"]}, {"p": file["y"], "q": ONE_HOT}),
    ):
        for mine, theirs in zip(weights_after(two_by_two, x, y, True), wanted, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_class_weights_are_read_from_stored_labels(file: h5py.File, loss: str) -> None:
    stored, inside = ("labels", LABELS) if loss.startswith("sparse") else ("one_hot", ONE_HOT)
    table = {0: 1.0, 1: 2.0, 2: 5.0}
    for mine, wanted in zip(
        weights_after(partial(classifier, loss), file["x"], file[stored], class_weight=table),
        weights_after(partial(classifier, loss), X, inside, class_weight=table),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, wanted)


def test_stored_sample_weights_and_held_out_data(file: h5py.File) -> None:
    model = regression()
    held_out = model.fit(
        file["x"], file["y"], sample_weight=file["labels"], validation_data=(file["x"], file["y"]), verbose=0
    ).history
    assert held_out["val_loss"][0] == model.evaluate(X, Y, verbose=0)


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_no_more_than_a_batch_is_read_at_a_time(file: h5py.File, shuffle: Any) -> None:
    x, y = Spy(file["x of another dtype"]), Spy(file["y"])
    model = regression()
    model.fit(x, y, batch_size=4, verbose=0, shuffle=shuffle, validation_split=0.5, epochs=2)
    model.evaluate(x, y, batch_size=4, verbose=0)
    model.predict(x, batch_size=4)
    assert (x.most, y.most) == (4, 4)


def test_a_model_without_input_shape_is_built_from_stored_data(file: h5py.File) -> None:
    spy = Spy(file["x"])
    model = keras.Sequential([keras.layers.Dense(2)])
    assert model.predict(spy, batch_size=5).shape == (N, 2)
    assert spy.most == 5


def test_labels_are_checked_a_block_at_a_time(file: h5py.File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgraph.keras.training.stored.BLOCK", 3 * LABELS.itemsize)
    labels = Spy(file["labels"])
    model = classifier("sparse_categorical_crossentropy")
    model.evaluate(file["x"], labels, batch_size=2, verbose=0)
    assert labels.most == 3
    file["labels"][17] = 3
    with pytest.raises(DataError, match="classes"):
        model.evaluate(file["x"], file["labels"], verbose=0)


def test_a_matrix_with_rows_and_a_normalizer(file: h5py.File) -> None:
    path = file.filename
    x = HDF5Matrix(path, "between", start=N, end=2 * N)
    scaled = HDF5Matrix(path, "scaled", normalizer=lambda rows: (rows - 1) / 2)
    y = HDF5Matrix(path, "y without an axis")
    for shuffle in (True, False, "batch"):
        wanted = weights_after(regression, X, Y, shuffle, validation_split=0.2)
        for mine, theirs in zip(
            weights_after(regression, x, y, shuffle, validation_split=0.2), wanted, strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
        for mine, theirs in zip(
            weights_after(regression, scaled, y, shuffle, validation_split=0.2), wanted, strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(regression().predict(x).shape, (N, 1))


def test_mistakes_are_named(file: h5py.File) -> None:
    model = regression()
    with pytest.raises(ArgumentTypeError, match="input 'out_input' is no array of numbers"):
        model.predict(file["text"])
    with pytest.raises(DataError, match="no rows"):
        model.predict(file["number"])
    with pytest.raises(DataError, match="does not fit the model"):
        model.predict(file["one_hot"])
    with pytest.raises(DataError, match="number of samples"):
        model.fit(file["between"], file["y"], verbose=0)
