"""Keras's names over kgraph: models, layers and training that compile to one graph."""

from __future__ import annotations

from kgraph.keras import (
    activations,
    backend,
    callbacks,
    constraints,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    utils,
)
from kgraph.keras.layers import Input
from kgraph.keras.models import Model, Sequential
from kgraph.keras.tensor import Variable

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "Variable",
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
]
