"""How a layer describes itself: the keywords that every layer takes, and reading `__init__` for its configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import numpy as np

from kgraph.keras.utils.serialization import serialize_keras_object

F = TypeVar("F", bound=Callable[..., Any])

KEYWORDS = {
    "input_shape", "batch_input_shape", "batch_shape", "batch_size", "input_dtype", "dtype", "name", "trainable",
    "weights", "autocast", "activity_regularizer", "input_dim", "input_length", "dynamic",
}  # fmt: skip
# A layer that names one of these among its own parameters means its own, and has it in its configuration.
OWN = {"activity_regularizer", "input_dim", "input_length"}

KEPT_AS = {"output_shape": "output_shape_argument"}
"""Arguments whose names are those of properties that every layer has, by the attributes that keep them."""


def config_value(value: Any) -> Any:
    """An attribute as plain data: numbers, strings and nested sequences as they are, objects and functions by name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return type(value)(config_value(item) for item in value)
    if isinstance(value, dict):
        return {key: config_value(item) for key, item in value.items()}
    return serialize_keras_object(value)


def is_shape(item: Any) -> bool:
    """Whether something is one shape rather than a structure of them."""
    return isinstance(item, tuple) and all(d is None or isinstance(d, int | np.integer) for d in item)


def first_shape(kwargs: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    """The batch input shape that the keywords of a first layer ask for."""
    if kwargs.get("batch_input_shape") is not None:
        return tuple(kwargs["batch_input_shape"])
    if kwargs.get("batch_shape") is not None:
        return tuple(kwargs["batch_shape"])
    batch = kwargs.get("batch_size")
    if kwargs.get("input_shape") is not None:
        return (batch, *_as_tuple(kwargs["input_shape"]))
    if kwargs.get("input_dim") is not None:
        if "input_length" in kwargs:
            return (batch, kwargs["input_length"], kwargs["input_dim"])
        return (batch, kwargs["input_dim"])
    return None


def _as_tuple(shape: Any) -> tuple[Any, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


@cache
def parameters_of(function: Callable[..., Any]) -> frozenset[str]:
    """The names of a callable's parameters; "kwargs" stands for **anything."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return frozenset()
    return frozenset("kwargs" if p.kind is p.VAR_KEYWORD else name for name, p in found.items())


def extends(base: Callable[..., Any]) -> Callable[[F], F]:
    """Decorator of an `__init__` that hands *args and **kwargs on to `base`: it shows the parameters of both.

    Its own positional ones come first, then those of `base`, then its own that are given by name.
    """

    def decorate(function: F) -> F:
        own = inspect.signature(function).parameters
        theirs = inspect.signature(base).parameters
        shown = [p for p in own.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        shown += [p for n, p in theirs.items() if n not in own and p.kind is not p.VAR_KEYWORD]
        named = [p for p in own.values() if p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
        shown = [p for p in shown if p.kind is not p.KEYWORD_ONLY] + [
            *(p for p in shown if p.kind is p.KEYWORD_ONLY),
            *named,
        ]
        function.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # PEP 362
        return function

    return decorate


@cache
def init_parameters(cls: type, root: type) -> tuple[str, ...]:
    """The parameters of `__init__` along the inheritance chain, as long as each passes **kwargs upwards.

    A class with a get_config of its own adds its parameters itself, to what super().get_config() gives for its bases.
    """
    chain = cls.__mro__[: cls.__mro__.index(root)]
    own = [position for position, base in enumerate(chain) if "get_config" in vars(base)]
    names: dict[str, None] = {}
    for base in chain[own[-1] + 1 if own else 0 :]:
        if "__init__" not in vars(base):
            continue
        signature = inspect.signature(base.__init__)
        kinds = {p.kind for p in signature.parameters.values()}
        names.update(
            {
                name: None
                for name, p in signature.parameters.items()
                if name != "self"
                and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
                and name not in KEYWORDS - OWN
            }
        )
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return tuple(names)
