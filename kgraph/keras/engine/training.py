"""The names that programs import from `keras.engine.training`; each is defined elsewhere."""

from __future__ import annotations

from kgraph.keras.models.model import Model

__all__ = ["Model"]
