"""What the normalisations within a sample do beyond their laws: one node, gradients as in Keras, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, NotBuiltError, ShapeError
from kgraph.keras.export import export
from kgraph.keras.layers import (
    Dense,
    Embedding,
    GroupNormalization,
    Identity,
    Input,
    LayerNormalization,
    Rescaling,
    RMSNormalization,
    UnitNormalization,
)
from kgraph.keras.models import Model, Sequential
from kgraph.keras.optimizers import Adam
from kgraph.keras.settings import image_data_format, set_image_data_format

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(3.0, 2.0, (32, 6, 8)).astype("float32")


def operators(model: Any, path: Path, opset: int) -> list[str]:
    exported = export(model, path / f"{opset}.onnx", opset=opset)
    return [node.op_type for node in onnx.load(str(exported)).graph.node]


@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}, {"axis": [1, 2]}, {"axis": -1}])
def test_over_the_last_axes_it_is_one_node(options: dict[str, Any], tmp_path: Path) -> None:
    model = Sequential([LayerNormalization(input_shape=(6, 8), **options)])
    assert operators(model, tmp_path, 17) == operators(model, tmp_path, 21) == ["LayerNormalization"]
    assert "LayerNormalization" not in operators(model, tmp_path, 16)


def test_over_other_axes_it_is_several(tmp_path: Path) -> None:
    assert "LayerNormalization" not in operators(
        Sequential([LayerNormalization(axis=1, input_shape=(6, 8))]), tmp_path, 21
    )


@pytest.mark.parametrize(
    "layer",
    [
        LayerNormalization(),
        LayerNormalization(axis=1),
        GroupNormalization(groups=4),
        RMSNormalization(),
        UnitNormalization(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_model_with_it_learns(layer: Any) -> None:
    model = Sequential([Dense(8, activation="tanh", input_shape=(6, 8)), layer, Dense(1)])
    model.compile(Adam(0.01), "mse")
    x = X - 3.0
    losses = model.fit(x, np.tanh(x[..., :1] - x[..., 1:2]), epochs=25, batch_size=8, verbose=0).history[
        "loss"
    ]
    assert losses[-1] < 0.5 * losses[0]


def test_a_vector_of_zeros_stays_one_and_has_a_gradient() -> None:
    x = Input((3,))
    model = Model(x, Dense(1)(UnitNormalization()(Dense(3, kernel_initializer="zeros")(x))))
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch(np.ones((2, 3)), np.ones((2, 1))))
    assert all(np.isfinite(array).all() for array in model.get_weights())


def test_masks_pass() -> None:
    embedded = Embedding(5, 8, mask_zero=True)(Input((6,)))
    for layer in (
        LayerNormalization(),
        GroupNormalization(2),
        UnitNormalization(),
        Identity(),
        Rescaling(2.0),
    ):
        assert layer(embedded)._keras_mask is not None
    with pytest.warns(UserWarning, match="the mask ends here"):
        assert RMSNormalization()(embedded)._keras_mask is None


def test_identity_takes_any_nesting() -> None:
    a, b = Input((2,)), Input((3,))
    model = Model([a, b], Identity()([a, b]))
    arrays = [np.ones((1, 2), "float32"), np.zeros((1, 3), "float32")]
    for one, other in zip(model.predict(arrays), arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_scale_for_each_channel_goes_where_the_channels_are() -> None:
    images = RANDOM.normal(size=(2, 3, 5, 4)).astype("float32")
    before = image_data_format()
    set_image_data_format("channels_first")
    try:
        model = Sequential([Rescaling([1.0, 2.0, 3.0], input_shape=(3, 5, 4))])
        wanted = images * np.array([1, 2, 3], "float32")[:, None, None]
        np.testing.assert_array_equal(model.predict(images), wanted)
    finally:
        set_image_data_format(before)


def test_bad_arguments_and_inputs_are_refused() -> None:
    for layer in (LayerNormalization, RMSNormalization, UnitNormalization):
        with pytest.raises(ArgumentTypeError, match="an integer or a list of them"):
            layer(axis="last")
    with pytest.raises(ArgumentTypeError, match="an integer"):
        GroupNormalization(axis=[1, 2])
    with pytest.raises(ArgumentError, match="groups"):
        GroupNormalization(groups=0)
    with pytest.raises(ShapeError, match="a multiple of 3"):
        GroupNormalization(groups=3)(Input((4,)))
    with pytest.raises(NotBuiltError, match="channels"):
        LayerNormalization()(Input((3, None)))
    with pytest.raises(ShapeError, match="axis"):
        LayerNormalization(axis=4)(Input((3, 2)))
    with pytest.raises(ArgumentError, match="numbers"):
        Rescaling("large")
