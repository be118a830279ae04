"""Keras models in the clothes of other libraries' models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.wrappers import scikit_learn

__all__ = ["scikit_learn"]

__getattr__, __dir__ = lazy_names(__name__, {"scikit_learn": "kgraph.keras.wrappers.scikit_learn"})
