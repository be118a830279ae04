"""What files say of themselves agrees with the models in them; damaged ones are a FileError."""

from __future__ import annotations

import json
import random
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import pytest

from kgraph import keras
from kgraph.errors import FileError
from kgraph.keras import layers as L
from kgraph.keras.saving import list_weights, read_outline
from tests.keras.saving.fuzz.variants import tree_variant, variant
from tests.keras.saving.kept import Kept, kept

KINDS = {"model.h5": "hdf5", "model.keras": "keras"}
UNREADABLE = {"bilinear", "lambda"}
"""What loads from no file of these, or from not all."""
CASES = [
    pytest.param(one, name, id=f"{one}/{name}")
    for one in kept()
    for name in one.files
    if one.recipe.name.removesuffix("_named") not in UNREADABLE
]


@pytest.mark.parametrize(("one", "name"), CASES)
def test_an_outline_has_the_layers_and_numbers_of_the_model(one: Kept, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(one.read(name))
    outline, model = read_outline(path, KINDS[name]), one.load(name, compile=False)
    assert outline.name in (model.name, "")  # Keras 1 gave no names to models
    assert outline.parameters == model.count_params()
    if (
        str(one) == "keras-1.2.2/merged"
    ):  # Keras 1 lists the weights of the branches beside those of the Merge
        assert len(outline.others) == 4
        return
    assert outline.others == []
    said = {layer.name: layer.parameters for layer in outline.layers}
    found = {layer.name: sum(prod(w.shape) for w in layer.weights) for layer in model.layers}
    assert {layer: said.get(layer) for layer in found} == found


def small(folder: Path, suffix: str) -> Path:
    model = keras.Sequential([L.Dense(3, input_shape=(4,), name="a"), L.Dropout(0.5), L.Dense(2, name="b")])
    model.compile("adam", "mse", metrics=["mae"])
    model.save(folder / f"m{suffix}")
    return folder / f"m{suffix}"


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_an_architecture_may_come_with_weights(kind: str, tmp_path: Path) -> None:
    model = keras.Sequential([L.Dense(3, input_shape=(4,), name="a")])
    (tmp_path / "m").write_text(model.to_json() if kind == "json" else model.to_yaml(), encoding="utf-8")
    alone = read_outline(tmp_path / "m", kind)
    assert (alone.class_name, alone.parameters, alone.training) == ("Sequential", None, None)
    for name in ("w.h5", "m.weights.h5"):
        model.save_weights(tmp_path / name)
        both = read_outline(tmp_path / "m", kind, tmp_path / name)
        assert [layer.parameters for layer in both.layers if layer.name == "a"] == [15]
        assert both.parameters == 15


def test_a_sequential_of_keras_1_and_a_layer_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps([{"class_name": "Mine", "config": {}}]), encoding="utf-8")
    outline = read_outline(path, "json")
    assert [(layer.name, layer.class_name) for layer in outline.layers] == [("", "Mine")]


@pytest.mark.parametrize(
    "described", [None, 3, {}, {"class_name": 1}, {"class_name": "M", "config": {"layers": [1]}}]
)
def test_what_describes_no_model(described: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(FileError, match=r"(?s)class_name.*m\.json|damaged"):
        read_outline(path, "json")


@pytest.mark.parametrize(("suffix", "kind"), [(".h5", "hdf5"), (".keras", "keras")])
def test_damaged_files(suffix: str, kind: str, tmp_path: Path) -> None:
    path = small(tmp_path, suffix)
    whole = path.read_bytes()
    for number in range(300):
        path.write_bytes(variant(whole, random.Random(number)))
        try:
            read_outline(path, kind)
        except FileError:
            continue


def test_damaged_configurations(tmp_path: Path) -> None:
    path = small(tmp_path, ".keras")
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    for number in range(300):
        changed = json.dumps(tree_variant(config, random.Random(number)))
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**entries, "config.json": changed}.items():
                archive.writestr(name, data)
        try:
            read_outline(path, "keras")
        except FileError:
            continue


def test_names_with_numbers_beyond_all_bounds_are_sorted(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name in ("9" * 5000, "10", "9", "010"):
            file[name] = [1.0]
    names = [array.name for array in list_weights(tmp_path / "w.h5") or []]
    assert [name[:3] for name in names] == ["9", "010", "10", "999"]
