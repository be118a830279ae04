"""Inception, third version."""

from __future__ import annotations

from kgraph.keras.applications.assembly import Architecture, application
from kgraph.keras.applications.blocks import beside
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.applications.inception import (
    SIZES,
    Conv,
    averaged,
    convolved,
    halving,
    mixed,
    opening,
    reduced,
)
from kgraph.keras.tensor import Tensor

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("tf")

ROW, COLUMN = (1, 7), (7, 1)


def square(x: Tensor, average: int, name: str) -> Tensor:
    """Branches of square windows."""
    wide, double = (Conv(48), Conv(64, 5)), (Conv(64), Conv(96, 3), Conv(96, 3))
    return mixed(x, (Conv(64),), wide, double, average=average, name=name)


def crossed(x: Tensor, width: int, name: str) -> Tensor:
    """Branches of windows along the rows and along the columns."""
    once = (Conv(width), Conv(width, ROW), Conv(192, COLUMN))
    twice = (Conv(width), Conv(width, COLUMN), Conv(width, ROW), Conv(width, COLUMN), Conv(192, ROW))
    return mixed(x, (Conv(192),), once, twice, average=192, name=name)


def forked(x: Tensor, *stem: Conv, name: str | None = None) -> Tensor:
    """A branch that ends in a row and a column side by side."""
    x = convolved(x, *stem)
    return beside([convolved(x, Conv(384, (1, 3))), convolved(x, Conv(384, (3, 1)))], name)


@application(Architecture("inception_v3", SIZES))
def InceptionV3(x: Tensor) -> Tensor:
    """Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture", 2015."""
    x = opening(x)
    for i, average in enumerate((32, 64, 64)):
        x = square(x, average, f"mixed{i}")
    x = reduced(x, (halving(384),), (Conv(64), Conv(96, 3), halving(96)), name="mixed3")
    for i, width in enumerate((128, 160, 160, 192), 4):
        x = crossed(x, width, f"mixed{i}")
    cross = (Conv(192), Conv(192, ROW), Conv(192, COLUMN), halving(192))
    x = reduced(x, (Conv(192), halving(320)), cross, name="mixed8")
    for i in range(2):
        narrow = forked(x, Conv(384), name=f"mixed9_{i}")
        wide = forked(x, Conv(448), Conv(384, 3))
        x = beside([convolved(x, Conv(320)), narrow, wide, averaged(x, 192)], f"mixed{9 + i}")
    return x
