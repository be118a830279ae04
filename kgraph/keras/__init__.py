"""Keras's names over kgraph: models, layers and training that compile to one graph."""

from __future__ import annotations
