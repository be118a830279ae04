"""Saving and loading: what kind of file it is, and who reads or writes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO, TextIOBase
from typing import Any

from kgraph.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    UnsupportedError,
    describe,
)
from kgraph.keras.saving.archive import (
    is_keras3,
    read_archive,
    read_archive_weights,
    read_state,
    write_archive,
    write_state,
)
from kgraph.keras.saving.atomic import atomic_write, may_write
from kgraph.keras.saving.hdf5.guard import open_file
from kgraph.keras.saving.hdf5.model_file import read_model_file, write_model_file
from kgraph.keras.saving.hdf5.weights_file import Fit, find_weights, read_weights, write_weights
from kgraph.keras.saving.limits import in_file

HDF5, ARCHIVE = "h5", "keras"
"""The kinds of files."""

SIGNATURES = {b"\x89HDF\r\n\x1a\n": HDF5, b"PK\x03\x04": ARCHIVE}
"""What files begin with."""

FORMATS = {"h5": HDF5, "hdf5": HDF5, "keras": ARCHIVE}
"""Values of `save_format`."""


def save_model(
    model: Any,
    filepath: Any,
    overwrite: bool | None = True,
    include_optimizer: bool = True,
    save_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Write architecture, weights and, for a compiled model, how it is trained and the state of its optimizer.

    filepath           a path, an open file or an `h5py.File`; `.keras` is the archive of Keras 3, all else is HDF5
    overwrite          whether a file that exists is replaced; when false, the user is asked, or it is refused
    include_optimizer  without it the file knows nothing of training
    save_format        "h5" or "keras", whatever the name says
    """
    _refuse_keywords("save", kwargs, {"zipped": (None, True), "options": (None,), "signatures": (None,)})
    if _kind_to_write(filepath, save_format) == ARCHIVE:
        _write_binary(filepath, overwrite, lambda file: write_archive(model, file, include_optimizer))
        return
    _write_hdf5(filepath, overwrite, lambda file: write_model_file(file, model, include_optimizer))


def load_model(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    **kwargs: Any,
) -> Any:
    """The model in a file; compiled as it was when it was saved, unless `compile` is false.

    `custom_objects` are names the file may use; `safe_mode=False` allows code of Lambda layers in it.
    Raises FileNotFoundError, FileError for a damaged, hostile or foreign file, ArgumentError for unknown names.
    """
    _refuse_keywords("load_model", kwargs, {"options": (None,)})
    with in_file(filepath):
        if _kind_to_read(filepath) == ARCHIVE:
            with _opened(filepath) as file:
                return read_archive(file, custom_objects, compile, safe_mode)
        with open_file(filepath) as root:
            return read_model_file(root, custom_objects, compile, safe_mode)


def save_weights(
    model: Any, filepath: Any, overwrite: bool | None = True, save_format: str | None = None, **kwargs: Any
) -> None:
    """Write the weights alone. A name that ends in `.weights.h5` gets the layout of Keras 3, others that of Keras 2.

    Raises NotBuiltError for a model that has no weights yet.
    """
    _refuse_keywords("save_weights", kwargs, {"max_shard_size": (None,), "options": (None,)})
    if _kind_to_write(filepath, save_format) == ARCHIVE:
        raise ArgumentError(
            describe(
                "an archive holds a whole model", expected="a name that ends in .weights.h5", got=filepath
            )
        )
    model._require_built()
    keras3 = isinstance(filepath, str | os.PathLike) and _has_suffix(filepath, ".weights.h5")
    _write_hdf5(filepath, overwrite, lambda file: (write_state if keras3 else write_weights)(file, model))


def load_weights(
    model: Any,
    filepath: Any,
    by_name: bool = False,
    skip_mismatch: bool = False,
    reshape: bool = False,
    **kwargs: Any,
) -> None:
    """Read weights from a file of weights or of a whole model into the layers of a model.

    by_name        layers of the same name get them; otherwise layers with weights, in order
    skip_mismatch  what does not fit stays as it is, with a warning
    reshape        a weight of another shape and as many numbers is reshaped
    Raises FileNotFoundError, NotBuiltError for a model that has no weights yet, FileError for a damaged, hostile or
    foreign file and for one that does not fit the model, which then stays as it was.
    """
    _refuse_keywords("load_weights", kwargs, {"options": (None,)})
    model._require_built()
    with in_file(filepath):
        if _kind_to_read(filepath) == ARCHIVE:
            _refuse_for_keras3(by_name, reshape)
            with _opened(filepath) as file:
                read_archive_weights(model, file, skip_mismatch)
            return
        with open_file(filepath) as root:
            group = find_weights(root)
            if group is None and is_keras3(root):
                _refuse_for_keras3(by_name, reshape)
                read_state(model, root, skip_mismatch=skip_mismatch)
                return
            if group is None:
                raise FileError(
                    describe(
                        "the file has no weights of Keras",
                        expected="layer_names, or layers",
                        got=", ".join(root.names()[:12]) or "an empty file",
                        where=root.where,
                    )
                )
            read_weights(group, model, by_name, Fit(skip_mismatch, reshape))


