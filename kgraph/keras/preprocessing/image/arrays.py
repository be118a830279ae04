"""Batches of images from arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kgraph.errors import ArgumentError, DataError, describe
from kgraph.keras import settings
from kgraph.keras.preprocessing.checks import channels
from kgraph.keras.preprocessing.image.files import CHANNELS
from kgraph.keras.preprocessing.image.iterator import Iterator
from kgraph.keras.utils.warn import warn_user


class NumpyArrayIterator(Iterator):
    """Batches of images from an array, with what belongs to them.

    x                     images, [n, height, width, channels] or as data_format says; or a tuple (images, others), an
                          array or a list of arrays that pass through as they are
    y                     targets [n, …], or None
    image_data_generator  transforms and standardises each image
    sample_weight         weights [n], or None
    subset                "training" or "validation", by the generator's `validation_split`
    save_to_dir           a folder to write the images of each batch to, with save_prefix and save_format
    dtype                 of the batches, by default that of `keras.backend`
    ignore_class_split    whether the subsets may have different targets

    Batches are x, (x, y) or (x, y, sample_weight), where x may be a list [images, *others]; without y there are no
    weights. Raises DataError for arrays that do not match, ArgumentError for other subsets and formats.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        dtype: DTypeLike | None = None,
        ignore_class_split: bool = False,
    ) -> None:
        self.image_data_generator = image_data_generator
        self.data_format = channels("NumpyArrayIterator", data_format)
        self.dtype = settings.floatx() if dtype is None else dtype
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        images, others = _parts(x)
        targets = None if y is None else np.asarray(y)
        weights = None if sample_weight is None else np.asarray(sample_weight)
        if images.ndim != 4:
            raise _mismatch("images have four axes", "rank 4", images)
        count = len(images)
        for name, array in (("y", targets), ("sample_weight", weights), *(("x", other) for other in others)):
            if array is not None and (array.ndim == 0 or len(array) != count):
                raise _mismatch(f"{name} does not match the images", f"{count} entries", array)
        self.subset, part = subset, self._part(subset, count)
        if subset is not None and targets is not None and not ignore_class_split:
            split = part.start or part.stop
            if not np.array_equal(np.unique(targets[:split]), np.unique(targets[split:])):
                raise ArgumentError(
                    describe(
                        "NumpyArrayIterator: training and validation have different targets",
                        expected="the same classes in both: samples in random order, or ignore_class_split=True",
                        got=f"a split after {split} of {count} samples",
                    )
                )
        try:
            self.x: NDArray[Any] = np.asarray(images[part], dtype=self.dtype)
        except (ValueError, TypeError) as error:
            raise DataError(
                describe("NumpyArrayIterator: no images", expected="an array of numbers", got=error)
            ) from None
        self.x_misc = [other[part] for other in others]
        self.y = None if targets is None else targets[part]
        self.sample_weight = None if weights is None else weights[part]
        self._warn_of_channels()
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _warn_of_channels(self) -> None:
        found = self.x.shape[3 if self.data_format == "channels_last" else 1]
        if found not in CHANNELS.values():
            warn_user(
                f"images with {found} channels, where {self.data_format} has them; 1, 3 or 4 are usual, so the "
                "data format may be another"
            )

    def _get_batches_of_transformed_samples(self, index_array: NDArray[np.int64]) -> Any:
        batch = np.empty((len(index_array), *self.x.shape[1:]), self.dtype)
        for place, row in zip(batch, index_array, strict=True):
            place[...] = self._varied(self.x[row].copy())
        self._save(batch, index_array, 10_000)
        x = [batch, *(other[index_array] for other in self.x_misc)] if self.x_misc else batch
        if self.y is None:
            return x
        if self.sample_weight is None:
            return x, self.y[index_array]
        return x, self.y[index_array], self.sample_weight[index_array]


def _parts(x: Any) -> tuple[Any, list[NDArray[Any]]]:
    """The images, and what passes through with them."""
    if not isinstance(x, tuple | list):
        return np.asarray(x), []
    if len(x) != 2:
        raise DataError(
            describe(
                "NumpyArrayIterator: no images",
                expected="an array, or (images, others)",
                got=f"a {type(x).__name__} of {len(x)}",
            )
        )
    others = x[1] if isinstance(x[1], list) else [x[1]]
    return np.asarray(x[0]), [np.asarray(other) for other in others]


def _mismatch(summary: str, expected: str, array: NDArray[Any]) -> DataError:
    return DataError(
        describe(f"NumpyArrayIterator: {summary}", expected=expected, got=f"shape {array.shape}")
    )
