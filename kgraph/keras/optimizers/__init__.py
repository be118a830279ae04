"""Optimizers, learning-rate schedules, and finding them by name."""

from __future__ import annotations

from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras.optimizers import schedules
from kgraph.keras.optimizers.adam import Adam, Adamax, AdamW, Nadam
from kgraph.keras.optimizers.base import Optimizer
from kgraph.keras.optimizers.gradient import SGD, Adadelta, Adagrad, RMSprop
from kgraph.keras.utils.serialization import deserialize_keras_object, serialize_keras_object

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

_CLASSES = (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam)
_BY_NAME = {name: cls for cls in _CLASSES for name in (cls.__name__, cls.__name__.lower())}

sgd, rmsprop, adagrad, adadelta, adam, adamax, nadam = SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam


def serialize(optimizer: Optimizer) -> Any:
    """The optimizer as plain data."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: Any = None) -> Optimizer:
    """The optimizer of plain data. Raises ArgumentError for an unknown class."""
    return deserialize_keras_object(config, _BY_NAME, custom_objects, "optimizer")


def get(identifier: Any) -> Optimizer:
    """An optimizer from a name, a configuration or an optimizer. Raises ArgumentError for anything else."""
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str | dict):
        return deserialize(identifier)
    if hasattr(identifier, "get_updates"):
        return identifier  # a stranger that keeps the contract
    raise ArgumentError(
        describe(
            "not an optimizer",
            expected=f"one of {', '.join(sorted(_BY_NAME))}, or an Optimizer",
            got=repr(identifier),
        )
    )
