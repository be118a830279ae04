"""What programs import from `keras.utils.generic_utils`: small helpers, and names that are defined elsewhere."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from kgraph.errors import ArgumentTypeError, describe
from kgraph.keras.utils.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
)
from kgraph.keras.utils.naming import to_snake_case
from kgraph.keras.utils.progbar import Progbar
from kgraph.keras.utils.serialization import (
    deserialize_keras_object,
    has_arg,
    serialize_keras_object,
)

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "check_for_unexpected_keys",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "getargspec",
    "has_arg",
    "is_all_none",
    "object_list_uid",
    "serialize_keras_object",
    "slice_arrays",
    "to_list",
    "to_snake_case",
    "transpose_shape",
    "unpack_singleton",
]

getargspec = inspect.getfullargspec


def to_list(x: Any, allow_tuple: bool = False) -> list[Any]:
    """A list as it is; with `allow_tuple` a tuple as a list; anything else as the only entry of one."""
    if isinstance(x, list):
        return x
    return list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x: Any) -> Any:
    """The only entry of a list or tuple of one; anything else as it is."""
    return x[0] if isinstance(x, list | tuple) and len(x) == 1 else x


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether it is None, or a list or tuple of nothing else."""
    found = iterable_or_element if isinstance(iterable_or_element, list | tuple) else [iterable_or_element]
    return all(entry is None for entry in found)


def object_list_uid(object_list: Any) -> str:
    """A text that is the same for the same objects in the same order."""
    return ", ".join(str(id(entry)) for entry in to_list(object_list))


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """Some samples of an array, or of each array in a list: from `start` to before `stop`, or those with the numbers
    in `start`. None stays None.
    """
    if isinstance(arrays, list):
        return [slice_arrays(array, start, stop) for array in arrays]
    if arrays is None:
        return None
    if isinstance(start, list | tuple | np.ndarray):
        return arrays[np.asarray(start)]
    return arrays[start:stop]


def transpose_shape(shape: tuple[Any, ...], target_format: str, spatial_axes: Iterable[int]) -> Any:
    """A shape [batch, *spatial, channels] in another format: with "channels_first" the last entry comes second.

    Raises ArgumentTypeError for another format.

    >>> transpose_shape((16, 128, 128, 32), "channels_first", (1, 2))
    (16, 32, 128, 128)
    """
    if target_format == "channels_last":
        return shape
    if target_format != "channels_first":
        raise ArgumentTypeError(
            describe("bad format", expected="channels_first or channels_last", got=repr(target_format))
        )
    return type(shape)([shape[0], shape[-1], *(shape[axis] for axis in spatial_axes)])


def check_for_unexpected_keys(
    name: str, input_dict: Mapping[str, Any], expected_values: Collection[str]
) -> None:
    """Raise ArgumentTypeError for keys that are not expected."""
    if strange := [key for key in input_dict if key not in expected_values]:
        raise ArgumentTypeError(
            describe(f"unknown keys in {name}", expected=list(expected_values), got=strange)
        )
