"""The names that programs import from `keras.utils.data_utils`; each is defined elsewhere in this package."""

from __future__ import annotations

from kgraph.keras.utils.download import get_file
from kgraph.keras.utils.sequence import Sequence

__all__ = ["Sequence", "get_file"]
