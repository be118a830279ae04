"""What comes before a model: sequences to one length, texts to numbers, images read and varied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.preprocessing import image, sequence, text

__all__ = ["image", "sequence", "text"]

__getattr__, __dir__ = lazy_names(__name__, {name: f"{__name__}.{name}" for name in __all__})
