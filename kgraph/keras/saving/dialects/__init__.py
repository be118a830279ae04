"""The forms that Keras gave to configurations over the years: reading each, and writing those of Keras 2 and 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KERAS2, KERAS3 = "keras2", "keras3"


def read_model(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> dict[str, Any]:
    """The configuration {"class_name", "config"} of a model or layer, from any Keras, in kgraph's own form."""
    return dict(config)


def write_model(config: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """A configuration in kgraph's own form as Keras 2 ("keras2") or Keras 3 ("keras3") would write it."""
    return dict(config)


def read_training(
    config: Mapping[str, Any] | None,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> dict[str, Any] | None:
    """The arguments of `compile` that a file holds (`training_config` or `compile_config`), or None."""
    return None


def write_training(model: Any, dialect: str) -> dict[str, Any] | None:
    """How a model was compiled, as Keras 2 (`training_config`) or Keras 3 (`compile_config`) would write it."""
    return None
