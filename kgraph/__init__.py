"""kgraph: a model compiler with a Keras front door.

    from kgraph import keras
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(4,))])

Importing this package loads nothing heavy; `keras`, `export` and the rest load when they are first used.
"""

from __future__ import annotations

from kgraph.lazy import lazy_names

__version__ = "0.1.0"

__all__ = ["__version__", "config", "export", "export_training", "keras"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "config": "kgraph.config",
        "export": "kgraph.keras.export",
        "export_training": "kgraph.keras.export",
        "keras": "kgraph.keras",
    },
)
