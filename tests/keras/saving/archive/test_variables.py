"""Weights files of Keras 3, both ways: what one side writes the other reads, and predicts the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import kgraph.keras
from kgraph.errors import FileError
from kgraph.keras.saving.archive import read_state, write_state
from kgraph.keras.saving.hdf5.guard import open_file
from tests.keras.saving.archive.models import SHAPES, data_for, scramble, subclassed
from tests.oracle import its_own_warnings, keras, keras_value, needs_keras

pytestmark = its_own_warnings
each_model = pytest.mark.parametrize("build", SHAPES, ids=lambda build: build.__name__)


def assert_same_predictions(ours: Any, theirs: Any, data: Any) -> None:
    got, wanted = ours.predict(data), theirs(data)
    for left, right in zip(*((x if isinstance(x, list) else [x]) for x in (got, wanted)), strict=True):
        np.testing.assert_allclose(left, keras_value(right), rtol=1e-5, atol=1e-5)


@needs_keras
@each_model
def test_weights_of_keras_are_read(build: Callable[[Any], Any], tmp_path: Path) -> None:
    theirs, ours = scramble(build(keras())), build(kgraph.keras)
    theirs.save_weights(tmp_path / "m.weights.h5")
    with open_file(tmp_path / "m.weights.h5") as root:
        read_state(ours, root)
    assert_same_predictions(ours, theirs, data_for(build))


@needs_keras
@each_model
def test_keras_reads_our_weights(build: Callable[[Any], Any], tmp_path: Path) -> None:
    theirs, ours = build(keras()), scramble(build(kgraph.keras))
    with h5py.File(tmp_path / "m.weights.h5", "w") as root:
        write_state(root, ours)
    theirs.load_weights(tmp_path / "m.weights.h5")
    assert_same_predictions(ours, theirs, data_for(build))


def saved(model: Any, path: Path) -> Path:
    """The weights of a model in a file."""
    with h5py.File(path, "w") as root:
        write_state(root, model)
    return path


def loaded(model: Any, path: Path, **options: Any) -> Any:
    """A model with the weights of a file."""
    with open_file(path) as root:
        read_state(model, root, **options)
    return model


def pair(api: Any) -> Any:
    layers = api.layers
    return api.Sequential([api.Input((3,)), layers.Dense(4), layers.Dense(2)])


def test_weights_that_do_not_fit_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = saved(pair(kgraph.keras), tmp_path / "m.weights.h5")
    layers = kgraph.keras.layers
    model = kgraph.keras.Sequential([layers.Input((3,)), layers.Dense(4), layers.Dense(5)])
    before = model.get_weights()
    with pytest.raises(FileError, match=r"do not fit dense(.|\n)*\(4, 5\)(.|\n)*\(4, 2\)"):
        loaded(model, path)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_does_not_fit_can_be_left_out(tmp_path: Path) -> None:
    original = pair(kgraph.keras)
    path = saved(original, tmp_path / "m.weights.h5")
    layers = kgraph.keras.layers
    model = kgraph.keras.Sequential([layers.Input((3,)), layers.Dense(4), layers.Dense(5)])
    with pytest.warns(UserWarning, match="left as it is(.|\n)*do not fit"):
        loaded(model, path, skip_mismatch=True)
    np.testing.assert_array_equal(model.get_weights()[0], original.get_weights()[0])
    assert model.get_weights()[2].shape == (4, 5)


def test_a_layer_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    path = saved(pair(kgraph.keras), tmp_path / "m.weights.h5")
    layers = kgraph.keras.layers
    model = kgraph.keras.Sequential([pair(kgraph.keras), layers.Dense(2, name="more")])
    with pytest.raises(FileError, match="do not fit"):
        loaded(model, path)


class Counting(kgraph.keras.layers.Layer):
    """A layer that keeps more in a file than its weights."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight("kernel", (2,))
        self.seen = 0
        self.built = True

    def call(self, inputs: Any) -> Any:
        return inputs * self.kernel

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        store["seen"] = np.array(self.seen)

    def load_own_variables(self, store: Any) -> None:
        self.seen = int(store["seen"])
        super().load_own_variables({"0": store["0"]})


def test_a_layer_may_have_its_own_way(tmp_path: Path) -> None:
    first = kgraph.keras.Sequential([kgraph.keras.Input((2,)), Counting()])
    first.layers[0].seen = 7
    second = kgraph.keras.Sequential([kgraph.keras.Input((2,)), Counting()])
    loaded(second, saved(first, tmp_path / "m.weights.h5"))
    assert second.layers[0].seen == 7
    np.testing.assert_array_equal(second.get_weights()[0], first.get_weights()[0])


def test_layers_are_found_by_name_in_a_file_of_the_same_model(tmp_path: Path) -> None:
    def build(order: Any) -> Any:
        x = kgraph.keras.Input((3,))
        made = {name: kgraph.keras.layers.Dense(3, name=name)(x) for name in order}
        return kgraph.keras.Model(x, [made[name] for name in order])

    first, second = build("ab"), build("ba")
    loaded(second, saved(first, tmp_path / "m.weights.h5"), by_name=True)
    for name in "ab":
        np.testing.assert_array_equal(*(m.get_layer(name).get_weights()[0] for m in (first, second)))
    third = loaded(build("ba"), tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(*(m.layers[1].get_weights()[0] for m in (first, third)))


def test_files_of_older_keras_have_no_groups_for_lists_in_lists(tmp_path: Path) -> None:
    model, other = scramble(subclassed(kgraph.keras)), subclassed(kgraph.keras)
    with h5py.File(saved(model, tmp_path / "m.weights.h5"), "r+") as root:
        root.move("heads/container/dense", "layers/dense_1")
        del root["heads/container"]
    loaded(other, tmp_path / "m.weights.h5")
    for mine, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_files_of_tensorflow_2_13_call_the_layers_differently(tmp_path: Path) -> None:
    model, other = scramble(pair(kgraph.keras)), pair(kgraph.keras)
    with h5py.File(saved(model, tmp_path / "m.weights.h5"), "r+") as root:
        root.move("layers", "_layer_checkpoint_dependencies")
    loaded(other, tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
