"""Data sets to try a model on."""

from __future__ import annotations
