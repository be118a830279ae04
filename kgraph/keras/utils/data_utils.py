"""The names that programs import from `keras.utils.data_utils`; each is defined elsewhere in this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.keras.utils.sequence import Sequence
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.utils.download import get_file, validate_file
    from kgraph.keras.utils.enqueuers import GeneratorEnqueuer, OrderedEnqueuer, SequenceEnqueuer

__all__ = [
    "GeneratorEnqueuer",
    "OrderedEnqueuer",
    "Sequence",
    "SequenceEnqueuer",
    "get_file",
    "validate_file",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    dict.fromkeys(("get_file", "validate_file"), "kgraph.keras.utils.download")
    | dict.fromkeys(
        ("GeneratorEnqueuer", "OrderedEnqueuer", "SequenceEnqueuer"), "kgraph.keras.utils.enqueuers"
    ),
)
