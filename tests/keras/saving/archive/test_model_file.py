"""`.keras` archives, both ways: what one side saves the other loads, and predicts the same."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kgraph.keras
from kgraph.errors import FileError
from kgraph.keras.models import load_model
from tests.keras.saving.archive.models import SHAPES, data_for, scramble, subclassed
from tests.keras.saving.archive.test_variables import assert_same_predictions, pair
from tests.oracle import its_own_warnings, keras, needs_keras

pytestmark = its_own_warnings
MODELS = [build for build in SHAPES if build is not subclassed]
each_model = pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)


@needs_keras
@each_model
def test_archives_of_keras_are_read(build: Callable[[Any], Any], tmp_path: Path) -> None:
    theirs = scramble(build(keras()))
    theirs.save(tmp_path / "m.keras")
    assert_same_predictions(load_model(tmp_path / "m.keras"), theirs, data_for(build))


@needs_keras
@each_model
def test_keras_reads_our_archives(build: Callable[[Any], Any], tmp_path: Path) -> None:
    ours = scramble(build(kgraph.keras))
    ours.save(tmp_path / "m.keras")
    assert_same_predictions(ours, keras().saving.load_model(tmp_path / "m.keras"), data_for(build))


@each_model
def test_our_archives_are_read(build: Callable[[Any], Any]) -> None:
    model, file = scramble(build(kgraph.keras)), io.BytesIO()
    model.save(file, save_format="keras")
    again = load_model(file)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    for mine, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@each_model
def test_weights_of_an_archive_go_into_a_model_that_exists(
    build: Callable[[Any], Any], tmp_path: Path
) -> None:
    model, other = scramble(build(kgraph.keras)), build(kgraph.keras)
    model.save(tmp_path / "m.keras")
    other.load_weights(tmp_path / "m.keras")
    for mine, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def entries_of(model: Any) -> dict[str, bytes]:
    """The entries of a model's archive."""
    file = io.BytesIO()
    model.save(file, save_format="keras")
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> io.BytesIO:
    """An archive with these entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file


def test_an_archive_has_the_entries_of_keras_and_no_others() -> None:
    entries = entries_of(pair(kgraph.keras))
    assert list(entries) == ["metadata.json", "config.json", "model.weights.h5"]
    assert json.loads(entries["metadata.json"])["keras_version"].startswith("3.")


def test_a_compressed_archive_is_read() -> None:
    model = pair(kgraph.keras)
    again = load_model(archive_of(entries_of(model), zipfile.ZIP_DEFLATED))
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("entry", ["config.json", "model.weights.h5"])
def test_a_missing_entry_is_named(entry: str) -> None:
    entries = entries_of(pair(kgraph.keras))
    del entries[entry]
    with pytest.raises(FileError, match=entry.replace(".", r"\.")):
        load_model(archive_of(entries))


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        ("config.json", b"[]"),
        ("config.json", b"3"),
        ("config.json", b"{}"),
        ("config.json", b'{"class_name": "Sequential", "config": 3}'),
        ("metadata.json", b"[]"),
        ("metadata.json", b"{"),
        ("model.weights.h5", b""),
        ("model.weights.h5", b"\x89HDF\r\n\x1a\n and no more"),
    ],
    ids=str,
)
def test_a_damaged_entry_is_a_file_error(entry: str, content: bytes) -> None:
    with pytest.raises(FileError):
        load_model(archive_of({**entries_of(pair(kgraph.keras)), entry: content}))


def test_weights_of_another_model_are_refused() -> None:
    other = kgraph.keras.Sequential([kgraph.keras.Input((3,)), kgraph.keras.layers.Dense(9)])
    entries = entries_of(pair(kgraph.keras)) | {"model.weights.h5": entries_of(other)["model.weights.h5"]}
    with pytest.raises(FileError, match="do not fit"):
        load_model(archive_of(entries))


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    pair(kgraph.keras).save(path)
    before = path.read_bytes()

    class Broken(kgraph.keras.layers.Layer):
        def get_config(self) -> dict[str, Any]:
            raise RuntimeError("no configuration today")

    model = kgraph.keras.Sequential([kgraph.keras.Input((3,)), Broken()])
    with pytest.raises(RuntimeError, match="today"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def scaled_class(api: Any) -> type:
    """A model with a `call` of its own and an argument, as users write it."""

    class Scaled(api.Model):
        def __init__(self, factor: float, units: int = 2, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor, self.units = factor, units
            self.hidden = api.layers.Dense(4)
            self.out = api.layers.Dense(units)

        def call(self, inputs: Any) -> Any:
            return self.out(self.hidden(inputs)) * self.factor

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factor": self.factor, "units": self.units}

    return Scaled


@needs_keras
def test_subclassed_models_travel_with_their_class(tmp_path: Path) -> None:
    ours, theirs = scaled_class(kgraph.keras), scaled_class(keras())
    data = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    model = theirs(0.5, units=3)
    model(data[:1])
    model.save(tmp_path / "theirs.keras")
    read = load_model(tmp_path / "theirs.keras", custom_objects={"Scaled": ours})
    assert_same_predictions(read, model, data)
    read.save(tmp_path / "ours.keras")
    again = keras().saving.load_model(tmp_path / "ours.keras", custom_objects={"Scaled": theirs})
    assert_same_predictions(read, again, data)


def without_shapes(archive: io.BytesIO) -> io.BytesIO:
    """The same archive, not saying for what shapes its model was built."""
    made = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                data = json.dumps({**json.loads(data), "build_config": None}).encode()
            new.writestr(name, data)
    return made


def test_a_subclassed_model_whose_shapes_are_not_said_has_no_place_for_its_weights() -> None:
    scaled, file = scaled_class(kgraph.keras), io.BytesIO()
    model = scaled(2.0)
    model.build((None, 3))
    model.save(file, save_format="keras")
    assert load_model(file, custom_objects={"Scaled": scaled}).count_params() == model.count_params()
    with pytest.raises(FileError, match="for what shapes"):
        load_model(without_shapes(file), custom_objects={"Scaled": scaled})


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("kind", ["stack", "subclass"])
def test_a_model_that_was_not_built_is_read_as_such(kind: str, compiled: bool) -> None:
    scaled, file = scaled_class(kgraph.keras), io.BytesIO()
    model = kgraph.keras.Sequential([kgraph.keras.layers.Dense(2)]) if kind == "stack" else scaled(2.0)
    if compiled:
        model.compile("adam", "mse")
    model.save(file, save_format="keras")
    again = load_model(file, custom_objects={"Scaled": scaled})
    assert not again.built
    assert (again.optimizer is not None) == compiled
    again.compile("adam", "mse")
    again.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0)


@needs_keras
def test_a_model_that_keras_had_not_built_is_read(tmp_path: Path) -> None:
    theirs = keras().Sequential([keras().layers.Dense(2)])
    theirs.compile("adam", "mse")
    with pytest.warns(UserWarning, match="not yet been built"):
        theirs.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert not again.built
    again.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0)
