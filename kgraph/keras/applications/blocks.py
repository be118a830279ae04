"""The layers that all networks are made of, with the channels where the program has them."""

from __future__ import annotations

from typing import Any

from kgraph.keras import layers
from kgraph.keras.applications.images import channel_axis, spatial
from kgraph.keras.tensor import Tensor


def conv(x: Tensor, filters: int, size: Any = 1, name: str | None = None, **options: Any) -> Tensor:
    """A convolution; without a bias unless `use_bias` says so, as a normalisation mostly follows."""
    return layers.Conv2D(filters, size, name=name, **{"use_bias": False, **options})(x)


def norm(x: Tensor, name: str | None = None, **options: Any) -> Tensor:
    """Batch normalisation of the channels."""
    return layers.BatchNormalization(axis=channel_axis(), name=name, **options)(x)


def relu(x: Tensor, name: str | None = None) -> Tensor:
    """max(x, 0)."""
    return layers.Activation("relu", name=name)(x)


def relu6(x: Tensor, name: str | None = None) -> Tensor:
    """min(max(x, 0), 6)."""
    return layers.ReLU(6.0, name=name)(x)


def beside(tensors: list[Tensor], name: str | None = None) -> Tensor:
    """The channels of all tensors, one after the other."""
    return layers.Concatenate(axis=channel_axis(), name=name)(tensors)


def halving_pad(x: Tensor, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """What to pad on both axes so that windows `size` wide and 2 apart, without padding, halve the image.

    As "same" would have it: before an even side one less than behind. A side that is not known counts as even.
    """
    rows, columns = ((size // 2 - (side is None or side % 2 == 0), size // 2) for side in spatial(x.shape))
    return rows, columns
