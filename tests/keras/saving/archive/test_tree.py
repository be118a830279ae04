"""The paths of layers in files: those that real Keras uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest

import kgraph.keras
from kgraph.keras.saving.archive.tree import class_name, group_name, places
from kgraph.keras.saving.archive.variables import own_variables
from tests.keras.saving.archive.models import SHAPES
from tests.oracle import its_own_warnings, keras, needs_keras

pytestmark = its_own_warnings
LAYERS = [name for name, kind in vars(kgraph.keras.layers).items() if isinstance(kind, type)]


@needs_keras
def test_classes_are_called_as_in_keras() -> None:
    to_snake_case = keras().src.utils.naming.to_snake_case
    for name in [*LAYERS, "Functional", "_Mine", "X1Y2z", "MLPBlock3x", "R2D2", "aB", "My_Layer", "A[int]"]:
        assert group_name(name) == to_snake_case(name)


@needs_keras
@pytest.mark.parametrize("build", SHAPES, ids=lambda build: build.__name__)
def test_paths_are_those_of_keras(build: Any, tmp_path: Path) -> None:
    theirs = build(keras())
    theirs.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        wanted = {path: len(file[path]) for path in paths_in(file)}
    ours = build(kgraph.keras)
    found = {f"{path}/vars".lstrip("/"): len(own_variables(item)) for path, item in places(ours)}
    assert found == wanted


def paths_in(file: Any) -> list[str]:
    """The groups of variables in a file."""
    found: list[str] = []
    file.visit(lambda name: found.append(name) if name.split("/")[-1] == "vars" else None)
    return found


def test_functional_models_have_the_name_of_keras_for_them() -> None:
    layers = kgraph.keras.layers
    x = layers.Input((2,))
    assert class_name(kgraph.keras.Model(x, layers.Dense(1)(x))) == "Functional"
    assert class_name(kgraph.keras.Sequential()) == "Sequential"


def test_what_contains_itself_comes_to_an_end() -> None:
    layers = kgraph.keras.layers
    outer = layers.Layer(name="outer")
    outer.inner = layers.Dense(1)
    outer.inner.parent = outer
    outer.loop = [outer.inner]
    outer.loop.append(outer.loop)
    assert [path for path, _ in places(outer)] == ["", "inner"]
