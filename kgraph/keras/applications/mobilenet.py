"""MobileNet: a convolution of each channel alone and one across channels, in turns."""

from __future__ import annotations

from typing import Any

from kgraph.keras import layers
from kgraph.keras.applications.assembly import Architecture, Options, assemble
from kgraph.keras.applications.blocks import conv, norm, relu6
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.applications.images import Sizes
from kgraph.keras.applications.weights import CLASSES, IMAGENET
from kgraph.keras.layers.arguments import positive_int
from kgraph.keras.models.model import Model
from kgraph.keras.tensor import Tensor

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("tf")

PUBLISHED_ALPHAS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
"""The widths that weights are published for, as their files have them."""
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Filters and strides of the blocks."""


def MobileNet(
    input_shape: Any = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
    include_top: bool = True,
    weights: Any = IMAGENET,
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = CLASSES,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017.

    alpha             times as many filters everywhere
    depth_multiplier  times as many channels between the two convolutions of a block
    dropout           of the classifier

    The rest is as `Application` has it, and so is what it raises.
    """
    options = Options(
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name or f"mobilenet_{alpha:0.2f}_{{rows}}",
    )
    positive_int(depth_multiplier, "depth_multiplier")
    if options.imagenet and (alpha not in PUBLISHED_ALPHAS or depth_multiplier != 1):
        fitting = f"alpha {' or '.join(map(str, PUBLISHED_ALPHAS))}, and depth_multiplier 1"
        options.refuse("weights='imagenet' are of other widths", fitting, (alpha, depth_multiplier))

    def body(x: Tensor) -> Tensor:
        x = conv(x, int(32 * alpha), 3, "conv1", strides=2, padding="same")
        x = relu6(norm(x, "conv1_bn"), "conv1_relu")
        for i, (filters, strides) in enumerate(BLOCKS, 1):
            x = block(x, int(filters * alpha), depth_multiplier, strides, i)
        return x

    def head(x: Tensor, classes: int, activation: Any) -> Tensor:
        x = layers.Dropout(dropout, name="dropout")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        x = conv(x, classes, 1, "conv_preds", padding="same", use_bias=True)
        x = layers.Reshape((classes,), name="reshape_2")(x)
        return layers.Activation(activation, name="predictions")(x)

    variant = {"alpha": PUBLISHED_ALPHAS.get(alpha)}
    return assemble(
        Architecture("mobilenet", Sizes((224, 192, 160, 128)), head, variant=variant), body, options
    )


def block(x: Tensor, filters: int, multiplier: int, strides: int, number: int) -> Tensor:
    """Windows of each channel, then sums of the channels at each position."""
    padding = "same"
    if strides > 1:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x)
        padding = "valid"
    depthwise = layers.DepthwiseConv2D(
        3,
        strides=strides,
        padding=padding,
        depth_multiplier=multiplier,
        use_bias=False,
        name=f"conv_dw_{number}",
    )
    x = relu6(norm(depthwise(x), f"conv_dw_{number}_bn"), f"conv_dw_{number}_relu")
    x = conv(x, filters, 1, f"conv_pw_{number}", padding="same")
    return relu6(norm(x, f"conv_pw_{number}_bn"), f"conv_pw_{number}_relu")
