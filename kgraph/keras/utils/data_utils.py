"""The names that programs import from `keras.utils.data_utils`; each is defined elsewhere in this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.keras.utils.sequence import Sequence
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.utils.download import get_file

__all__ = ["Sequence", "get_file"]

__getattr__, __dir__ = lazy_names(__name__, {"get_file": "kgraph.keras.utils.download"})
