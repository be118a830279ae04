"""What stands at the end of a network: a classifier, or a pooling of the features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kgraph.keras import layers
from kgraph.keras.tensor import Tensor

Head = Callable[[Tensor, int, Any], Tensor]
"""From features, a number of classes and an activation to predictions."""


def predictions(x: Tensor, classes: int, activation: Any) -> Tensor:
    """The last layer of most classifiers."""
    return layers.Dense(classes, activation=activation, name="predictions")(x)


def averaging(x: Tensor, classes: int, activation: Any) -> Tensor:
    """Predictions from the mean over all positions."""
    return predictions(layers.GlobalAveragePooling2D()(x), classes, activation)


def averaging_by_name(x: Tensor, classes: int, activation: Any) -> Tensor:
    """The same, by a layer `avg_pool`."""
    return predictions(layers.GlobalAveragePooling2D(name="avg_pool")(x), classes, activation)


def pooled(x: Tensor, pooling: str | None, named: bool) -> Tensor:
    """Features as `pooling` says: None as they are, "avg" or "max" over all positions."""
    if pooling is None:
        return x
    kind = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}[pooling]
    return kind(name=f"{pooling}_pool" if named else None)(x)
