"""Kernels turned around, sources found, numbers counted: each by what it means for the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import ArgumentError, UnsupportedError
from kgraph.keras import layers, utils
from kgraph.keras.utils import conv_utils, layer_utils

random = np.random.RandomState(0)


@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 2, 2, 4), (2, 3, 2, 2, 4)])
def test_a_kernel_is_turned(shape: tuple[int, ...]) -> None:
    kernel = random.randn(*shape)
    turned = conv_utils.convert_kernel(kernel)
    for place in np.ndindex(shape[:-2]):
        across = tuple(size - 1 - index for size, index in zip(shape, place, strict=False))
        np.testing.assert_array_equal(turned[place], kernel[across])
    with pytest.raises(ArgumentError, match="no kernel"):
        conv_utils.convert_kernel(np.zeros((2, 2)))


def test_all_kernels_are_turned() -> None:
    inner = keras.Sequential([layers.Conv2D(2, (2, 3), input_shape=(9, 9, 2)), layers.SeparableConv2D(2, 2)])
    model = keras.Sequential([layers.Conv2D(2, 3, input_shape=(11, 11, 1)), inner, layers.DepthwiseConv2D(2)])
    model.add(layers.Flatten())
    model.add(layers.Dense(3))
    x = random.randn(2, 11, 11, 1).astype("float32")
    before, weights = model.predict(x), model.get_weights()
    utils.convert_all_kernels_in_model(model)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, conv_utils.convert_kernel(old) if old.ndim == 4 else old)
    assert np.abs(model.predict(x) - before).max() > 1e-3
    utils.convert_all_kernels_in_model(model)
    np.testing.assert_array_equal(model.predict(x), before)


@pytest.mark.parametrize("target", ["channels_first", "channels_last"])
def test_dense_weights_follow_the_format(target: str) -> None:
    dense = layers.Dense(4)
    dense.build((None, 24))
    kernel, _ = dense.get_weights()
    shape = (2, 3, 4) if target == "channels_first" else (3, 4, 2)
    layer_utils.convert_dense_weights_data_format(dense, shape, target)
    images = random.randn(5, *shape).astype("float32")
    other = images.transpose(0, 2, 3, 1) if target == "channels_first" else images.transpose(0, 3, 1, 2)
    found, _ = dense.get_weights()
    np.testing.assert_allclose(
        images.reshape(5, 24) @ found, other.reshape(5, 24) @ kernel, rtol=1e-5, atol=1e-6
    )
    for wrong in ({"previous_feature_map_shape": (2, 3, 5)}, {"target_data_format": "last"}):
        with pytest.raises(ArgumentError):
            layer_utils.convert_dense_weights_data_format(
                dense, **{"previous_feature_map_shape": shape, **wrong}
            )


def test_source_inputs() -> None:
    a, b, c = (keras.Input((size,)) for size in (2, 3, 4))
    shared = layers.Dense(5)
    joined = layers.add([shared(layers.Dense(2)(a)), layers.Dense(5)(b)])
    found = utils.get_source_inputs(layers.concatenate([joined, joined, a]))
    assert [id(t) for t in found] == [id(a), id(b)]
    again = shared(layers.Dense(2)(c))
    assert utils.get_source_inputs(again)[0] is c
    assert utils.get_source_inputs(again, shared, 0)[0] is a
    assert utils.get_source_inputs(a)[0] is a
    array = np.zeros(2)
    assert utils.get_source_inputs(array) is array


def test_parameters_are_counted_once() -> None:
    model = keras.Sequential([layers.Dense(3, input_shape=(4,)), layers.BatchNormalization()])
    assert layer_utils.count_params(model.weights + model.trainable_weights) == 4 * 3 + 3 + 4 * 3


def test_summary_is_the_one_of_models(capsys: pytest.CaptureFixture[str]) -> None:
    model = keras.Sequential([layers.Dense(3, input_shape=(4,))])
    model.summary()
    wanted = capsys.readouterr().out
    utils.print_summary(model)
    assert capsys.readouterr().out == wanted
    assert "Total params: 15" in wanted


# -- lengths, by counting


def windows(length: int, size: int, padding: str, stride: int, dilation: int) -> int:
    """How many windows there are, counted one by one."""
    span = (size - 1) * dilation + 1
    if padding in ("same", "causal"):
        return len(range(0, length, stride))
    length += 2 * (span - 1) if padding == "full" else 0
    return len(range(0, length - span + 1, stride))


def cases() -> Iterator[tuple[int, int, str, int, int]]:
    for padding in ("valid", "same", "causal", "full"):
        for stride, dilation in ((1, 1), (2, 1), (3, 1), (1, 2)):
            for size in (1, 2, 3):
                yield from ((length, size, padding, stride, dilation) for length in range(6, 11))


def test_output_lengths() -> None:
    for case in cases():
        assert conv_utils.conv_output_length(*case) == windows(*case), case
    assert conv_utils.conv_output_length(None, 3, "same", 1) is None


def test_input_lengths_are_the_least() -> None:
    for length, size, padding, stride, dilation in cases():
        if padding == "causal" or dilation > 1 or (padding == "same" and size % 2 == 0):
            continue
        count = windows(length, size, padding, stride, 1)
        found = conv_utils.conv_input_length(count, size, padding, stride)
        assert found is not None
        assert windows(found, size, padding, stride, 1) == count
        assert windows(found - 1, size, padding, stride, 1) < count
    assert conv_utils.conv_input_length(None, 3, "same", 1) is None


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("output_padding", [None, 0])
def test_transposed_lengths_are_those_of_the_layer(
    padding: str, stride: int, output_padding: int | None
) -> None:
    for size in (1, 3, 5) if padding == "same" else (1, 2, 3, 4):
        found = conv_utils.deconv_length(6, stride, size, padding, output_padding)
        layer = layers.Conv2DTranspose(1, size, stride, padding, output_padding)
        if output_padding is None or stride > output_padding:
            assert layer.compute_output_shape((None, 6, 6, 1))[1] == found
    assert conv_utils.deconv_length(None, 1, 1, padding, None) is None


def test_tuples_and_paddings() -> None:
    assert conv_utils.normalize_tuple([1, 2], 2, "size") == (1, 2)
    assert conv_utils.normalize_padding("SAME") == "same"
    for call in (
        lambda: conv_utils.normalize_tuple((1, 2), 3, "size"),
        lambda: conv_utils.normalize_tuple((1, "2"), 2, "size"),
        lambda: conv_utils.normalize_padding("full"),
        lambda: conv_utils.conv_output_length(3, 1, "half", 1),
    ):
        with pytest.raises(ArgumentError, match="bad"):
            call()


# -- devices


@pytest.mark.parametrize("gpus", [None, 0, 1, [], [1]])
def test_one_device_is_the_model_itself(gpus: int | list[int] | None) -> None:
    model = keras.Sequential([layers.Dense(1, input_shape=(2,))])
    assert utils.multi_gpu_model(model, gpus) is model


@pytest.mark.parametrize("gpus", [2, [0, 1]])
def test_several_devices_are_refused(gpus: int | list[int]) -> None:
    with pytest.raises(UnsupportedError, match="one device"):
        utils.multi_gpu_model(keras.Sequential([layers.Dense(1, input_shape=(2,))]), gpus=gpus)
