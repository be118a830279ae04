"""What applications take and refuse: Keras's arguments, in both generations' order, and clear errors for the rest."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
import pytest

import kgraph.keras
from kgraph.errors import ArgumentError
from kgraph.keras import applications, layers
from kgraph.keras.layers.input import InputLayer
from tests.keras.applications.zoo import BY_NAME, Case
from tests.oracle import keras, needs_keras

SMALL = Case("MobileNet", 32, {"alpha": 0.25})
HOMES = {
    "densenet": "DenseNet121 DenseNet169 DenseNet201",
    "inception_resnet_v2": "InceptionResNetV2",
    "inception_v3": "InceptionV3",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "nasnet": "NASNetMobile NASNetLarge",
    "resnet": "ResNet50 ResNet101 ResNet152",
    "resnet50": "ResNet50",
    "resnet_v2": "ResNet50V2 ResNet101V2 ResNet152V2",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "xception": "Xception",
}


@needs_keras
@pytest.mark.parametrize("name", BY_NAME)
def test_the_arguments_are_those_of_keras(name: str) -> None:
    def arguments(function: Any) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]

    ours = getattr(applications, name)
    assert arguments(ours) == arguments(getattr(keras().applications, name))
    assert ours.__name__ == name
    assert "input_shape" in ours.__doc__ or "`Application`" in ours.__doc__


@pytest.mark.parametrize("module", HOMES)
def test_an_application_is_found_where_keras_has_it(module: str) -> None:
    home = importlib.import_module(f"kgraph.keras.applications.{module}")
    for name in HOMES[module].split():
        assert getattr(home, name) is getattr(applications, name)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"weights": "imagnet"}, "'imagenet' or the path of a file"),
    ({"weights": 3}, "unknown weights"),
    ({"weights": "imagenet", "classes": 10}, "classes=1000"),
    ({"weights": "imagenet", "input_shape": (100, 100, 3)}, r"\(224, 224, 3\)"),
    ({"weights": "imagenet", "input_shape": (224, 160, 3)}, r"\(224, 224, 3\)"),
    ({"weights": "imagenet", "include_top": False, "input_shape": (64, 64, 1)}, "3 channels"),
    ({"weights": "imagenet", "classifier_activation": "relu"}, "'softmax' or None"),
    ({"weights": None, "classes": 0}, "classes"),
    ({"weights": None, "input_shape": (31, 64, 3)}, "32 × 32 or more"),
    ({"weights": None, "input_shape": (None, 64, 3)}, "known size"),
    ({"weights": None, "input_shape": (64, 64)}, "rows, columns and channels"),
    ({"weights": None, "input_shape": "image"}, "rows, columns and channels"),
    ({"weights": None, "input_shape": (64, 64, None)}, "only rows and columns"),
    ({"weights": None, "include_top": False, "pooling": "mean"}, "'avg' or 'max'"),
    ({"weights": None, "input_tensor": np.zeros((2, 3), "float32")}, "rank 4"),
]


@pytest.mark.parametrize("name", ["ResNet50", "MobileNet", "NASNetMobile"])
@pytest.mark.parametrize(("arguments", "told"), REFUSED, ids=str)
def test_what_cannot_be_is_refused(name: str, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        getattr(applications, name)(**arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("MobileNet", {"alpha": 0.3}),
        ("MobileNet", {"depth_multiplier": 2}),
        ("MobileNetV2", {"alpha": 0.25}),
    ],
)
def test_published_weights_are_of_some_widths(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="other widths"):
        getattr(applications, name)(**arguments)


def test_nasnet_wants_to_know_the_size() -> None:
    assert applications.NASNetMobile(weights=None, include_top=False).input_shape == (None, 224, 224, 3)
    with pytest.raises(ArgumentError, match="known size"):
        applications.NASNetMobile(
            weights=None, include_top=False, input_tensor=kgraph.keras.Input((None, None, 3))
        )


def test_a_tensor_and_a_shape_must_agree() -> None:
    image = kgraph.keras.Input((64, 48, 3))
    with pytest.raises(ArgumentError, match="another shape"):
        SMALL.make(kgraph.keras, input_tensor=image, input_shape=(64, 64, 3), include_top=False)
    model = SMALL.make(kgraph.keras, input_tensor=image, input_shape=(64, None, 3), include_top=False)
    assert model.output_shape == (None, 2, 1, 256)


def test_a_tensor_of_other_layers_brings_its_inputs() -> None:
    grey, tint = kgraph.keras.Input((32, 32, 1), name="grey"), kgraph.keras.Input((1, 1, 3), name="tint")
    mixed = layers.Conv2D(3, 1)(grey) * tint
    model = SMALL.make(kgraph.keras, input_tensor=mixed, input_shape=None, include_top=False, pooling="avg")
    assert sorted(model.input_names) == ["grey", "tint"]
    images = {"grey": np.ones((2, 32, 32, 1), "float32"), "tint": np.ones((2, 1, 1, 3), "float32")}
    assert model.predict(images, verbose=0).shape == (2, 256)


def test_an_array_becomes_an_input() -> None:
    images = np.zeros((2, 32, 32, 3), "float32")
    model = SMALL.make(kgraph.keras, input_tensor=images, input_shape=None, include_top=False)
    assert isinstance(model.layers[0], InputLayer)
    assert model.output_shape == (2, 1, 1, 256)


def test_unusual_channels_are_remarked_upon() -> None:
    with pytest.warns(UserWarning, match="not 4"):
        model = SMALL.make(kgraph.keras, input_shape=(32, 32, 4), classes=2)
    assert model.input_shape == (None, 32, 32, 4)


def test_names() -> None:
    assert SMALL.make(kgraph.keras).name == "mobilenet_0.25_32"
    assert SMALL.make(kgraph.keras, name="a {rows} {b}").name == "a 32 {b}"
    assert BY_NAME["ResNet50"].make(kgraph.keras, name=None, include_top=False).name == "resnet50"


def test_a_network_learns() -> None:
    """Frozen but for its new end, as one does with published weights; then all of it."""
    body = SMALL.make(kgraph.keras, include_top=False, pooling="avg")
    model = kgraph.keras.Sequential([body, layers.Dense(2, activation="softmax")])
    rng = np.random.default_rng(0)
    images, labels = rng.random((8, 32, 32, 3)).astype("float32"), np.arange(8) % 2
    for frozen in (True, False):
        body.trainable = not frozen
        model.compile("sgd", "sparse_categorical_crossentropy")
        before = [weight.copy() for weight in body.get_weights()]
        model.fit(images, labels, epochs=1, verbose=0)
        same = [np.array_equal(a, b) for a, b in zip(before, body.get_weights(), strict=True)]
        assert all(same) if frozen else not any(same)
