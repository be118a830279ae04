"""The names that programs import from `keras.engine.sequential`; each is defined elsewhere."""

from __future__ import annotations

from kgraph.keras.models.sequential import Sequential

__all__ = ["Sequential"]
