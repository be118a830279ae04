"""kgraph: a model compiler with a Keras front door."""

from __future__ import annotations

__version__ = "0.1.0"
