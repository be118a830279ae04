"""MobileNet, second version: blocks that widen, look at each channel alone, and narrow again."""

from __future__ import annotations

from functools import partial
from typing import Any

from kgraph.keras import layers
from kgraph.keras.applications.assembly import Architecture, Options, assemble
from kgraph.keras.applications.blocks import conv, halving_pad, norm, relu6
from kgraph.keras.applications.heads import averaging
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.applications.images import Sizes, channels_of
from kgraph.keras.applications.weights import CLASSES, IMAGENET
from kgraph.keras.models.model import Model
from kgraph.keras.tensor import Tensor

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("tf")

PUBLISHED_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
EXPANSION = 6
STAGES = ((16, 1, 1), (24, 2, 2), (32, 2, 3), (64, 2, 4), (96, 1, 3), (160, 2, 3), (320, 1, 1))
"""Filters, strides of the first block, and number of blocks."""

normalized = partial(norm, epsilon=1e-3, momentum=0.999)


def MobileNetV2(
    input_shape: Any = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Any = IMAGENET,
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = CLASSES,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018.

    alpha  times as many filters everywhere; in the last convolution only when that is more

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
        name or f"mobilenetv2_{alpha:0.2f}_{{rows}}",
    )
    if options.imagenet and alpha not in PUBLISHED_ALPHAS:
        fitting = f"alpha {' or '.join(map(str, PUBLISHED_ALPHAS))}"
        options.refuse("weights='imagenet' are of other widths", fitting, alpha)

    def body(x: Tensor) -> Tensor:
        x = conv(x, in_eights(32 * alpha), 3, "Conv1", strides=2, padding="same")
        x = relu6(normalized(x, "bn_Conv1"), "Conv1_relu")
        number = 0
        for filters, strides, count in STAGES:
            for i in range(count):
                x = block(x, in_eights(int(filters * alpha)), strides if i == 0 else 1, number)
                number += 1
        x = conv(x, in_eights(1280 * max(alpha, 1.0)), 1, "Conv_1")
        return relu6(normalized(x, "Conv_1_bn"), "out_relu")

    variant = {"alpha": float(alpha)}
    sizes = Sizes((224, 192, 160, 128, 96))
    return assemble(Architecture("mobilenet_v2", sizes, averaging, variant=variant), body, options)


def block(x: Tensor, filters: int, strides: int, number: int) -> Tensor:
    """x + f(x) where f keeps the shape, f(x) elsewhere. The first block does not widen."""
    channels = channels_of(x)
    name = f"block_{number}" if number else "expanded_conv"
    y = x
    if number:
        y = conv(y, EXPANSION * channels, 1, f"{name}_expand", padding="same")
        y = relu6(normalized(y, f"{name}_expand_BN"), f"{name}_expand_relu")
    padding = "same"
    if strides > 1:
        y = layers.ZeroPadding2D(halving_pad(y, 3), name=f"{name}_pad")(y)
        padding = "valid"
    depthwise = layers.DepthwiseConv2D(
        3, strides=strides, padding=padding, use_bias=False, name=f"{name}_depthwise"
    )
    y = relu6(normalized(depthwise(y), f"{name}_depthwise_BN"), f"{name}_depthwise_relu")
    y = normalized(conv(y, filters, 1, f"{name}_project", padding="same"), f"{name}_project_BN")
    return layers.Add(name=f"{name}_add")([x, y]) if strides == 1 and channels == filters else y


def in_eights(filters: float) -> int:
    """The nearest multiple of 8 that is not less than nine tenths.

    >>> [in_eights(filters) for filters in (3, 11, 12, 24, 33.6)]
    [8, 16, 16, 24, 32]
    """
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * filters else nearest
