"""Batches fetched ahead by threads and processes, in order. Loaded when the first batch is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.utils.workers.pools import by_one_thread, by_processes, by_threads

__all__ = ["by_one_thread", "by_processes", "by_threads"]

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, ".pools"))
