"""Inception-ResNet, second version: branches whose sum with what they are given goes on."""

from __future__ import annotations

from kgraph.keras.applications.assembly import Architecture, application
from kgraph.keras.applications.blocks import beside, conv, relu
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.applications.images import channels_of
from kgraph.keras.applications.inception import (
    SIZES,
    Branch,
    Conv,
    convolved,
    halving,
    mixed,
    opening,
    reduced,
)
from kgraph.keras.layers.merge import CustomScaleLayer
from kgraph.keras.tensor import Tensor

__all__ = ["CustomScaleLayer", "InceptionResNetV2", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("tf")

BRANCHES: dict[str, tuple[Branch, ...]] = {
    "block35": ((Conv(32),), (Conv(32), Conv(32, 3)), (Conv(32), Conv(48, 3), Conv(64, 3))),
    "block17": ((Conv(192),), (Conv(128), Conv(160, (1, 7)), Conv(192, (7, 1)))),
    "block8": ((Conv(192),), (Conv(192), Conv(224, (1, 3)), Conv(256, (3, 1)))),
}


def blocks(x: Tensor, kind: str, count: int, scale: float, last: bool = False) -> Tensor:
    """`count` times relu(x + scale * f(x)). In the last block of all the sum is what it is."""
    for i in range(1, count + 1):
        ends = last and i == count
        name = f"{kind}_{i}"
        y = beside([convolved(x, *branch) for branch in BRANCHES[kind]], f"{name}_mixed")
        y = conv(y, channels_of(x), 1, f"{name}_conv", padding="same", use_bias=True)
        x = CustomScaleLayer(1.0 if ends else scale)([x, y])
        x = x if ends else relu(x, f"{name}_ac")
    return x


@application(Architecture("inception_resnet_v2", SIZES))
def InceptionResNetV2(x: Tensor) -> Tensor:
    """Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the impact of residuals", 2016."""
    x = opening(x)
    wide, double = (Conv(48), Conv(64, 5)), (Conv(64), Conv(96, 3), Conv(96, 3))
    x = mixed(x, (Conv(96),), wide, double, average=64, name="mixed_5b")
    x = blocks(x, "block35", 10, 0.17)
    x = reduced(x, (halving(384),), (Conv(256), Conv(256, 3), halving(384)), name="mixed_6a")
    x = blocks(x, "block17", 20, 0.1)
    once, twice = (Conv(256), halving(288)), (Conv(256), Conv(288, 3), halving(320))
    x = reduced(x, (Conv(256), halving(384)), once, twice, name="mixed_7a")
    x = blocks(x, "block8", 10, 0.2, last=True)
    return convolved(x, Conv(1536), name="conv_7b")
