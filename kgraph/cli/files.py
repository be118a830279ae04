"""Files that commands are given: what kind each is, and the model in it."""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.ir.types import Array
from kgraph.keras import models
from kgraph.keras.saving.limits import in_file

ARCHITECTURES: dict[str, Callable[..., Any]] = {
    ".json": models.model_from_json,
    ".yaml": models.model_from_yaml,
    ".yml": models.model_from_yaml,
}
"""What reads a file that holds no weights, by the end of its name."""

_SIGNATURES = {b"\x89HDF\r\n\x1a\n": "hdf5", b"PK\x03\x04": "keras"}


def kind_of(path: Path) -> str:
    """ "bundle", "hdf5", "keras", "json", "yaml" or else "onnx", by the first bytes and then by the name.

    Raises FileNotFoundError, FileError for a folder that is no training bundle.
    """
    if path.is_dir():
        if (path / "manifest.json").is_file():
            return "bundle"
        raise FileError(
            describe("this folder is no training bundle", expected="a manifest.json", where=str(path))
        )
    with path.open("rb") as file:
        start = file.read(8)
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return kind
    suffix = path.suffix.lower()
    return "yaml" if suffix == ".yml" else suffix[1:] if suffix in ARCHITECTURES else "onnx"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of commands that read a Keras model."""
    parser.add_argument("--weights", type=Path, help="weights (.h5) for an architecture in JSON or YAML")
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import this module first: its custom layers may be in the file",
    )
    parser.add_argument(
        "--unsafe",
        action="store_true",
        help="run the code of Lambda layers in the file; only if you trust it",
    )


def read_model(path: Path, arguments: argparse.Namespace, compile: bool = True) -> Any:
    """The Keras model in a file.

    Raises FileNotFoundError, ImportError for a module that is not there, FileError for what is no Keras model.
    """
    custom = _import_modules(arguments.modules)
    kind = kind_of(path)
    if kind in ("onnx", "bundle"):
        raise FileError(
            describe(
                "this is no Keras model", expected=".h5, .keras, .json or .yaml", got=kind, where=str(path)
            )
        )
    if kind in ("json", "yaml"):
        build = ARCHITECTURES[path.suffix.lower()]
        with in_file(path):
            model: Any = build(path.read_bytes(), custom, safe_mode=not arguments.unsafe)
        if arguments.weights is not None:
            model.load_weights(arguments.weights)
        else:
            warnings.warn(
                f"{path} holds no weights, and none are given (--weights): they are new ones", stacklevel=2
            )
        return model
    if arguments.weights is not None:
        raise FileError(describe("--weights goes with JSON or YAML", got=kind, where=str(path)))
    return models.load_model(path, custom, compile=compile, safe_mode=not arguments.unsafe)


def _import_modules(names: list[str]) -> dict[str, Any]:
    """Import modules, those in the current folder among them, as `python -m` would.

    The classes with a configuration that their packages define, by name: whoever names a module trusts it with these.
    """
    if names and "" not in sys.path:
        sys.path.insert(0, "")
    found: dict[str, Any] = {}
    for name in names:
        for key, item in vars(importlib.import_module(name)).items():
            own = getattr(item, "__module__", "").partition(".")[0] == name.partition(".")[0]
            if own and inspect.isclass(item) and hasattr(item, "get_config"):
                found[key] = item
    return found


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file, by name. Raises FileNotFoundError, FileError for anything else."""
    with path.open("rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise FileError(
                describe(
                    "this is no file of arrays", expected=".npz, as numpy.savez writes it", where=str(path)
                )
            )
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise FileError(
            describe("this is no file of arrays", expected=".npz", got=error, where=str(path))
        ) from error
