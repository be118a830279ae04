"""Batches of images whose files and targets stand in a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, describe
from kgraph.keras import settings
from kgraph.keras.preprocessing.checks import one_of
from kgraph.keras.preprocessing.image.batches import FileIterator, numbered
from kgraph.keras.utils.warn import warn_user

_WITH_CLASSES = ("categorical", "binary", "sparse")


class DataFrameIterator(FileIterator):
    """Batches of the images that a table names, with the targets beside their names.

    dataframe             a DataFrame of pandas, or whatever else gives its columns by name, such as a dict of lists
    directory             the folder that names are relative to; None when they are paths
    image_data_generator  transforms and standardises each image, or None
    x_col, weight_col     the columns of names and of sample weights
    y_col                 the column of targets, or a list of columns for "raw" and "multi_output"
    classes               the classes to use, in the order of their numbers; rows of others are left out. By default
                          all, sorted
    class_mode            as `FileIterator` has them. Classes are strings; for "categorical" also lists of these
    validate_filenames    whether to leave out, with a warning, names of files that aren't there or no images

    The other arguments are those of `DirectoryIterator`, but `subset` divides the rows. As Keras does it prints how
    many images there are. Raises DataError when there are none, ArgumentTypeError for columns of the wrong type,
    ArgumentError for bad arguments, for columns that aren't there, and for "binary" with other than two classes.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", "multi_output", "raw", None)

    def __init__(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        image_data_generator: Any = None,
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
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        dtype: DTypeLike | None = None,
        validate_filenames: bool = True,
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
        one_of("DataFrameIterator", "class_mode", class_mode, self.allowed_class_modes)
        self.directory = "" if directory is None else os.fspath(directory)
        self.class_mode = class_mode
        self.dtype = settings.floatx() if dtype is None else dtype
        names = _strings(dataframe, x_col, "strings, the names of files")
        rows = self._valid(names, x_col) if validate_filenames else list(range(len(names)))
        targets: list[NDArray[Any]] = []
        labels: list[Any] = []
        if class_mode in _WITH_CLASSES:
            labels = _classes_of(dataframe, y_col, class_mode)
            known = list(dict.fromkeys(classes)) if classes else _sorted_classes(labels[row] for row in rows)
            if class_mode == "binary" and len(known) != 2:
                raise ArgumentError(
                    describe(
                        "DataFrameIterator: binary classes", expected="two classes", got=", ".join(known)
                    )
                )
            self.class_indices = numbered(known)
            labels = [_only(label, self.class_indices) for label in labels]
            rows = [row for row in rows if labels[row]]
        elif classes:
            warn_user(f"DataFrameIterator: classes= means nothing with class_mode={class_mode!r}")
        if class_mode == "multi_output" and isinstance(y_col, str):
            raise ArgumentTypeError(
                describe("DataFrameIterator: bad y_col", expected="a list of columns", got=repr(y_col))
            )
        if class_mode in ("multi_output", "raw"):
            targets = [_array(dataframe, name) for name in ([y_col] if isinstance(y_col, str) else y_col)]
        weights = None if weight_col is None else np.asarray(column(dataframe, weight_col))
        if weights is not None and weights.dtype.kind not in "iuf":
            raise ArgumentTypeError(
                describe(
                    f"DataFrameIterator: bad column {weight_col!r}", expected="numbers", got=weights.dtype
                )
            )
        if not rows:
            raise DataError(
                describe(
                    "DataFrameIterator: there are no images",
                    expected="rows with names of images and classes that are used",
                    got=f"{len(names)} rows, none such",
                    where=self.directory,
                )
            )
        rows = rows[self._part(subset, len(rows))]
        self.filenames = [names[row] for row in rows]
        self.samples = len(rows)
        self.sample_weight = None if weights is None else weights[rows]
        outputs = [target[rows] for target in targets]
        if class_mode == "raw":
            self.labels = outputs[0] if isinstance(y_col, str) else np.stack(outputs, axis=1)
        elif class_mode == "multi_output":
            self.labels = outputs
        found = f"{self.samples} {'validated' if validate_filenames else 'non-validated'} image filenames"
        if class_mode in _WITH_CLASSES:
            self.labels = self.classes = self._numbers(labels[row] for row in rows)
            found += f" belonging to {len(self.class_indices)} classes"
        print(f"Found {found}.")
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        super().__init__(self.samples, batch_size, shuffle, seed)

    def get_classes(self, df: Any, y_col: str) -> list[Any]:
        """The numbers of the classes in a column of a table."""
        return self._numbers(column(df, y_col))

    def _numbers(self, labels: Any) -> list[Any]:
        numbers = self.class_indices
        return [
            numbers[label] if isinstance(label, str) else [numbers[each] for each in label]
            for label in labels
        ]

    def _valid(self, names: list[str], x_col: str) -> list[int]:
        """The rows whose files are there and have the names of images."""
        endings = tuple(f".{ending}" for ending in self.white_list_formats)
        rows = [
            row
            for row, name in enumerate(names)
            if name.lower().endswith(endings) and os.path.isfile(os.path.join(self.directory, name))
        ]
        if len(rows) < len(names):
            warn_user(
                f"DataFrameIterator: {len(names) - len(rows)} of {len(names)} names in column {x_col!r} are no files "
                "of images and left out"
            )
        return rows


def column(dataframe: Any, name: Any) -> Any:
    """A column of a table. Raises ArgumentError when it has none of that name."""
    try:
        return dataframe[name]
    except (KeyError, TypeError, IndexError) as error:
        found = ", ".join(map(str, getattr(dataframe, "columns", dataframe)))
        raise ArgumentError(
            describe(f"DataFrameIterator: no column {name!r}", expected=f"one of {found}", got=repr(name))
        ) from error


def _strings(dataframe: Any, name: str, expected: str, types: tuple[type, ...] = (str,)) -> list[Any]:
    values = list(column(dataframe, name))
    for row, value in enumerate(values):
        if not isinstance(value, types):
            raise ArgumentTypeError(
                describe(
                    f"DataFrameIterator: bad column {name!r}",
                    expected=expected,
                    got=f"{value!r} in row {row}",
                )
            )
    return values


def _array(dataframe: Any, name: str) -> NDArray[Any]:
    """A column as an array; entries that are lists become rows."""
    values = np.asarray(column(dataframe, name))
    return np.array(values.tolist()) if values.dtype == object else values


def _classes_of(dataframe: Any, y_col: Any, class_mode: str | None) -> list[Any]:
    if class_mode == "categorical":
        return _strings(dataframe, y_col, "classes: strings, or lists of strings", (str, list, tuple))
    return _strings(dataframe, y_col, "classes: strings")


def _sorted_classes(labels: Any) -> list[str]:
    found: set[str] = set()
    for label in labels:
        found.update([label] if isinstance(label, str) else label)
    return sorted(found)


def _only(label: Any, classes: dict[str, int]) -> Any:
    """A label as far as its classes are used: nothing when none is."""
    if isinstance(label, str):
        return label if label in classes else None
    return [each for each in label if each in classes]
