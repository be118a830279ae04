"""The files of Keras 3: `.keras` archives, and `.weights.h5` files in the same layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.lazy import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "is_keras3": ".variables",
        "read_archive": ".model_file",
        "read_archive_weights": ".model_file",
        "read_state": ".variables",
        "write_archive": ".model_file",
        "write_state": ".variables",
    },
)
