"""What can stand in a graph: one declaration per op, one module per family."""

from __future__ import annotations
