"""Locally connected layers against their definition, which Keras 3 no longer has."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, NotBuiltError, ShapeError
from kgraph.keras.layers import Input, LocallyConnected1D, LocallyConnected2D
from kgraph.keras.models import Sequential
from kgraph.keras.saving.dialects import read_model

Array = np.ndarray[Any, Any]

CASES = [
    (LocallyConnected1D, (9, 3), {"kernel_size": 3}),
    (LocallyConnected1D, (9, 3), {"kernel_size": 2, "strides": 3, "use_bias": False}),
    (LocallyConnected1D, (3, 9), {"kernel_size": 4, "strides": 2, "data_format": "channels_first"}),
    (LocallyConnected2D, (5, 7, 2), {"kernel_size": (3, 2), "implementation": 2}),
    (LocallyConnected2D, (5, 7, 2), {"kernel_size": 2, "strides": (1, 3), "use_bias": False}),
    (LocallyConnected2D, (2, 5, 7), {"kernel_size": (2, 3), "data_format": "channels_first"}),
    (LocallyConnected2D, (5, 7, 2), {"kernel_size": (5, 7)}),
]
FILTERS = 4


def trained(layer_class: Any, shape: tuple[int, ...], options: dict[str, Any]) -> Sequential:
    """A model of the layer, with weights in general position."""
    model = Sequential([layer_class(FILTERS, input_shape=shape, **options)])
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def defined(layer: Any, x: Array) -> Array:
    """What the layer gives: a loop over positions, in float64."""
    first = layer.data_format == "channels_first"
    images = x.astype("float64") if first else np.moveaxis(x, -1, 1).astype("float64")
    kernel, *biases = (weight.astype("float64") for weight in layer.get_weights())
    sizes = zip(images.shape[2:], layer.kernel_size, layer.strides, strict=True)
    counts = [len(range(0, size - window + 1, step)) for size, window, step in sizes]
    made = np.empty((len(x), FILTERS, *counts))
    for row, place in enumerate(product(*map(range, counts))):
        windows = zip(place, layer.strides, layer.kernel_size, strict=True)
        seen = images[(slice(None), slice(None), *(slice(i * s, i * s + k) for i, s, k in windows))]
        rows = seen if first else np.moveaxis(seen, 1, -1)
        made[(slice(None), slice(None), *place)] = rows.reshape(len(x), -1) @ kernel[row]
    for bias in biases:
        assert bias.shape == (*counts, FILTERS)
        made += bias.reshape(FILTERS, *counts) if first else np.moveaxis(bias, -1, 0)
    return made if first else np.moveaxis(made, 1, -1)


@pytest.mark.parametrize(("layer_class", "shape", "options"), CASES)
def test_each_window_has_a_matrix_of_its_own(
    layer_class: Any, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    model = trained(layer_class, shape, options)
    x = np.random.default_rng(2).normal(size=(3, *shape)).astype("float32")
    wanted = defined(model.layers[-1], x)
    assert model.output_shape[1:] == wanted.shape[1:]
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("layer_class", "shape", "options"), CASES)
def test_a_step_of_training_is_the_gradient_of_the_definition(
    layer_class: Any, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    model = trained(layer_class, shape, options)
    layer = model.layers[-1]
    random = np.random.default_rng(3)
    x = random.normal(size=(3, *shape)).astype("float32")
    target = random.normal(size=(3, *model.output_shape[1:])).astype("float32")
    before = [weight.astype("float64") for weight in layer.get_weights()]
    direction = [random.normal(size=weight.shape) for weight in before]

    def loss(step: float) -> float:
        layer.set_weights([w + step * d for w, d in zip(before, direction, strict=True)])
        return float(np.mean((defined(layer, x) - target) ** 2))

    # The loss is a parabola in the weights, of which differences this wide have the slope exactly.
    slope = (loss(0.5) - loss(-0.5)) / 1.0
    layer.set_weights(before)
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 1.0
    model.train_on_batch(x, target)
    moved = sum(
        float(((b - a) * d).sum()) for a, b, d in zip(layer.get_weights(), before, direction, strict=True)
    )
    assert moved == pytest.approx(slope, rel=1e-4)


def test_a_configuration_of_keras_1_makes_the_layer() -> None:
    config = {
        "name": "local",
        "nb_filter": 4,
        "nb_row": 3,
        "nb_col": 2,
        "border_mode": "valid",
        "subsample": [2, 1],
        "dim_ordering": "th",
        "init": "glorot_uniform",
        "activation": "relu",
        "bias": True,
        "batch_input_shape": [None, 2, 7, 6],
    }
    entry = {"class_name": "LocallyConnected2D", "config": config}
    read = read_model({"class_name": "Sequential", "config": [entry]}, keras_version="1.2.2")
    with pytest.warns(DeprecationWarning, match="is the old spelling of"):
        layer = Sequential.from_config(read["config"]).layers[-1]
    assert (layer.kernel_size, layer.strides, layer.data_format) == ((3, 2), (2, 1), "channels_first")
    assert [weight.shape for weight in layer.get_weights()] == [(15, 12, 4), (3, 5, 4)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LocallyConnected1D(4, 3, padding="same"), ArgumentError, "padding"),
        (lambda: LocallyConnected2D(4, 3, padding="same"), ArgumentError, "padding"),
        (lambda: LocallyConnected2D(4, 3, implementation=4), ArgumentError, "implementation"),
        (lambda: LocallyConnected1D(4, 3)(Input((None, 2))), NotBuiltError, "must know the sizes"),
        (lambda: LocallyConnected2D(4, (3, 2))(Input((2, 5, 1))), ShapeError, "smaller than a window"),
    ],
)
def test_misuse_says_what_was_expected(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    assert "expected" in str(caught.value)
    assert "got" in str(caught.value)
