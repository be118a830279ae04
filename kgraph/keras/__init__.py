"""Keras's names over kgraph: models, layers and training that compile to one graph."""

from __future__ import annotations

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
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "optimizers",
    "preprocessing",
    "regularizers",
    "utils",
]
