"""Data sets to try a model on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.keras.datasets import digits
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.datasets import (
        boston_housing,
        california_housing,
        cifar10,
        cifar100,
        fashion_mnist,
        imdb,
        mnist,
        reuters,
    )

__all__ = [
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "imdb",
    "mnist",
    "reuters",
]

__getattr__, __dir__ = lazy_names(
    __name__, {name: f"{__name__}.{name}" for name in __all__ if name != "digits"}
)
