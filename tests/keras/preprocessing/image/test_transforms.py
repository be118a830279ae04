"""Images turned, moved, sheared, zoomed, brightened and shifted in their values."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, LibraryError, ShapeError
from kgraph.keras.preprocessing import image
from kgraph.keras.preprocessing.image import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
)
from tests.keras.preprocessing.legacy import legacy
from tests.oracle import needs_keras

needs_scipy_as_it_was = pytest.mark.filterwarnings(
    "ignore:Please import `affine_transform`:DeprecationWarning",
    "ignore:'mode' parameter:DeprecationWarning",
)
"""Keras 3 asks for a function of SciPy, and for one of Pillow, in an older spelling."""

X = np.random.default_rng(0).uniform(0, 255, (7, 12, 3))
SQUARE = np.random.default_rng(1).uniform(0, 255, (9, 9, 3)).astype("float32")

TRANSFORMS: list[dict[str, float]] = [
    {"theta": 33},
    {"tx": 2.5, "ty": -1},
    {"shear": -20},
    {"zx": 0.6, "zy": 1.7},
    {"theta": -70, "tx": 1, "ty": 3.25, "shear": 15, "zx": 1.3, "zy": 0.8},
]


def by_definition(x: Any, fill: float | None, settings: dict[str, float]) -> Any:
    """Each pixel from the four around the point it comes from; outside the edge goes on, or is `fill`."""
    t, s = (np.deg2rad(settings.get(name, 0)) for name in ("theta", "shear"))
    shift = np.array([settings.get("tx", 0), settings.get("ty", 0)])
    turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    rest = np.array([[1, -np.sin(s)], [0, np.cos(s)]]) @ np.diag(
        [settings.get("zx", 1), settings.get("zy", 1)]
    )
    size = np.array(x.shape[:2])
    middle = (size - 1) / 2
    result = np.empty_like(x)
    for place in np.ndindex(*x.shape[:2]):
        point = middle + turn @ (shift + rest @ (place - middle))
        if fill is not None and ((point < 0) | (point > size - 1)).any():
            result[place] = fill
            continue
        point = np.clip(point, 0, size - 1)
        low = np.minimum(np.floor(point).astype(int), size - 2)
        (a, b), (i, j) = point - low, low
        result[place] = (1 - a) * ((1 - b) * x[i, j] + b * x[i, j + 1]) + a * (
            (1 - b) * x[i + 1, j] + b * x[i + 1, j + 1]
        )
    return result


@pytest.mark.parametrize("settings", TRANSFORMS)
@pytest.mark.parametrize("fill", [None, 7.0])
def test_transforms_are_those_of_the_definition(settings: dict[str, float], fill: float | None) -> None:
    mode = "nearest" if fill is None else "constant"
    ours = apply_affine_transform(X, **settings, fill_mode=mode, cval=fill or 0.0)
    np.testing.assert_allclose(ours, by_definition(X, fill, settings), rtol=1e-11)


@pytest.mark.parametrize("settings", TRANSFORMS)
def test_channels_may_come_first(settings: dict[str, float]) -> None:
    first = apply_affine_transform(
        X.transpose(2, 0, 1), **settings, row_axis=1, col_axis=2, channel_axis=0, order=3
    )
    np.testing.assert_array_equal(
        first.transpose(1, 2, 0), apply_affine_transform(X, **settings, channel_axis=-1, order=3)
    )


@needs_keras
@needs_scipy_as_it_was
@pytest.mark.parametrize("settings", TRANSFORMS)
@pytest.mark.parametrize(
    ("fill_mode", "order"), [("nearest", 1), ("constant", 3), ("reflect", 0), ("wrap", 5)]
)
def test_transforms_are_those_of_keras(settings: dict[str, float], fill_mode: str, order: int) -> None:
    ours = apply_affine_transform(SQUARE, **settings, fill_mode=fill_mode, cval=9, order=order)
    # With the axes told in this order Keras 3 does not exchange rows and columns.
    axes = {"row_axis": 1, "col_axis": 0, "channel_axis": 2}
    theirs = legacy("image").apply_affine_transform(
        SQUARE, **settings, **axes, fill_mode=fill_mode, cval=9, order=order
    )
    assert ours.dtype == theirs.dtype == np.float32
    # A point that one of the two finds a rounding beyond the edge may be filled: none here.
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-4)


def test_half_a_turn_turns_all_pixels() -> None:
    np.testing.assert_allclose(apply_affine_transform(X, theta=180), X[::-1, ::-1], rtol=1e-10)
    np.testing.assert_allclose(apply_affine_transform(SQUARE, theta=90), np.rot90(SQUARE, -1), rtol=1e-5)


def test_nothing_to_do_is_the_image_itself() -> None:
    assert apply_affine_transform(X) is X


@needs_keras
@needs_scipy_as_it_was
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("random_rotation", (40,)),
        ("random_shift", (0.3, 0.5)),
        ("random_shear", (25,)),
        ("random_zoom", ((0.5, 1.5),)),
        ("random_zoom", ((1, 1),)),
    ],
)
def test_random_transforms_draw_as_keras_does(name: str, arguments: Any) -> None:
    x = SQUARE.transpose(2, 0, 1)
    results = []
    for module, axes in ((image, (1, 2)), (legacy("image"), (2, 1))):
        np.random.seed(5)
        results.append(getattr(module, name)(x, *arguments, row_axis=axes[0], col_axis=axes[1]))
    np.testing.assert_allclose(results[0], results[1], rtol=2e-6, atol=1e-4)


@needs_keras
@needs_scipy_as_it_was
def test_values_are_shifted_as_keras_does() -> None:
    theirs = legacy("image")
    np.testing.assert_array_equal(apply_channel_shift(SQUARE, 40.0), theirs.apply_channel_shift(SQUARE, 40.0))
    for name, argument in (("random_channel_shift", 90.0), ("random_brightness", (0.2, 1.8))):
        results = []
        for module in (image, theirs):
            np.random.seed(6)
            results.append(getattr(module, name)(SQUARE, argument))
        np.testing.assert_array_equal(results[0], results[1])
        assert np.abs(results[0] - SQUARE).max() > 1


@needs_keras
@needs_scipy_as_it_was
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("x", [SQUARE, SQUARE - 100, SQUARE * 2], ids=["within", "below", "beyond"])
def test_brightness_is_that_of_keras(x: Any, scale: bool) -> None:
    theirs = legacy("image").apply_brightness_shift(x, 0.7, scale)
    np.testing.assert_allclose(apply_brightness_shift(x, 0.7, scale), theirs, rtol=1e-6, atol=1e-4)
    first = apply_brightness_shift(x.transpose(2, 0, 1), 0.7, scale, "channels_first")
    np.testing.assert_allclose(first.transpose(1, 2, 0), theirs, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channel_axis": 1}, "axes"),
        ({"row_axis": 5}, "axes"),
        ({"fill_mode": "edge"}, "fill_mode"),
        ({"order": 6}, "order"),
        ({"order": 1.0}, "order"),
    ],
)
def test_arguments_that_make_no_sense_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        apply_affine_transform(X, theta=3, **settings)


@pytest.mark.parametrize("call", [image.random_zoom, image.random_brightness])
@pytest.mark.parametrize("limits", [3, (1,), (1, 2, 3), "ab", None])
def test_a_range_is_a_pair_of_numbers(call: Any, limits: Any) -> None:
    with pytest.raises(ArgumentError, match="two numbers"):
        call(SQUARE, limits)


def test_an_image_has_three_axes() -> None:
    with pytest.raises(ShapeError, match="rank 3"):
        apply_affine_transform(X[0], theta=3)


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(LibraryError, match=r"SciPy[\s\S]*kgraph\[image\]"):
        apply_affine_transform(X, theta=3)
    assert apply_affine_transform(X) is X
