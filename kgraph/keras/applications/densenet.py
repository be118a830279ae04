"""DenseNet: each block hears all that came before it."""

from __future__ import annotations

from kgraph.keras import layers
from kgraph.keras.applications.assembly import Architecture, application
from kgraph.keras.applications.blocks import beside, conv, norm, relu
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.applications.images import channels_of
from kgraph.keras.tensor import Tensor

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("torch")

EPSILON = 1.001e-5
GROWTH = 32
"""The channels that each block adds."""


def block(x: Tensor, name: str) -> Tensor:
    """x, and beside it a few new channels made of it."""
    y = relu(norm(x, f"{name}_0_bn", epsilon=EPSILON), f"{name}_0_relu")
    y = conv(y, 4 * GROWTH, 1, f"{name}_1_conv")
    y = relu(norm(y, f"{name}_1_bn", epsilon=EPSILON), f"{name}_1_relu")
    y = conv(y, GROWTH, 3, f"{name}_2_conv", padding="same")
    return beside([x, y], f"{name}_concat")


def transition(x: Tensor, name: str) -> Tensor:
    """Half the channels, half the rows and columns."""
    x = relu(norm(x, f"{name}_bn", epsilon=EPSILON), f"{name}_relu")
    x = conv(x, channels_of(x) // 2, 1, f"{name}_conv")
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def stages(x: Tensor, depths: tuple[int, ...]) -> Tensor:
    """Four stages of as many blocks as `depths` says."""
    x = conv(layers.ZeroPadding2D(3)(x), 64, 7, "conv1_conv", strides=2)
    x = relu(norm(x, "conv1_bn", epsilon=EPSILON), "conv1_relu")
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(layers.ZeroPadding2D(1)(x))
    for stage, depth in enumerate(depths, 2):
        if stage > 2:
            x = transition(x, f"pool{stage - 1}")
        for i in range(1, depth + 1):
            x = block(x, f"conv{stage}_block{i}")
    return relu(norm(x, "bn", epsilon=EPSILON), "relu")


@application(Architecture("densenet121", names_pooling=True))
def DenseNet121(x: Tensor) -> Tensor:
    """Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", 2016; 121 layers."""
    return stages(x, (6, 12, 24, 16))


@application(Architecture("densenet169", names_pooling=True))
def DenseNet169(x: Tensor) -> Tensor:
    """Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", 2016; 169 layers."""
    return stages(x, (6, 12, 32, 32))


@application(Architecture("densenet201", names_pooling=True))
def DenseNet201(x: Tensor) -> Tensor:
    """Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", 2016; 201 layers."""
    return stages(x, (6, 12, 48, 32))
