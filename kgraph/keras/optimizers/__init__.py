"""Optimizers: how a step of training changes the weights, as part of the graph, and finding them by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras.optimizers import schedules
from kgraph.keras.optimizers.adam import Adam, Adamax, AdamW, Nadam
from kgraph.keras.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from kgraph.keras.optimizers.base import Optimizer, traced_updates
from kgraph.keras.optimizers.loss_scale import LossScaleOptimizer
from kgraph.keras.optimizers.sgd import SGD
from kgraph.keras.utils.lookup import Lookup

sgd, rmsprop, adagrad, adadelta = SGD, RMSprop, Adagrad, Adadelta
adam, adamw, adamax, nadam = Adam, AdamW, Adamax, Nadam

_LOOKUP = Lookup("optimizer", globals(), Optimizer)
serialize = _LOOKUP.serialize


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that a name or plain data describes; capitals in our names make no difference.

    Raises ArgumentError for an unknown name.
    """
    if isinstance(config, str):
        config = _known(config)
    elif isinstance(config, Mapping) and isinstance(config.get("class_name"), str):
        config = {**config, "class_name": _known(config["class_name"])}
    return _LOOKUP.deserialize(config, custom_objects)


def _known(name: str) -> str:
    return name.lower() if name.lower() in _LOOKUP.names else name


def get(identifier: Any) -> Any:
    """An optimizer from a name, plain data, a class, or an optimizer, which stays itself.

    Raises ArgumentError for an unknown name and for what has no `get_updates`.
    """
    found = deserialize(identifier) if isinstance(identifier, str | Mapping) else identifier
    if isinstance(found, type):
        found = found()
    if not hasattr(found, "get_updates"):
        raise ArgumentError(
            describe("not an optimizer", expected="a name, plain data or an Optimizer", got=repr(identifier))
        )
    return found


__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LossScaleOptimizer",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "deserialize",
    "get",
    "nadam",
    "rmsprop",
    "schedules",
    "serialize",
    "sgd",
    "traced_updates",
]
