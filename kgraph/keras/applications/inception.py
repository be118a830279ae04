"""Inception: branches of convolutions side by side. What its third version and Inception-ResNet share."""

from __future__ import annotations

from typing import NamedTuple

from kgraph.keras import layers
from kgraph.keras.applications.blocks import beside, conv, norm, relu
from kgraph.keras.applications.images import Sizes
from kgraph.keras.tensor import Tensor

SIZES = Sizes((299,), least=75)


class Conv(NamedTuple):
    """One convolution of a branch."""

    filters: int
    size: int | tuple[int, int] = 1
    strides: int = 1
    padding: str = "same"


Branch = tuple[Conv, ...]


def halving(filters: int) -> Conv:
    """A convolution that halves rows and columns."""
    return Conv(filters, 3, 2, "valid")


def convolved(x: Tensor, *branch: Conv, name: str | None = None) -> Tensor:
    """Convolutions one after the other, each normalised and activated."""
    for filters, size, strides, padding in branch:
        x = conv(x, filters, size, name, strides=strides, padding=padding)
        x = norm(x, name and f"{name}_bn", scale=False)
        x = relu(x, name and f"{name}_ac")
    return x


def opening(x: Tensor) -> Tensor:
    """What comes before the branches, with an eighth of the rows and columns."""
    x = convolved(x, halving(32), Conv(32, 3, padding="valid"), Conv(64, 3))
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = convolved(x, Conv(80, padding="valid"), Conv(192, 3, padding="valid"))
    return layers.MaxPooling2D(3, strides=2)(x)


def averaged(x: Tensor, filters: int) -> Tensor:
    """The branch of a mean over neighbours."""
    return convolved(layers.AveragePooling2D(3, strides=1, padding="same")(x), Conv(filters))


def mixed(x: Tensor, *branches: Branch, average: int, name: str) -> Tensor:
    """Branches side by side, the last one of averages."""
    return beside([*(convolved(x, *branch) for branch in branches), averaged(x, average)], name)


def reduced(x: Tensor, *branches: Branch, name: str) -> Tensor:
    """Branches that halve rows and columns, and the largest of what is there."""
    pool = layers.MaxPooling2D(3, strides=2)
    return beside([*(convolved(x, *branch) for branch in branches), pool(x)], name)
