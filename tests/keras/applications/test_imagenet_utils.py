"""Pixels and names of classes, beside real Keras and the formulas."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kgraph.keras
from kgraph.errors import ArgumentError, FileError, ShapeError
from kgraph.keras import models
from kgraph.keras.applications import imagenet_utils
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocess_input
from tests.oracle import keras, needs_keras

MODES = ("caffe", "tf", "torch")
SHAPES = {"channels_last": [(5, 4, 3), (2, 5, 4, 3)], "channels_first": [(3, 5, 4), (2, 3, 5, 4)]}
LAYOUTS = [(layout, shape) for layout, shapes in SHAPES.items() for shape in shapes]
MODULES = {
    "vgg16": "caffe",
    "vgg19": "caffe",
    "resnet": "caffe",
    "resnet50": "caffe",
    "resnet_v2": "tf",
    "xception": "tf",
    "inception_v3": "tf",
    "inception_resnet_v2": "tf",
    "mobilenet": "tf",
    "mobilenet_v2": "tf",
    "nasnet": "tf",
    "densenet": "torch",
}


def pixels(shape: tuple[int, ...], dtype: str = "float32") -> Any:
    return np.random.default_rng(1).integers(0, 256, shape).astype(dtype)


@needs_keras
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
@pytest.mark.parametrize(("layout", "shape"), LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
def test_arrays_as_in_keras(mode: str, layout: str, shape: tuple[int, ...], dtype: str) -> None:
    images = pixels(shape, dtype)
    kept = images.copy()
    ours = preprocess_input(images, layout, mode)
    np.testing.assert_array_equal(images, kept)
    theirs = keras().applications.imagenet_utils.preprocess_input(images.copy(), layout, mode)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("mode", MODES)
def test_tensors_as_arrays(mode: str, layout: str, dtype: str, tmp_path: Path) -> None:
    shape = SHAPES[layout][1]
    images = pixels(shape, dtype)
    x = kgraph.keras.Input(shape[1:], dtype=dtype)
    model = models.Model(x, preprocess_input(x, layout, mode))
    expected = preprocess_input(images, layout, mode)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, rtol=2e-6, atol=2e-6)
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(images, verbose=0), model.predict(images, verbose=0))


@pytest.mark.parametrize("name", MODULES)
def test_each_network_has_its_mode(name: str) -> None:
    module = importlib.import_module(f"kgraph.keras.applications.{name}")
    assert getattr(kgraph.keras.applications, name) is module
    images = pixels((2, 5, 4, 3))
    expected = preprocess_input(images, mode=MODULES[name])
    np.testing.assert_array_equal(module.preprocess_input(images), expected)
    turned = module.preprocess_input(images.transpose(0, 3, 1, 2), data_format="channels_first")
    np.testing.assert_array_equal(turned, expected.transpose(0, 3, 1, 2))
    assert module.decode_predictions is decode_predictions


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"mode": "theano"}, ArgumentError, "'caffe' or 'tf' or 'torch'"),
        ({"data_format": "channels_middle"}, ArgumentError, "channels_last"),
        ({"x": np.zeros((4, 4, 1))}, ShapeError, r"\(4, 4, 1\)"),
        ({"x": np.zeros((3,))}, ShapeError, "rank 3 or 4"),
    ],
)
def test_what_is_no_image_is_refused(arguments: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        preprocess_input(**{"x": np.zeros((4, 4, 3)), **arguments})


@pytest.fixture
def class_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of classes of our own in Keras's cache, under its own sum."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = tmp_path / "models" / "imagenet_class_index.json"
    file.parent.mkdir()
    file.write_text(json.dumps({str(i): [f"n{i:08}", f"class {i}"] for i in range(1000)}))
    declare(monkeypatch, file)
    return file


def declare(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX_HASH", hashlib.md5(file.read_bytes()).hexdigest())


@needs_keras
def test_predictions_as_in_keras(class_index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(2).random((3, 1000)).astype("float32")
    real = keras().src.applications.imagenet_utils
    monkeypatch.setattr(real, "CLASS_INDEX", json.loads(class_index.read_text()))
    for top in (1, 5, 1000):
        assert decode_predictions(rows, top) == real.decode_predictions(rows, top)
    assert len(decode_predictions(rows)[0]) == 5


@needs_keras
def test_the_index_is_the_one_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(*args: Any, **kwargs: Any) -> None:
        asked.append((args, kwargs))
        raise LookupError

    real = keras().src.applications.imagenet_utils
    monkeypatch.setattr(real, "CLASS_INDEX", None)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", ask)
    monkeypatch.setattr(imagenet_utils, "get_file", ask)
    for decode in (decode_predictions, real.decode_predictions):
        with pytest.raises(LookupError):
            decode(np.zeros((1, 1000)))
    assert asked[0] == asked[1]


@pytest.mark.parametrize("shape", [(1000,), (2, 10)])
def test_what_is_no_prediction_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="1000 probabilities"):
        decode_predictions(np.zeros(shape))


@pytest.mark.parametrize("top", [0, -1, 1.5])
def test_a_top_that_is_no_number_is_refused(top: Any) -> None:
    with pytest.raises(ArgumentError, match="top"):
        decode_predictions(np.zeros((1, 1000)), top)


@pytest.mark.parametrize("text", ["[]", '{"0": ["n", "a"]}', '{"no": "json"', "{}"])
def test_a_damaged_index_is_refused(text: str, class_index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_index.write_text(text)
    declare(monkeypatch, class_index)
    with pytest.raises(FileError, match="index of classes"):
        decode_predictions(np.zeros((1, 1000)))
