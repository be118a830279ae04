"""Saving and loading: what kind of file it is, and who reads or writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgraph.errors import UnsupportedError, describe


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
    raise UnsupportedError(describe("save_model is not there yet"))


def load_model(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """The model in a file; compiled as it was when it was saved, unless `compile` is false.

    `custom_objects` are names the file may use; `safe_mode=False` allows code of Lambda layers in it.
    Raises FileNotFoundError, FileError for a damaged, hostile or foreign file, ArgumentError for unknown names.
    """
    raise UnsupportedError(describe("load_model is not there yet"))


def save_weights(
    model: Any, filepath: Any, overwrite: bool | None = True, save_format: str | None = None
) -> None:
    """Write the weights alone. A name that ends in `.weights.h5` gets the layout of Keras 3, others that of Keras 2."""
    raise UnsupportedError(describe("save_weights is not there yet"))


def load_weights(
    model: Any,
    filepath: Any,
    by_name: bool = False,
    skip_mismatch: bool = False,
    reshape: bool = False,
) -> None:
    """Read weights from a file of weights or of a whole model into the layers of a model.

    by_name        layers of the same name get them; otherwise layers with weights, in order
    skip_mismatch  what does not fit stays as it is, with a warning
    reshape        a weight of another shape and as many numbers is reshaped
    Raises FileNotFoundError, FileError for a damaged, hostile or foreign file, DataError where it does not fit the model.
    """
    raise UnsupportedError(describe("load_weights is not there yet"))
