"""`FileIterator`: batches of images that are read from files, with targets of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kgraph.keras.preprocessing.checks import channels, one_of, size_of_images
from kgraph.keras.preprocessing.image.files import CHANNELS, INTERPOLATIONS, img_to_array, load_img
from kgraph.keras.preprocessing.image.iterator import SUBSETS, Iterator


class FileIterator(Iterator):
    """What iterators over files share. A subclass says which files, and the targets for its `class_mode`:

    "categorical"       one-hot rows from `classes`; several ones where an entry is a list
    "binary", "sparse"  `classes` as numbers
    "input"             the images themselves
    "raw"               rows of `labels`
    "multi_output"      rows of each of `labels`
    None                no targets
    """

    class_mode: str | None
    class_indices: dict[str, int]
    classes: Any
    """The class of each file, by number."""
    dtype: DTypeLike

    filepaths: list[str]
    """The paths of all files."""
    labels: Any
    """The targets of all files."""
    sample_weight: NDArray[Any] | None = None
    """The weights of all files."""

    def set_processing_attrs(
        self,
        image_data_generator: Any,
        target_size: tuple[int, int],
        color_mode: str,
        data_format: str | None,
        save_to_dir: Any,
        save_prefix: str,
        save_format: str,
        subset: str | None,
        interpolation: str,
        keep_aspect_ratio: bool = False,
    ) -> None:
        """Say how files become images; the arguments are those of the iterators. Raises ArgumentError for bad ones."""
        owner = type(self).__name__
        one_of(owner, "color_mode", color_mode, CHANNELS)
        one_of(owner, "interpolation", interpolation, INTERPOLATIONS)
        one_of(owner, "subset", subset, SUBSETS)
        self.image_data_generator = image_data_generator
        self.target_size = size_of_images(owner, target_size)
        self.color_mode, self.subset = color_mode, subset
        self.data_format = channels(owner, data_format)
        depth = (CHANNELS[color_mode],)
        self.image_shape = (
            self.target_size + depth if self.data_format == "channels_last" else depth + self.target_size
        )
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.interpolation, self.keep_aspect_ratio = interpolation, keep_aspect_ratio

    def _get_batches_of_transformed_samples(self, index_array: NDArray[np.int64]) -> Any:
        batch = np.empty((len(index_array), *self.image_shape), self.dtype)
        paths = self.filepaths
        for place, row in zip(batch, index_array, strict=True):
            image = load_img(
                paths[row], self.color_mode, self.target_size, self.interpolation, self.keep_aspect_ratio
            )
            place[...] = self._varied(img_to_array(image, self.data_format).copy())
        self._save(batch, index_array, 10_000_000)
        if self.class_mode is None:
            return batch
        targets = self._targets_of(batch, index_array)
        weights = self.sample_weight
        return (batch, targets) if weights is None else (batch, targets, weights[index_array])

    def _targets_of(self, batch: NDArray[Any], rows: NDArray[np.int64]) -> Any:
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "multi_output":
            return [output[rows] for output in self.labels]
        if self.class_mode == "raw":
            return self.labels[rows]
        classes = [self.classes[row] for row in rows]
        if self.class_mode != "categorical":
            return np.array(classes, self.dtype)
        targets = np.zeros((len(rows), len(self.class_indices)), self.dtype)
        for target, numbers in zip(targets, classes, strict=True):
            target[numbers] = 1
        return targets


def numbered(classes: Sequence[str]) -> dict[str, int]:
    """Class names with their numbers."""
    return {name: number for number, name in enumerate(classes)}
