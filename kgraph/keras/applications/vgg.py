"""VGG: pairs and more of 3 × 3 convolutions, halved in between, and three dense layers. What 16 and 19 share."""

from __future__ import annotations

from typing import Any

from kgraph.keras import layers
from kgraph.keras.applications.blocks import conv
from kgraph.keras.applications.heads import predictions
from kgraph.keras.tensor import Tensor

FILTERS = (64, 128, 256, 512, 512)


def features(x: Tensor, depths: tuple[int, ...]) -> Tensor:
    """Five blocks of as many convolutions as `depths` says."""
    for block, (filters, depth) in enumerate(zip(FILTERS, depths, strict=True), 1):
        for i in range(1, depth + 1):
            name = f"block{block}_conv{i}"
            x = conv(x, filters, 3, name, activation="relu", padding="same", use_bias=True)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return x


def dense_head(x: Tensor, classes: int, activation: Any) -> Tensor:
    """Two wide layers before the predictions. Their weights fix the size of the images."""
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = layers.Dense(4096, activation="relu", name=name)(x)
    return predictions(x, classes, activation)
