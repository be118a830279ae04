"""The names that programs import from `keras.utils.losses_utils`; they are defined elsewhere."""

from __future__ import annotations

from kgraph.keras.losses.reduction import Reduction

__all__ = ["Reduction"]
