"""Batches of images from a folder that has a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator as Iterates
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from kgraph.errors import ArgumentError, DataError, describe
from kgraph.keras import settings
from kgraph.keras.preprocessing.checks import one_of
from kgraph.keras.preprocessing.image.batches import FileIterator, numbered


class DirectoryIterator(FileIterator):
    """Batches of the images in a folder, with a class for each folder in it.

    directory             the folder; images lie in the folders of their classes, at any depth
    image_data_generator  transforms and standardises each image, or None
    target_size           (height, width) of all images
    color_mode            "rgb", "rgba" or "grayscale"
    classes               names of the folders, in the order of their numbers; by default all, sorted
    class_mode            "categorical", "binary", "sparse", "input" or None, as `FileIterator` has them
    follow_links          whether to look into folders that are links
    subset                "training" or "validation": each class is divided, the first files are for validation
    interpolation, keep_aspect_ratio  how images are resized, see `load_img`

    The other arguments are those of `NumpyArrayIterator`. As Keras does it prints how many images there are; files of
    other kinds are passed over. Raises DataError when there are none, ArgumentError for bad arguments and for classes
    without a folder, FileNotFoundError when there is no such folder.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    def __init__(
        self,
        directory: str | os.PathLike[str],
        image_data_generator: Any,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        dtype: DTypeLike | None = None,
        keep_aspect_ratio: bool = False,
    ) -> None:
        self.set_processing_attrs(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
        )
        one_of("DirectoryIterator", "class_mode", class_mode, self.allowed_class_modes)
        self.directory, self.class_mode = os.fspath(directory), class_mode
        self.dtype = settings.floatx() if dtype is None else dtype
        folders = sorted(entry.name for entry in os.scandir(self.directory) if entry.is_dir())
        names = list(classes) if classes else folders
        if missing := [name for name in names if not os.path.isdir(os.path.join(self.directory, name))]:
            raise ArgumentError(
                describe(
                    "DirectoryIterator: classes without a folder",
                    expected=", ".join(folders) or "folders of classes",
                    got=", ".join(map(str, missing)),
                    where=self.directory,
                )
            )
        self.num_classes, self.class_indices = len(names), numbered(names)
        self.filenames: list[str] = []
        numbers: list[int] = []
        count = 0
        for name, number in self.class_indices.items():
            found = [os.path.join(name, file) for file in self._images(name, follow_links)]
            kept = found[self._part(subset, len(found))]
            count += len(found)
            self.filenames += kept
            numbers += [number] * len(kept)
        self.samples, self.classes = len(self.filenames), np.array(numbers, np.int32)
        self.labels = self.classes
        if not count:
            raise DataError(
                describe(
                    "DirectoryIterator: there are no images",
                    expected=f"a folder for each class with files in {', '.join(self.white_list_formats)}",
                    got=f"{self.num_classes} folders without such files",
                    where=self.directory,
                )
            )
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _images(self, name: str, follow_links: bool) -> Iterates[str]:
        """The images in the folder of a class, relative to that, folder by folder."""
        top = os.path.join(self.directory, name)
        endings = tuple(f".{ending}" for ending in self.white_list_formats)
        for folder, _, files in sorted(os.walk(top, followlinks=follow_links), key=lambda found: found[0]):
            for file in sorted(files):
                if file.lower().endswith(endings):
                    yield os.path.relpath(os.path.join(folder, file), top)
