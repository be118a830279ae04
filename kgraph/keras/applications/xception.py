"""Xception: Inception of separable convolutions alone."""

from __future__ import annotations

from kgraph.keras import layers
from kgraph.keras.applications.assembly import Architecture, application
from kgraph.keras.applications.blocks import conv, norm, relu
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.applications.images import Sizes
from kgraph.keras.tensor import Tensor

__all__ = ["Xception", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("tf")

NARROWING = {2: (128, 128), 3: (256, 256), 4: (728, 728), 13: (728, 1024)}
"""The blocks that halve rows and columns, with the filters of their convolutions."""


def separable(x: Tensor, filters: int, name: str) -> Tensor:
    """A separable 3 × 3 convolution, normalised."""
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return norm(x, f"{name}_bn")


def activated(x: Tensor, filters: tuple[int, ...], name: str, first: bool = True) -> Tensor:
    """Separable convolutions with an activation before each; the first may do without."""
    for i, width in enumerate(filters, 1):
        if first or i > 1:
            x = relu(x, f"{name}_sepconv{i}_act")
        x = separable(x, width, f"{name}_sepconv{i}")
    return x


@application(Architecture("xception", Sizes((299,), least=71)))
def Xception(x: Tensor) -> Tensor:
    """Chollet, "Xception: deep learning with depthwise separable convolutions", 2016."""
    for i, (filters, strides) in enumerate(((32, 2), (64, 1)), 1):
        name = f"block1_conv{i}"
        x = relu(norm(conv(x, filters, 3, name, strides=strides), f"{name}_bn"), f"{name}_act")
    for i in range(2, 14):
        if i in NARROWING:
            shortcut = norm(conv(x, NARROWING[i][-1], strides=2, padding="same"))
            y = activated(x, NARROWING[i], f"block{i}", first=i != 2)
            y = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{i}_pool")(y)
        else:
            shortcut, y = x, activated(x, (728, 728, 728), f"block{i}")
        x = layers.Add()([y, shortcut])
    for i, filters in enumerate((1536, 2048), 1):
        x = relu(separable(x, filters, f"block14_sepconv{i}"), f"block14_sepconv{i}_act")
    return x
