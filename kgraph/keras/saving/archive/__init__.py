"""The files of Keras 3: `.keras` archives, and `.weights.h5` files in the same layout."""

from __future__ import annotations

from kgraph.keras.saving.archive.model_file import read_archive, read_archive_weights, write_archive
from kgraph.keras.saving.archive.variables import is_keras3, read_state, write_state

__all__ = [
    "is_keras3",
    "read_archive",
    "read_archive_weights",
    "read_state",
    "write_archive",
    "write_state",
]
