"""ResNet, second version: normalisation and activation before the convolutions, so that the sum stays as it is."""

from __future__ import annotations

from kgraph.keras import layers
from kgraph.keras.applications.assembly import Architecture, application
from kgraph.keras.applications.blocks import conv, norm, relu
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.applications.resnet import EPSILON, STAGES, opening
from kgraph.keras.tensor import Tensor

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("tf")


def block(x: Tensor, filters: int, name: str, strides: int, widens: bool) -> Tensor:
    """shortcut + f(relu(norm(x))) with f from narrow convolutions."""
    ready = relu(norm(x, f"{name}_preact_bn", epsilon=EPSILON), f"{name}_preact_relu")
    if widens:
        shortcut = conv(ready, 4 * filters, 1, f"{name}_0_conv", strides=strides, use_bias=True)
    else:
        shortcut = layers.MaxPooling2D(1, strides=strides)(x) if strides > 1 else x
    y = conv(ready, filters, 1, f"{name}_1_conv")
    y = relu(norm(y, f"{name}_1_bn", epsilon=EPSILON), f"{name}_1_relu")
    y = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(y)
    y = conv(y, filters, 3, f"{name}_2_conv", strides=strides)
    y = relu(norm(y, f"{name}_2_bn", epsilon=EPSILON), f"{name}_2_relu")
    y = conv(y, 4 * filters, 1, f"{name}_3_conv", use_bias=True)
    return layers.Add(name=f"{name}_out")([shortcut, y])


def stages(x: Tensor, depths: tuple[int, ...]) -> Tensor:
    """Blocks as many as `depths` says, the last of each stage but the last with strides."""
    x = opening(x, normalized=False)
    for (stage, filters), depth in zip(STAGES.items(), depths, strict=True):
        for i in range(1, depth + 1):
            strides = 2 if i == depth and stage != "conv5" else 1
            x = block(x, filters, f"{stage}_block{i}", strides, widens=i == 1)
    return relu(norm(x, "post_bn", epsilon=EPSILON), "post_relu")


@application(Architecture("resnet50v2", names_pooling=True))
def ResNet50V2(x: Tensor) -> Tensor:
    """He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", 2016; 50 layers."""
    return stages(x, (3, 4, 6, 3))


@application(Architecture("resnet101v2", names_pooling=True))
def ResNet101V2(x: Tensor) -> Tensor:
    """He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", 2016; 101 layers."""
    return stages(x, (3, 4, 23, 3))


@application(Architecture("resnet152v2", names_pooling=True))
def ResNet152V2(x: Tensor) -> Tensor:
    """He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", 2016; 152 layers."""
    return stages(x, (3, 8, 36, 3))