def _refuse_for_keras3(by_name: bool, reshape: bool) -> None:
    if by_name or reshape:
        raise ArgumentError(
            describe(
                "by_name and reshape are for files in the layout of Keras 2",
                expected="False",
                got="a file of Keras 3",
            )
        )


# -- which kind


def _kind_to_write(filepath: Any, save_format: str | None) -> str:
    """The kind that `save_format` or else the name asks for. Raises ArgumentError for formats that nobody here has."""
    _refuse_strange(filepath, "write")
    if save_format is not None:
        if save_format not in FORMATS:
            raise ArgumentError(
                describe(
                    "unknown save_format",
                    expected="h5 or keras, or model.export for ONNX",
                    got=repr(save_format),
                )
            )
        return FORMATS[save_format]
    return ARCHIVE if isinstance(filepath, str | os.PathLike) and _has_suffix(filepath, ".keras") else HDF5


def _has_suffix(filepath: Any, suffix: str) -> bool:
    return os.fsdecode(filepath).lower().endswith(suffix)


def _kind_to_read(filepath: Any) -> str:
    """The kind that the first bytes show. Raises FileNotFoundError, FileError for anything else."""
    if hasattr(filepath, "create_group"):  # an h5py.File or h5py.Group
        return HDF5
    _refuse_strange(filepath, "read")
    if hasattr(filepath, "read"):
        return _kind_of_file(filepath)
    if os.path.isdir(filepath):
        raise FileError(
            describe(
                "this is a folder",
                expected="an .h5 or .keras file",
                got="perhaps a SavedModel",
                where=str(filepath),
            )
        )
    with open(filepath, "rb") as file:
        return _kind_of_file(file)


def _refuse_strange(filepath: Any, method: str) -> None:
    """Raise ArgumentTypeError for what is no path, no open file of bytes and no group of h5py."""
    known = isinstance(filepath, str | os.PathLike) or hasattr(filepath, method)
    if isinstance(filepath, TextIOBase) or not (known or hasattr(filepath, "create_group")):
        raise ArgumentTypeError(
            describe(
                "this is no file for models",
                expected="a path, a file of bytes (mode 'rb' or 'wb') or an h5py.File",
                got=repr(filepath),
            )
        )


def _kind_of_file(file: Any) -> str:
    if not file.seekable():
        raise ArgumentTypeError(
            describe("this file cannot be read at any place", expected="a file on disk, or BytesIO")
        )
    position = file.tell()
    file.seek(0)
    start = file.read(8)
    file.seek(position)
    for signature, kind in SIGNATURES.items():
        if start.startswith(signature):
            return kind
    raise FileError(
        describe(
            "this is no model file",
            expected="HDF5 (.h5) or a zip archive (.keras)",
            got=f"a file that begins with {start!r}" if start else "an empty file",
            where=str(getattr(file, "name", "")),
        )
    )


@contextmanager
def _opened(filepath: Any) -> Iterator[Any]:
    """A file as it is, a path opened for reading."""
    if hasattr(filepath, "read"):
        yield filepath
        return
    with open(filepath, "rb") as file:
        yield file


# -- writing


def _write_binary(filepath: Any, overwrite: bool | None, write: Callable[[Any], None]) -> None:
    """Have a file written to a path, whole or not at all, or into an open file."""
    if hasattr(filepath, "write"):
        write(filepath)
    elif may_write(filepath, overwrite):
        with atomic_write(filepath) as temporary, open(temporary, "wb") as file:
            write(file)


def _write_hdf5(filepath: Any, overwrite: bool | None, write: Callable[[Any], None]) -> None:
    """Have an HDF5 file written to a path, whole or not at all, or into an open file, or into an h5py group."""
    import h5py

    if isinstance(filepath, h5py.Group):
        write(filepath)
    elif hasattr(filepath, "write"):
        image = BytesIO()
        with h5py.File(image, "w") as file:
            write(file)
        filepath.write(image.getbuffer())
    elif may_write(filepath, overwrite):
        with atomic_write(filepath) as temporary, _new_hdf5(temporary) as file:
            write(file)


@contextmanager
def _new_hdf5(path: Any) -> Iterator[Any]:
    """A new HDF5 file. Raises OSError where it cannot be written, and where that shows when it is closed."""
    import h5py

    file = h5py.File(path, "w")
    try:
        yield file
    except BaseException:
        with suppress(
            OSError, RuntimeError
        ):  # closing a file on a full disk fails too; the first error says why
            file.close()
        raise
    try:
        file.close()
    except RuntimeError as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def _refuse_keywords(method: str, given: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]]) -> None:
    """Keywords of other versions are taken as long as they ask for nothing."""
    for name, value in given.items():
        if name not in neutral:
            raise ArgumentTypeError(describe(f"{method}: unknown keyword argument", got=name))
        if value not in neutral[name]:
            raise UnsupportedError(
                describe(f"{method}: {name} is not available", expected=neutral[name][0], got=repr(value))
            )
