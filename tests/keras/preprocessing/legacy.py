"""Keras 3 keeps what it no longer shows of `keras.preprocessing`: the second opinion here."""

from __future__ import annotations

import importlib
from typing import Any

from tests.oracle import keras


def legacy(module: str) -> Any:
    """The module "image", "sequence" or "text" of real Keras."""
    keras()
    return importlib.import_module(f"keras.src.legacy.preprocessing.{module}")
