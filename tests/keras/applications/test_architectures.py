"""Every application beside that of real Keras: layers, weights in their order, and numbers are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import kgraph.keras
from kgraph.keras import backend as K
from kgraph.keras.layers.weights import without_initialisers
from tests.keras.applications.zoo import BY_NAME, FAMILIES, SIBLINGS, Case, kinds_of, layers_of, tame_weights
from tests.oracle import its_own_warnings, keras, keras_value, needs_keras


@contextmanager
def no_initial_weights() -> Iterator[None]:
    """Inside weights are zeros when they are made, as nobody looks at them: random ones would take half of the time."""

    def zeros(shape: Any, *_: Any, dtype: str = "float32", **__: Any) -> Any:
        return np.zeros(shape, dtype)

    random = keras().src.backend.random
    with without_initialisers(), patch.multiple(random, uniform=zeros, truncated_normal=zeros):
        yield


def assert_close(ours: Any, theirs: Any) -> None:
    """Equal up to what single precision leaves after some hundred layers, and not constant."""
    assert theirs.std() > 0.01 * abs(theirs).max() > 0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * abs(theirs).max())


def assert_same(case: Case, **options: Any) -> tuple[Any, Any]:
    """Our model and that of Keras, after comparing all but numbers."""
    with no_initial_weights():
        ours, theirs = case.make(kgraph.keras, **options), case.make(keras(), **options)
    assert ours.name == theirs.name
    assert layers_of(ours) == layers_of(theirs)
    assert kinds_of(ours) == kinds_of(theirs)
    return ours, theirs


def assert_same_numbers(case: Case, **options: Any) -> None:
    ours, theirs = assert_same(case, **options)
    weights = tame_weights(kinds_of(theirs))
    ours.set_weights(weights)
    theirs.set_weights(weights)
    assert_close(ours.predict(case.images(), verbose=0), keras_value(theirs(case.images(), training=False)))


@needs_keras
@its_own_warnings
@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_one_of_each_family_computes_what_keras_does(case: Case) -> None:
    assert_same_numbers(case, classes=5, classifier_activation=None)


@needs_keras
@its_own_warnings
@pytest.mark.parametrize("case", SIBLINGS, ids=str)
def test_the_others_have_the_layers_and_weights_of_keras(case: Case) -> None:
    assert_same(case, include_top=False)


@needs_keras
@its_own_warnings
@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("VGG16", "max"),
        ("MobileNet", "avg"),
        ("MobileNetV2", None),
        ("ResNet50", "max"),
        ("DenseNet121", "avg"),
    ],
)
def test_without_the_classifier(name: str, pooling: str | None) -> None:
    if name.startswith(("VGG", "Mobile")):
        assert_same_numbers(BY_NAME[name], include_top=False, pooling=pooling)
    else:
        assert_same(BY_NAME[name], include_top=False, pooling=pooling)


@needs_keras
@its_own_warnings
def test_probabilities_and_sides_that_are_odd() -> None:
    assert_same_numbers(
        Case("MobileNetV2", 45, {"alpha": 1.3, "input_shape": (45, 45, 3)}), classes=3, name="mine"
    )


@pytest.mark.parametrize("name", ["VGG16", "MobileNet", "DenseNet121", "NASNetMobile"])
def test_channels_first_is_the_same_network(name: str) -> None:
    case, options = BY_NAME[name], {"classes": 5, "classifier_activation": None}
    last = case.make(kgraph.keras, **options)
    last.set_weights(tame_weights(kinds_of(last)))
    K.set_image_data_format("channels_first")
    try:
        first = case.make(kgraph.keras, channels_first=True, **options)
        first.set_weights(last.get_weights())
        images = case.images()
        found = first.predict(images.transpose(0, 3, 1, 2), verbose=0)
    finally:
        K.set_image_data_format("channels_last")
    assert_close(found, last.predict(images, verbose=0))


def test_images_of_any_size() -> None:
    model = BY_NAME["MobileNetV2"].make(kgraph.keras, input_shape=(None, None, 3), include_top=False)
    assert model.output_shape == (None, None, None, 1280)
    for rows, columns in ((32, 64), (96, 32)):
        found = model.predict(np.zeros((1, rows, columns, 3), "float32"), verbose=0)
        assert found.shape == (1, rows // 32, columns // 32, 1280)
