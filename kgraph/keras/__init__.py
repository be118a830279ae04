"""Keras's names over kgraph: models, layers and training that compile to one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.keras import (
    activations,
    applications,
    backend,
    callbacks,
    config,
    constraints,
    datasets,
    dtype_policies,
    initializers,
    layers,
    losses,
    metrics,
    mixed_precision,
    models,
    optimizers,
    preprocessing,
    regularizers,
    utils,
)
from kgraph.keras.dtype_policies import DTypePolicy
from kgraph.keras.layers import Input
from kgraph.keras.models import Model, Sequential
from kgraph.keras.tensor import Variable
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras import engine, wrappers
    from kgraph.keras.stand_in import install

__all__ = [
    "DTypePolicy",
    "Input",
    "Model",
    "Sequential",
    "Variable",
    "activations",
    "applications",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "engine",
    "initializers",
    "install",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "optimizers",
    "preprocessing",
    "regularizers",
    "utils",
    "wrappers",
]

__version__ = "2.3.1"
"""The Keras whose names and signatures are here, for programs that ask. Much of what came later is here as well."""

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "engine": "kgraph.keras.engine",
        "install": "kgraph.keras.stand_in",
        "wrappers": "kgraph.keras.wrappers",
    },
)
