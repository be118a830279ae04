"""Convolution and pooling of K against Keras 3, and local convolution against its definition."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from kgraph.keras import backend as K
from kgraph.ops.samples import floats
from tests.keras.tracing import values
from tests.oracle import keras, keras_value, needs_keras

FORMATS = ["channels_last", "channels_first"]
PLACES = {1: (7,), 2: (7, 6), 3: (5, 6, 4)}
WINDOWS = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}


def image(spatial: int, data_format: str, channels: int = 3) -> np.ndarray:
    last = floats(2, *PLACES[spatial], channels, low=-1)
    return last if data_format == "channels_last" else np.moveaxis(last, -1, 1).copy()


def last(y: Any, data_format: str) -> Any:
    return y if data_format == "channels_last" else np.moveaxis(y, 1, -1)


@needs_keras
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("strides", "dilations"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_convolution(spatial: int, strides: int, dilations: int, padding: str, data_format: str) -> None:
    kernel = floats(*WINDOWS[spatial], 3, 4, low=-1)
    conv = [K.conv1d, K.conv2d, K.conv3d][spatial - 1]
    x = image(spatial, data_format)
    made = values(lambda t, k: conv(t, k, strides, padding, data_format, dilations), x, kernel, static=True)
    theirs = keras().ops.conv(image(spatial, FORMATS[0]), kernel, strides, padding, FORMATS[0], dilations)
    np.testing.assert_allclose(last(made, data_format), keras_value(theirs), rtol=1e-4, atol=1e-5)


def test_causal_convolution_sees_nothing_later() -> None:
    x, kernel = image(1, "channels_last"), floats(3, 3, 2)
    full = values(lambda t, k: K.conv1d(t, k, 1, "causal", "channels_last", 2), x, kernel, static=True)
    x[:, 4:] = 0
    cut = values(lambda t, k: K.conv1d(t, k, 1, "causal", "channels_last", 2), x, kernel, static=True)
    assert full.shape[1] == x.shape[1]
    np.testing.assert_array_equal(full[:, :4], cut[:, :4])


@needs_keras
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_depthwise_and_separable_convolution(padding: str, data_format: str) -> None:
    x, own = image(2, data_format), image(2, FORMATS[0])
    deep, wide = floats(3, 2, 3, 2, low=-1), floats(1, 1, 6, 4, low=-1)
    made = values(lambda t, k: K.depthwise_conv2d(t, k, 2, padding, data_format), x, deep, static=True)
    theirs = keras().ops.depthwise_conv(own, deep, 2, padding, FORMATS[0])
    np.testing.assert_allclose(last(made, data_format), keras_value(theirs), rtol=1e-4, atol=1e-5)
    made = values(
        lambda t, k, w: K.separable_conv2d(t, k, w, 1, padding, data_format), x, deep, wide, static=True
    )
    theirs = keras().ops.separable_conv(own, deep, wide, 1, padding, FORMATS[0])
    np.testing.assert_allclose(last(made, data_format), keras_value(theirs), rtol=1e-4, atol=1e-5)
    line, deep, wide = image(1, data_format), floats(3, 3, 2, low=-1), floats(1, 6, 4, low=-1)
    made = values(
        lambda t, k, w: K.separable_conv1d(t, k, w, 1, padding, data_format), line, deep, wide, static=True
    )
    theirs = keras().ops.separable_conv(image(1, FORMATS[0]), deep, wide, 1, padding, FORMATS[0])
    np.testing.assert_allclose(last(made, data_format), keras_value(theirs), rtol=1e-4, atol=1e-5)


@needs_keras
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("spatial", [2, 3])
def test_transposed_convolution(spatial: int, padding: str, data_format: str) -> None:
    kernel = floats(*WINDOWS[spatial], 4, 3, low=-1)
    theirs = keras_value(
        keras().ops.conv_transpose(image(spatial, FORMATS[0]), kernel, 2, padding, None, FORMATS[0])
    )
    shape = theirs.shape if data_format == "channels_last" else np.moveaxis(theirs, -1, 1).shape
    conv = [K.conv2d_transpose, K.conv3d_transpose][spatial - 2]
    x = image(spatial, data_format)
    made = values(
        lambda t, k: conv(t, k, (K.shape(t)[0], *shape[1:]), (2,) * spatial, padding, data_format),
        x,
        kernel,
        static=True,
    )
    np.testing.assert_allclose(last(made, data_format), theirs, rtol=1e-4, atol=1e-5)


@needs_keras
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("spatial", [2, 3])
def test_pooling(spatial: int, mode: str, padding: str, data_format: str) -> None:
    pool = [K.pool2d, K.pool3d][spatial - 2]
    x = image(spatial, data_format)
    made = values(
        lambda t: pool(t, WINDOWS[spatial], (2,) * spatial, padding, data_format, mode), x, static=True
    )
    theirs = {"max": keras().ops.max_pool, "avg": keras().ops.average_pool}[mode]
    wanted = keras_value(theirs(image(spatial, FORMATS[0]), WINDOWS[spatial], 2, padding, FORMATS[0]))
    np.testing.assert_allclose(last(made, data_format), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("spatial", [1, 2])
def test_local_convolution_has_a_kernel_for_each_position(spatial: int, data_format: str) -> None:
    window, strides = WINDOWS[spatial], (2, 1)[:spatial]
    counts = [(n - k) // step + 1 for n, k, step in zip(PLACES[spatial], window, strides, strict=True)]
    kernel = floats(int(np.prod(counts)), int(np.prod(window)) * 3, 4, low=-1)
    x = image(spatial, data_format)
    if spatial == 1:
        made = values(lambda t, k: K.local_conv1d(t, k, window, strides, data_format), x, kernel)
    else:
        made = values(
            lambda t, k: K.local_conv2d(t, k, window, strides, counts, data_format), x, kernel, static=True
        )
    wanted = np.zeros((2, *counts, 4), "float32")
    for row, place in enumerate(product(*map(range, counts))):
        cut = tuple(slice(i * step, i * step + k) for i, step, k in zip(place, strides, window, strict=True))
        piece = (
            x[(slice(None), *cut)] if data_format == "channels_last" else x[(slice(None), slice(None), *cut)]
        )
        wanted[(slice(None), *place)] = piece.reshape(2, -1) @ kernel[row]
    np.testing.assert_allclose(last(made, data_format), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: K.conv2d(x, floats(2, 2, 3, 4), padding="full"), "unknown padding"),
        (lambda x: K.conv2d(x, floats(2, 2, 3, 4), padding="causal"), "unknown padding"),
        (lambda x: K.pool2d(x, 2, pool_mode="min"), "unknown pool_mode"),
        (lambda x: K.conv2d(x, floats(2, 2, 5, 4)), "channels do not fit"),
    ],
)
def test_misuse_is_a_value_error_that_says_so(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(K.placeholder((None, 7, 6, 3)))
