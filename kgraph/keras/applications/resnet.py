"""ResNet: blocks that add to what they are given."""

from __future__ import annotations

from kgraph.keras import layers
from kgraph.keras.applications.assembly import Architecture, application
from kgraph.keras.applications.blocks import conv, norm, relu
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.tensor import Tensor

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("caffe")

EPSILON = 1.001e-5
STAGES = {"conv2": 64, "conv3": 128, "conv4": 256, "conv5": 512}
"""The stages, with the filters of their blocks; what a block gives has four times as many."""


def opening(x: Tensor, normalized: bool) -> Tensor:
    """What comes before the stages, with a quarter of the rows and columns."""
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = conv(x, 64, 7, "conv1_conv", strides=2, use_bias=True)
    if normalized:
        x = relu(norm(x, "conv1_bn", epsilon=EPSILON), "conv1_relu")
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def block(x: Tensor, filters: int, name: str, strides: int, widens: bool) -> Tensor:
    """relu(shortcut + f(x)) with f from narrow convolutions; the shortcut is a convolution where f widens."""

    def step(x: Tensor, filters: int, part: int, size: int = 1, strides: int = 1) -> Tensor:
        options = {"strides": strides, "padding": "same" if size > 1 else "valid", "use_bias": True}
        x = conv(x, filters, size, f"{name}_{part}_conv", **options)
        return norm(x, f"{name}_{part}_bn", epsilon=EPSILON)

    shortcut = step(x, 4 * filters, 0, strides=strides) if widens else x
    x = relu(step(x, filters, 1, strides=strides), f"{name}_1_relu")
    x = relu(step(x, filters, 2, 3), f"{name}_2_relu")
    x = layers.Add(name=f"{name}_add")([shortcut, step(x, 4 * filters, 3)])
    return relu(x, f"{name}_out")


def stages(x: Tensor, depths: tuple[int, ...]) -> Tensor:
    """Blocks as many as `depths` says, the first of each stage but the first with strides."""
    x = opening(x, normalized=True)
    for (stage, filters), depth in zip(STAGES.items(), depths, strict=True):
        for i in range(1, depth + 1):
            strides = 2 if i == 1 and stage != "conv2" else 1
            x = block(x, filters, f"{stage}_block{i}", strides, widens=i == 1)
    return x


@application(Architecture("resnet50", names_pooling=True))
def ResNet50(x: Tensor) -> Tensor:
    """He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015; 50 layers."""
    return stages(x, (3, 4, 6, 3))


@application(Architecture("resnet101", names_pooling=True))
def ResNet101(x: Tensor) -> Tensor:
    """He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015; 101 layers."""
    return stages(x, (3, 4, 23, 3))


@application(Architecture("resnet152", names_pooling=True))
def ResNet152(x: Tensor) -> Tensor:
    """He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015; 152 layers."""
    return stages(x, (3, 8, 36, 3))
