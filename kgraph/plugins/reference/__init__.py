"""The reference backend: the NumPy interpreter as a backend, the oracle for every other one."""

from __future__ import annotations

from kgraph.plugins.reference import plugin

__all__ = ["plugin"]
