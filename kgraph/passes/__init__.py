"""Functions to functions: differentiation, simplification, fusion, layout."""

from __future__ import annotations
