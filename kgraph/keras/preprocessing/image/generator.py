"""`ImageDataGenerator`: images standardised and varied at random, as batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, describe
from kgraph.keras import settings
from kgraph.keras.preprocessing.checks import channels, number, one_of, seed_number, whole_number
from kgraph.keras.preprocessing.image.affine import FILL_MODES, apply_affine_transform, pair
from kgraph.keras.preprocessing.image.arrays import NumpyArrayIterator
from kgraph.keras.preprocessing.image.colours import apply_brightness_shift, apply_channel_shift
from kgraph.keras.preprocessing.image.directory import DirectoryIterator
from kgraph.keras.preprocessing.image.draws import Seed, draws
from kgraph.keras.preprocessing.image.table import DataFrameIterator
from kgraph.keras.utils.warn import warn_user

_FLOOR = 1e-6
"""What is added to standard deviations, so that images of one colour can be divided by theirs."""

_OLD_TABLE_ARGUMENTS = ("has_ext", "sort", "drop_duplicates")


class ImageDataGenerator:
    """Makes batches of images that are varied at random and standardised.

    Each image is varied, in this order:

    rotation_range       turned by up to that many degrees either way
    height_shift_range, width_shift_range  moved either way: by up to a fraction of its size when below 1, by up to so
                         many pixels when above, by less than so many whole pixels when an integer, by one of a list
    shear_range          sheared by up to that many degrees either way
    zoom_range           zoomed by factors from 1 − it to 1 + it, or from its first to its second number, one for
                         rows and one for columns
    channel_shift_range  all values shifted by up to that, within the range of the image
    horizontal_flip, vertical_flip  mirrored, or not
    brightness_range     times a factor from the first number to the second
    fill_mode, cval, interpolation_order  what fills points outside, and splines between, see `apply_affine_transform`

    and then standardised, in this order:

    preprocessing_function         a function of an image
    rescale                        times that
    samplewise_center, samplewise_std_normalization    minus its mean, over its standard deviation
    featurewise_center, featurewise_std_normalization  the same with those of all images by channel, which `fit` finds
    zca_whitening, zca_epsilon     decorrelated by a matrix that `fit` finds

    data_format and dtype are those of `keras.backend` by default; validation_split is the fraction of samples that the
    subset "validation" has. Raises ArgumentError for values that make no sense.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: DTypeLike | None = None,
    ) -> None:
        owner = "ImageDataGenerator"
        one_of(owner, "fill_mode", fill_mode, FILL_MODES)
        one_of(owner, "interpolation_order", str(interpolation_order), "012345")
        for name, value in (
            ("rotation_range", rotation_range),
            ("shear_range", shear_range),
            ("channel_shift_range", channel_shift_range),
            ("cval", cval),
            ("zca_epsilon", zca_epsilon),
            ("rescale", 0 if rescale is None else rescale),
            ("validation_split", validation_split),
        ):
            number(owner, name, value)
        for name, value in (
            ("width_shift_range", width_shift_range),
            ("height_shift_range", height_shift_range),
        ):
            _check_shift(owner, name, value)
        if not 0 <= validation_split < 1:
            raise ArgumentError(
                describe(f"{owner}: bad validation_split", expected="from 0 to below 1", got=validation_split)
            )
        self.featurewise_center, self.samplewise_center = featurewise_center, samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.channel_shift_range = channel_shift_range
        self.brightness_range = (
            None if brightness_range is None else pair(owner, "brightness_range", brightness_range)
        )
        if isinstance(zoom_range, int | float | np.number):
            zoom_range = (1 - zoom_range, 1 + zoom_range)
        self.zoom_range = pair(owner, "zoom_range", zoom_range)
        self.fill_mode, self.cval, self.interpolation_order = fill_mode, cval, interpolation_order
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.data_format = channels(owner, data_format)
        self.dtype = settings.floatx() if dtype is None else dtype
        self.channel_axis, self.row_axis, self.col_axis = (
            (3, 1, 2) if self.data_format == "channels_last" else (1, 2, 3)
        )
        """The axes of a batch; those of an image are one less."""
        self._validation_split = validation_split
        self.mean: NDArray[Any] | None = None
        self.std: NDArray[Any] | None = None
        self.zca_whitening_matrix: NDArray[Any] | None = None
        self._settle()

    def _settle(self) -> None:
        """What one standardisation needs of another."""
        if self.zca_whitening and self.featurewise_std_normalization:
            self._overrule("zca_whitening", "featurewise_std_normalization", False)
        for needs, needed in (
            ("zca_whitening", "featurewise_center"),
            ("featurewise_std_normalization", "featurewise_center"),
            ("samplewise_std_normalization", "samplewise_center"),
        ):
            if getattr(self, needs) and not getattr(self, needed):
                self._overrule(needs, needed, True)

    def _overrule(self, name: str, other: str, value: bool) -> None:
        warn_user(f"ImageDataGenerator: {name}=True means {other}={value}")
        setattr(self, other, value)

    @property
    def principal_components(self) -> NDArray[Any] | None:
        """What Keras 2 calls `zca_whitening_matrix`."""
        return self.zca_whitening_matrix

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
    ) -> NumpyArrayIterator:
        """Batches of arrays, see `NumpyArrayIterator`."""
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            dtype=self.dtype,
            ignore_class_split=ignore_class_split,
        )

    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Batches of the images in a folder with a folder for each class, see `DirectoryIterator`."""
        return DirectoryIterator(
            directory,
            self,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            dtype=self.dtype,
            keep_aspect_ratio=keep_aspect_ratio,
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: str | Sequence[str] = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        keep_aspect_ratio: bool = False,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Batches of the images that a table names, see `DataFrameIterator`.

        Arguments of older Keras (`has_ext`, `sort`, `drop_duplicates`, class_mode="other") are taken with a warning.
        """
        for name in kwargs:
            if name not in _OLD_TABLE_ARGUMENTS:
                raise ArgumentTypeError(
                    describe("flow_from_dataframe: unknown argument", expected="those of Keras", got=name)
                )
            warn_user(f"flow_from_dataframe: {name}= has no meaning any more", DeprecationWarning)
        if class_mode == "other":
            warn_user('flow_from_dataframe: class_mode "other" is now "raw"', DeprecationWarning)
            class_mode = "raw"
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            interpolation=interpolation,
            dtype=self.dtype,
            validate_filenames=validate_filenames,
            keep_aspect_ratio=keep_aspect_ratio,
        )

    def standardize(self, x: NDArray[Any]) -> NDArray[Any]:
        """An image or a batch, standardised. An array of floats is changed in place, as in Keras.

        Warns, and leaves out, what needs a `fit` that has not been.
        """
        if self.preprocessing_function is not None:
            x = self.preprocessing_function(x)
        x = x if x.dtype.kind == "f" else x.astype(self.dtype)
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + _FLOOR
        if self.featurewise_center and self._is_fit("featurewise_center", self.mean):
            x -= self.mean
        if self.featurewise_std_normalization and self._is_fit("featurewise_std_normalization", self.std):
            x /= np.asarray(self.std) + _FLOOR
        if self.zca_whitening and self._is_fit("zca_whitening", self.zca_whitening_matrix):
            x = (x.reshape(-1, prod(x.shape[-3:])) @ self.zca_whitening_matrix).reshape(x.shape)
        return x

    @staticmethod
    def _is_fit(name: str, found: NDArray[Any] | None) -> bool:
        if found is None:
            warn_user(f"ImageDataGenerator: {name} is left out, as it needs fit(images) before")
        return found is not None

    def get_random_transform(self, img_shape: Sequence[int], seed: Seed = None) -> dict[str, Any]:
        """What happens to one image of that shape, at random, as `apply_transform` takes it.

        The draws are those of Keras: from `numpy.random`, or with a seed those that it would give after
        `numpy.random.seed(seed)`. The seed can also be a `numpy.random.RandomState` to draw from.
        """
        random = draws(seed)
        limit = self.rotation_range
        theta = random.uniform(-limit, limit) if limit else 0
        tx = _shift(random, self.height_shift_range, img_shape[self.row_axis - 1])
        ty = _shift(random, self.width_shift_range, img_shape[self.col_axis - 1])
        limit = self.shear_range
        shear = random.uniform(-limit, limit) if limit else 0
        low, high = self.zoom_range
        zx, zy = (1, 1) if low == high == 1 else random.uniform(low, high, 2)
        horizontal, vertical = random.random() < 0.5, random.random() < 0.5
        limit = self.channel_shift_range
        intensity = random.uniform(-limit, limit) if limit else None
        brightness = None if self.brightness_range is None else random.uniform(*self.brightness_range)
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": bool(horizontal and self.horizontal_flip),
            "flip_vertical": bool(vertical and self.vertical_flip),
            "channel_shift_intensity": intensity,
            "brightness": brightness,
        }

    def apply_transform(self, x: NDArray[Any], transform_parameters: Mapping[str, Any]) -> NDArray[Any]:
        """One image, transformed: "theta", "tx", "ty", "shear", "zx", "zy" are those of `apply_affine_transform`.

        Then come "channel_shift_intensity", "flip_horizontal", "flip_vertical" and "brightness", a factor. All may be
        left out.
        """
        rows, columns, depth = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        get = transform_parameters.get
        x = apply_affine_transform(
            x,
            theta=get("theta", 0),
            tx=get("tx", 0),
            ty=get("ty", 0),
            shear=get("shear", 0),
            zx=get("zx", 1),
            zy=get("zy", 1),
            row_axis=rows,
            col_axis=columns,
            channel_axis=depth,
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
        )
        if get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, get("channel_shift_intensity", 0.0), depth)
        if get("flip_horizontal"):
            x = np.flip(x, columns)
        if get("flip_vertical"):
            x = np.flip(x, rows)
        if get("brightness") is not None:
            x = apply_brightness_shift(x, get("brightness", 1.0), False, self.data_format)
        return x

    def random_transform(self, x: NDArray[Any], seed: Seed = None) -> NDArray[Any]:
        """One image, transformed at random; `seed` is that of `get_random_transform`."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def fit(self, x: ArrayLike, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find what the featurewise standardisations and whitening need, on some images.

        x        images [n, height, width, channels], or as data_format says; times `rescale` first
        augment  whether to use varied images, `rounds` of each
        seed     of the variations

        mean and std are those of each channel. With the centred (and divided) images as the rows of X, and its singular
        values s and right singular vectors V, zca_whitening_matrix is V diag(√n / (s + zca_epsilon)) Vᵀ.
        Raises ShapeError for other than four axes, ArgumentError for no rounds and other seeds.
        """
        images = np.array(x, dtype=self.dtype)
        if images.ndim != 4 or not images.size:
            raise ShapeError(
                describe("ImageDataGenerator.fit: no images", expected="rank 4", got=f"shape {images.shape}")
            )
        if self.rescale:
            images *= self.rescale
        if augment:
            whole_number("ImageDataGenerator.fit", "rounds", rounds)
            random = draws(seed_number("ImageDataGenerator.fit", seed))
            varied = np.empty((rounds, *images.shape), self.dtype)
            for each in varied:
                for place, image in zip(each, images, strict=True):
                    place[...] = self.random_transform(image, random)
            images = varied.reshape(-1, *images.shape[1:])
        pixels = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = np.mean(images, axis=pixels, keepdims=True)[0]
            images -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(images, axis=pixels, keepdims=True)[0]
            images /= self.std + _FLOOR
        if self.zca_whitening:
            vectors, values, _ = np.linalg.svd(images.reshape(len(images), -1).T, full_matrices=False)
            scaled = vectors * (np.sqrt(len(images)) / (values + self.zca_epsilon))
            self.zca_whitening_matrix = (scaled @ vectors.T).astype(images.dtype)


def _check_shift(owner: str, name: str, limit: Any) -> None:
    whole = isinstance(limit, int | np.integer)
    values = np.asarray(limit)
    if values.dtype.kind not in "iuf" or values.ndim > 1 or not values.size or (whole and limit < 0):
        raise ArgumentError(
            describe(
                f"{owner}: bad {name}", expected="a number, not negative if whole, or a list", got=repr(limit)
            )
        )


def _shift(random: np.random.RandomState, limit: Any, size: int) -> Any:
    """How many pixels an image is moved."""
    if not np.any(limit):
        return 0
    if isinstance(limit, float | np.floating):
        shift = random.uniform(-limit, limit)
    else:  # an integer stands for the numbers below it
        shift = random.choice(limit) * random.choice([-1, 1])
    return shift * size if np.max(limit) < 1 else shift
