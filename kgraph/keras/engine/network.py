"""The names that programs import from `keras.engine.network`; each is defined elsewhere."""

from __future__ import annotations

from kgraph.keras.models.network import Network

__all__ = ["Network"]
