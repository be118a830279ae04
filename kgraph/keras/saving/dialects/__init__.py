"""The forms that Keras gave to configurations over the years: reading each, and writing those of Keras 2 and 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgraph.errors import ArgumentError, FileError, describe
from kgraph.keras.saving.dialects.era import OURS, era_of
from kgraph.keras.saving.dialects.reading import Reader
from kgraph.keras.saving.dialects.training import compile_arguments, training_config
from kgraph.keras.saving.dialects.writing import KERAS2, KERAS3, Writer
from kgraph.keras.saving.limits import check_plain
from kgraph.keras.utils.custom_objects import Objects

__all__ = ["KERAS2", "KERAS3", "read_model", "read_training", "write_model", "write_training"]


def read_model(
    config: Any,
    custom_objects: Objects | None = None,
    safe_mode: bool = True,
    keras_version: str | None = None,
) -> dict[str, Any]:
    """The configuration {"class_name", "config"} of a model or layer, from any Keras, in kgraph's own form.

    `keras_version` is what the file says wrote it ("2.3.1", "2.11.0", "3.5.0"), when it is not in the configuration.
    Raises FileError for what is damaged or too deep, ArgumentError for classes that nobody knows, UnsupportedError for
    settings that kgraph does not have and UnsafeError, in `safe_mode`, for code; each names the layer.
    """
    check_plain(config)
    if isinstance(config, list | tuple):  # a Sequential of Keras 1
        config = {"class_name": "Sequential", "config": config}
    if not isinstance(config, Mapping) or "class_name" not in config:
        raise FileError(
            describe(
                "a configuration describes no model",
                expected='"class_name" and a "config"',
                got=repr(config)[:200],
            )
        )
    era, genuine = era_of(config, keras_version or config.get("keras_version"))
    read = Reader(custom_objects, safe_mode, era, genuine).read_described(config, "layer")
    if not isinstance(read, dict) or "class_name" not in read:
        raise FileError(describe("a configuration describes no model", got=repr(config)[:200]))
    return read


def write_model(config: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """The configuration {"class_name", "config"} of a model or layer, in kgraph's own form, in another.

    dialect  "keras3", the form of `.keras` files; "keras2", that of HDF5 files, which Keras 3 reads too
    Raises UnsupportedError for what is not plain data, ArgumentError for another dialect.
    """
    return {**_writer(dialect).write_described(config, "model"), "backend": OURS}


def read_training(
    config: Any,
    custom_objects: Objects | None = None,
    safe_mode: bool = True,
    keras_version: str | None = None,
) -> dict[str, Any] | None:
    """The arguments of `compile` that a file holds (`training_config` or `compile_config`), or None.

    Raises what `read_model` raises.
    """
    check_plain(config)
    if config is None:
        return None
    if not isinstance(config, Mapping):
        raise FileError(describe("a damaged training configuration", got=repr(config)[:200]))
    era, genuine = era_of(config, keras_version)
    return compile_arguments(config, Reader(custom_objects, safe_mode, era, genuine))


def write_training(model: Any, dialect: str) -> dict[str, Any] | None:
    """How a model was compiled, as Keras 2 (`training_config`) or Keras 3 (`compile_config`) would write it.

    None for a model that was not compiled. Raises what `write_model` raises.
    """
    return training_config(model, _writer(dialect))


def _writer(dialect: str) -> Writer:
    if dialect not in (KERAS2, KERAS3):
        raise ArgumentError(describe("unknown dialect", expected=f"{KERAS2} or {KERAS3}", got=repr(dialect)))
    return Writer(dialect)
