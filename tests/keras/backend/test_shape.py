"""Moving elements about with K, on sizes that vary while tracing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import backend as K
from kgraph.ops.samples import floats, integers
from tests.keras.tracing import values

X = floats(2, 3, 4)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda t: K.reshape(t, (-1, 4)), X.reshape(-1, 4)),
        (lambda t: K.reshape(t, (K.shape(t)[0], -1)), X.reshape(2, -1)),
        (lambda t: K.reshape(t, K.concatenate([K.shape(t)[:1], [12]])), X.reshape(2, 12)),
        (lambda t: K.reshape(t, K.stack([K.shape(t)[0] * 3, 4])), X.reshape(6, 4)),
        (K.flatten, X.ravel()),
        (K.batch_flatten, X.reshape(2, 12)),
        (lambda t: K.expand_dims(t, 1), X[:, None]),
        (K.expand_dims, X[..., None]),
        (lambda t: K.squeeze(K.expand_dims(t), -1), X),
        (K.transpose, X.T),
        (lambda t: K.permute_dimensions(t, (0, 2, 1)), X.swapaxes(1, 2)),
        (lambda t: K.concatenate([t, t], 1), np.concatenate([X, X], 1)),
        (lambda t: K.stack([t, t + 1]), np.stack([X, X + 1])),
        (lambda t: K.stack([t, t], -1), np.stack([X, X], -1)),
        (lambda t: K.reverse(t, 1), X[:, ::-1]),
        (lambda t: K.reverse(t, (0, 2)), X[::-1, :, ::-1]),
        (lambda t: K.slice(t, (0, 1, 2), (-1, 2, 1)), X[:, 1:3, 2:3]),
        (lambda t: K.tile(t, (1, 2, 3)), np.tile(X, (1, 2, 3))),
        (lambda t: K.tile(t[:1], (K.shape(t)[0], 1, 1)), np.tile(X[:1], (2, 1, 1))),
        (lambda t: K.repeat(t[0], 3), np.repeat(X[0][:, None], 3, 1)),
        (lambda t: K.repeat_elements(t, 2, -1), X.repeat(2, -1)),
        (lambda t: K.temporal_padding(t, (2, 1)), np.pad(X, ((0, 0), (2, 1), (0, 0)))),
        (lambda t: K.zeros_like(t), np.zeros_like(X)),
        (lambda t: K.ones_like(t, "int32"), np.ones_like(X, "int32")),
        (lambda t: K.zeros(K.shape(t)), np.zeros_like(X)),
        (lambda t: K.gather(t, [1, 0, 1]), X[[1, 0, 1]]),
    ],
)
def test_shape_functions_agree_with_numpy(function: Any, expected: Any) -> None:
    np.testing.assert_array_equal(values(function, X), expected)


def test_sizes_are_tensors_as_well() -> None:
    assert values(lambda t: K.cast(K.shape(t)[1], "float32") / 2, X) == 1.5
    assert values(lambda t: K.sum(t) * 0 + K.shape(t)[0], X) == 2
    assert values(lambda t: K.shape(t)[2] * 0.5, X) == 2
    np.testing.assert_array_equal(values(K.shape, X), [2, 3, 4])
    np.testing.assert_array_equal(values(lambda t: K.prod(K.shape(t)[1:]), X), 12)
    assert values(lambda t: (K.shape(t)[0] + 7) // 2 % 3 - 1, X) == 0
    assert values(K.size, X) == 24
    assert list(range(K.shape(X)[1])) == [0, 1, 2]
    with pytest.raises(TypeError, match="varies"):
        int(K.shape(K.placeholder((None,)))[0])
    with pytest.raises(TypeError, match="computed from data"):
        K.reshape(X, K.placeholder((2,), dtype="int32"))


def test_static_questions() -> None:
    x = K.placeholder((None, 3, 4))
    assert K.int_shape(x) == (None, 3, 4)
    assert K.ndim(x) == 3
    assert K.dtype(x) == "float32"
    assert K.count_params(x) is None
    assert K.count_params(K.zeros((2, 5))) == 10


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (lambda n: (n,), [0, 1, 2]),
        (lambda n: (1, n + 1), [1, 2, 3]),
        (lambda n: (n, 8, 2), [3, 5, 7]),
        (lambda n: (n, 0, -1), [3, 2, 1]),
        (lambda n: (5, n), []),
        (lambda n: (1.0, 2.0, 0.5, "float32"), [1.0, 1.5]),
    ],
)
def test_arange_counts_up_to_sizes(bounds: Any, expected: list[float]) -> None:
    made = values(lambda t: K.arange(*bounds(K.shape(t)[1])), X)
    np.testing.assert_array_equal(made, expected)
    with pytest.raises(ValueError, match="step"):
        K.arange(3, step=0)


def test_one_hot_of_any_integers() -> None:
    labels = integers(2, 3, high=4)
    np.testing.assert_array_equal(
        values(lambda t: K.one_hot(t, 4), labels), np.eye(4, dtype="float32")[labels]
    )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_space_is_padded_and_enlarged_by_data_format(data_format: str) -> None:
    first = data_format == "channels_first"
    image = floats(2, 3, 4, 2)
    x = np.moveaxis(image, -1, 1) if first else image

    def last(y: Any) -> Any:
        return np.moveaxis(y, 1, -1) if first else y

    padded = values(lambda t: K.spatial_2d_padding(t, ((1, 0), (2, 3)), data_format), x)
    np.testing.assert_array_equal(last(padded), np.pad(image, ((0, 0), (1, 0), (2, 3), (0, 0))))
    nearest = values(lambda t: K.resize_images(t, 2, 3, data_format), x)
    np.testing.assert_array_equal(last(nearest), image.repeat(2, 1).repeat(3, 2))
    smooth = last(values(lambda t: K.resize_images(t, 2, 1, data_format, "bilinear"), x, static=True))
    np.testing.assert_array_equal(smooth[:, ::2], image)
    np.testing.assert_allclose(smooth[:, 1:-1:2], (image[:, 1:] + image[:, :-1]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(smooth[:, -1], image[:, -1])


def test_volumes_likewise() -> None:
    x = floats(1, 2, 3, 2, 1)
    padded = values(lambda t: K.spatial_3d_padding(t, ((1, 0), (0, 2), (1, 1)), "channels_last"), x)
    np.testing.assert_array_equal(padded, np.pad(x, ((0, 0), (1, 0), (0, 2), (1, 1), (0, 0))))
    larger = values(lambda t: K.resize_volumes(t, 2, 1, 3, "channels_last"), x)
    np.testing.assert_array_equal(larger, x.repeat(2, 1).repeat(3, 3))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_in_top_k_counts_what_beats_the_target(k: int) -> None:
    scores = np.array([[0.1, 0.6, 0.3], [0.5, 0.5, 0.0], [0.2, 0.3, np.nan]], "float32")
    labels = np.array([2, 0, 2])
    np.testing.assert_array_equal(
        values(lambda s, t: K.in_top_k(s, t, k), scores, labels), [k >= 2, True, False]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: K.normalize_data_format("channels"), "bad data_format"),
        (lambda: K.repeat(X, 2), "rank 2"),
        (lambda: K.concatenate([]), "nothing to join"),
        (lambda: K.tile(X, 2), "count per axis"),
        (lambda: K.slice(X, (0,), (1,)), "a start and a size"),
        (lambda: K.resize_images(X[None], 2, 2, None, "cubic"), "unknown interpolation"),
        (lambda: K.resize_images(K.placeholder((None,) * 4), 2, 2, None, "bilinear"), "static"),
    ],
)
def test_misuse_is_a_value_error_that_says_so(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
