"""kgraph: a model compiler with a Keras front door.

    from kgraph import keras
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(4,))])

Importing this package loads nothing heavy; `keras`, `export` and the rest load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "export": ("kgraph.keras.export", "export"),
    "export_training": ("kgraph.keras.export", "export_training"),
    "keras": ("kgraph.keras", None),
    "config": ("kgraph.config", None),
}

__all__ = ["__version__", "config", "export", "export_training", "keras"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'kgraph' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = import_module(module)
    return getattr(loaded, attribute) if attribute else loaded
