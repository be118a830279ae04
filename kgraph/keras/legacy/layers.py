"""The layers of Keras 1 that Keras 2 keeps here; each is defined elsewhere."""

from __future__ import annotations

from kgraph.keras.layers.convolutional import AtrousConvolution1D, AtrousConvolution2D
from kgraph.keras.layers.legacy_dense import Highway, MaxoutDense

__all__ = ["AtrousConvolution1D", "AtrousConvolution2D", "Highway", "MaxoutDense"]
