"""Images varied at random and standardised: `ImageDataGenerator`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, ShapeError
from kgraph.keras.preprocessing.image import ImageDataGenerator
from tests.keras.preprocessing.image.test_transforms import needs_scipy_as_it_was
from tests.keras.preprocessing.legacy import legacy
from tests.oracle import needs_keras

IMAGES = np.random.default_rng(0).uniform(0, 255, (10, 8, 8, 3)).astype("float32")

MOVED: list[dict[str, Any]] = [
    {"rotation_range": 40},
    {"width_shift_range": 0.3, "height_shift_range": 0.2},
    {"width_shift_range": 3, "height_shift_range": 2.5},
    {"width_shift_range": [1, -2, 3], "height_shift_range": (0.1, 0.5)},
    {"shear_range": 20, "zoom_range": 0.4, "fill_mode": "reflect"},
    {"zoom_range": [0.5, 0.9], "interpolation_order": 3, "fill_mode": "constant", "cval": 3.0},
]

REST: list[dict[str, Any]] = [
    {"horizontal_flip": True, "vertical_flip": True},
    {"channel_shift_range": 60.0, "brightness_range": (0.5, 1.5)},
    {"samplewise_center": True, "samplewise_std_normalization": True, "rescale": 1 / 255},
    {"preprocessing_function": lambda x: x[::-1] * 2, "dtype": "float64"},
    {"featurewise_center": True, "featurewise_std_normalization": True, "horizontal_flip": True},
    {"featurewise_center": True, "rescale": 0.01, "dtype": "float64"},
]


@needs_keras
@needs_scipy_as_it_was
@pytest.mark.parametrize("settings", MOVED)
def test_draws_and_moves_are_those_of_keras(settings: dict[str, Any]) -> None:
    ours, theirs = ImageDataGenerator(**settings), legacy("image").ImageDataGenerator(**settings)
    for seed, x in enumerate(IMAGES):
        parameters = ours.get_random_transform(x.shape, seed)
        assert parameters == theirs.get_random_transform(x.shape, seed)
        # Keras 3 takes rows for columns when it moves an image, so it gets the image with these exchanged.
        expected = theirs.apply_transform(x.transpose(1, 0, 2), {**parameters}).transpose(1, 0, 2)
        straight = {**parameters, "flip_horizontal": False, "flip_vertical": False}
        np.testing.assert_allclose(ours.apply_transform(x, straight), expected, rtol=2e-6, atol=2e-4)


@needs_keras
@needs_scipy_as_it_was
@pytest.mark.parametrize(
    ("settings", "data_format"),
    [
        (settings, data_format)
        for settings in REST
        for data_format in ("channels_last", "channels_first")
        # Keras brightens only images with their channels last.
        if data_format == "channels_last" or "brightness_range" not in settings
    ],
)
def test_batches_are_those_of_keras(settings: dict[str, Any], data_format: str) -> None:
    x = IMAGES if data_format == "channels_last" else IMAGES.transpose(0, 3, 1, 2)
    flows = []
    for kind in (ImageDataGenerator, legacy("image").ImageDataGenerator):
        generator = kind(data_format=data_format, **settings)
        if generator.featurewise_center:
            generator.fit(x, augment=True, rounds=2, seed=4)
        flows.append(generator.flow(x, np.arange(10), batch_size=4, seed=3))
    for _ in range(7):  # into the third epoch
        (x_ours, y_ours), (x_theirs, y_theirs) = (next(flow) for flow in flows)
        assert x_ours.dtype == x_theirs.dtype
        np.testing.assert_array_equal(y_ours, y_theirs)
        np.testing.assert_allclose(x_ours, x_theirs, rtol=1e-6, atol=1e-4)


@needs_keras
@needs_scipy_as_it_was
def test_whitening_is_that_of_keras() -> None:
    x = np.random.default_rng(1).normal(size=(200, 3, 3, 1))
    ours, theirs = (
        kind(featurewise_center=True, zca_whitening=True, dtype="float64")
        for kind in (ImageDataGenerator, legacy("image").ImageDataGenerator)
    )
    ours.fit(x)
    theirs.fit(x)
    assert ours.principal_components is ours.zca_whitening_matrix
    np.testing.assert_allclose(ours.zca_whitening_matrix, theirs.zca_whitening_matrix, rtol=1e-9, atol=1e-12)
    white = ours.standardize(x.copy()).reshape(200, -1)
    np.testing.assert_allclose(white.T @ white / 200, np.eye(9), atol=1e-5)


def test_what_fit_finds_is_by_channel() -> None:
    x = IMAGES.astype("float64")
    generator = ImageDataGenerator(
        featurewise_center=True, featurewise_std_normalization=True, rescale=0.5, dtype="float64"
    )
    generator.fit(x)
    np.testing.assert_allclose(generator.mean, (x / 2).mean((0, 1, 2))[None, None], rtol=1e-12)
    np.testing.assert_allclose(generator.std, (x / 2).std((0, 1, 2))[None, None], rtol=1e-12)
    result = generator.standardize(x.copy())
    np.testing.assert_allclose(result.mean((0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(result.std((0, 1, 2)), 1, rtol=1e-6)


def test_floats_are_standardised_in_place_and_other_numbers_are_not() -> None:
    generator = ImageDataGenerator(rescale=0.5)
    floats, pixels = np.full((2, 2, 1), 3.0), np.full((2, 2, 1), 3, np.uint8)
    assert generator.standardize(floats) is floats
    assert (floats == 1.5).all()
    assert (generator.standardize(pixels) == 1.5).all()
    assert (pixels == 3).all()


def test_random_transform_is_both_halves() -> None:
    generator = ImageDataGenerator(rotation_range=30, brightness_range=(0.5, 2), vertical_flip=True)
    x = IMAGES[0]
    expected = generator.apply_transform(x, generator.get_random_transform(x.shape, 8))
    np.testing.assert_array_equal(generator.random_transform(x, 8), expected)
    np.random.seed(8)
    np.testing.assert_array_equal(generator.random_transform(x), expected)


def test_a_transform_may_leave_out_what_does_not_change() -> None:
    generator = ImageDataGenerator()
    np.testing.assert_array_equal(generator.apply_transform(IMAGES[0], {}), IMAGES[0])
    flipped = generator.apply_transform(IMAGES[0], {"flip_horizontal": True})
    np.testing.assert_array_equal(flipped, IMAGES[0][:, ::-1])


@pytest.mark.parametrize("name", ["featurewise_center", "featurewise_std_normalization", "zca_whitening"])
@pytest.mark.filterwarnings("ignore:ImageDataGenerator. .*=True means:UserWarning")
def test_what_needs_a_fit_says_so(name: str) -> None:
    generator = ImageDataGenerator(**{name: True})
    with pytest.warns(UserWarning, match=r"is left out, as it needs fit\(images\)") as caught:
        np.testing.assert_array_equal(generator.standardize(IMAGES[0].copy()), IMAGES[0])
    assert name in str(caught[-1].message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"zca_whitening": True}, "featurewise_center=True"),
        ({"featurewise_std_normalization": True}, "featurewise_center=True"),
        ({"samplewise_std_normalization": True}, "samplewise_center=True"),
        (
            {"zca_whitening": True, "featurewise_center": True, "featurewise_std_normalization": True},
            "featurewise_std_normalization=False",
        ),
    ],
)
def test_what_one_setting_means_for_another_is_said(settings: dict[str, Any], message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        generator = ImageDataGenerator(**settings)
    name, value = message.split("=")
    assert getattr(generator, name) is (value == "True")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data_format": "tf"}, "data_format"),
        ({"validation_split": 1}, "validation_split"),
        ({"validation_split": -0.1}, "validation_split"),
        ({"zoom_range": (1, 2, 3)}, "zoom_range"),
        ({"zoom_range": "ab"}, "zoom_range"),
        ({"brightness_range": 0.5}, "brightness_range"),
        ({"brightness_range": ("a", "b")}, "brightness_range"),
        ({"fill_mode": "edge"}, "fill_mode"),
        ({"interpolation_order": 9}, "interpolation_order"),
        ({"validation_split": None}, "validation_split"),
        ({"rotation_range": "a"}, "rotation_range"),
        ({"shear_range": None}, "shear_range"),
        ({"channel_shift_range": float("nan")}, "channel_shift_range"),
        ({"rescale": "a"}, "rescale"),
        ({"width_shift_range": "a"}, "width_shift_range"),
        ({"height_shift_range": -2}, "height_shift_range"),
        ({"height_shift_range": []}, "height_shift_range"),
        ({"height_shift_range": None}, "height_shift_range"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        ImageDataGenerator(**settings)


@pytest.mark.parametrize("x", [IMAGES[0], np.zeros((0, 4, 4, 3)), 3])
def test_fit_takes_images(x: Any) -> None:
    with pytest.raises(ShapeError, match="rank 4"):
        ImageDataGenerator().fit(x)


def test_fit_takes_rounds_and_seeds_that_are_some() -> None:
    with pytest.raises(ArgumentError, match="rounds"):
        ImageDataGenerator().fit(IMAGES, augment=True, rounds=0)
    with pytest.raises(ArgumentError, match="seed"):
        ImageDataGenerator().fit(IMAGES, augment=True, seed=-1)


def test_older_arguments_of_tables_are_taken_and_unknown_ones_named() -> None:
    with pytest.raises(ArgumentTypeError, match="sorted"):
        ImageDataGenerator().flow_from_dataframe({}, sorted=True)
    with (
        pytest.warns(DeprecationWarning, match="drop_duplicates"),
        pytest.raises(ArgumentError, match="no column 'filename'"),
    ):
        ImageDataGenerator().flow_from_dataframe({}, drop_duplicates=False)
