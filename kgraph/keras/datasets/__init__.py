"""Data sets to try a model on."""

from __future__ import annotations

from kgraph.keras.datasets import digits

__all__ = ["digits"]
