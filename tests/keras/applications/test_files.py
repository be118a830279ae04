"""Applications in files of whole models, and in ONNX."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import kgraph.keras
from kgraph.keras.applications.inception_resnet_v2 import CustomScaleLayer
from kgraph.keras.export import export
from kgraph.keras.models import load_model
from tests.exported import complaints
from tests.keras.applications.zoo import BY_NAME, Case, kinds_of, tame_weights
from tests.oracle import its_own_warnings, keras, keras_value, needs_keras


def operators_of(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


MOBILE = Case("MobileNetV2", 32, {"alpha": 0.35, "classes": 3})


def scaled_sum(api: Any, layer: Any) -> Any:
    """A model of the layer that Inception-ResNet has of its own."""
    x = api.Input((4,), name="x")
    return api.Model(x, layer(0.17, name="sum")([x, api.layers.Activation("tanh", name="t")(x)]))


def test_a_network_comes_back_from_a_file(tmp_path: Path) -> None:
    model = MOBILE.make(kgraph.keras)
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        again = load_model(tmp_path / name, compile=False)
        assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
        np.testing.assert_array_equal(
            again.predict(MOBILE.images(), verbose=0), model.predict(MOBILE.images(), verbose=0)
        )


@needs_keras
@its_own_warnings
def test_keras_reads_ours(tmp_path: Path) -> None:
    model = MOBILE.make(kgraph.keras)
    model.save(tmp_path / "m.keras")
    theirs = keras().models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(
        model.predict(MOBILE.images(), verbose=0), keras_value(theirs(MOBILE.images())), rtol=1e-5
    )


@needs_keras
@its_own_warnings
def test_the_sum_of_inception_resnet_in_files(tmp_path: Path) -> None:
    x = np.linspace(-2, 2, 8, dtype="float32").reshape(2, 4)
    expected = x + 0.17 * np.tanh(x)
    ours = scaled_sum(kgraph.keras, CustomScaleLayer)
    theirs = scaled_sum(keras(), keras().src.applications.inception_resnet_v2.CustomScaleLayer)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    read_by_us = load_model(tmp_path / "theirs.keras")
    assert type(read_by_us.get_layer("sum")) is CustomScaleLayer
    read_by_keras = keras().models.load_model(tmp_path / "ours.keras")
    for found in (
        ours.predict(x, verbose=0),
        read_by_us.predict(x, verbose=0),
        keras_value(read_by_keras(x)),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_the_exported_graph(name: str, tmp_path: Path) -> None:
    """Normalisations and padding are in the convolutions; images are turned once, as they enter."""
    model = BY_NAME[name].make(kgraph.keras)
    model.set_weights(tame_weights(kinds_of(model)))
    path = export(model, tmp_path / "m.onnx", check=False)
    operators = operators_of(path)
    assert not complaints(path)
    assert operators["Transpose"] == 1
    convolutions = sum("Conv2D" in type(layer).__name__ for layer in model.layers)
    assert operators["Conv"] == convolutions
    assert not operators["BatchNormalization"] + operators["Pad"]


def test_the_scale_of_inception_resnet_goes_into_the_convolution(tmp_path: Path) -> None:
    x = kgraph.keras.Input((8, 8, 3))
    y = kgraph.keras.layers.Conv2D(3, 1, bias_initializer="ones")(x)
    model = kgraph.keras.Model(x, CustomScaleLayer(0.17)([x, y]))
    path = export(model, tmp_path / "m.onnx")
    assert set(operators_of(path)) == {"Transpose", "Conv", "Add"}
