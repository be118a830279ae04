"""Calls of layers as plain data: the forms of Keras 1, 2 and 3, and what stands for tensors and arrays in them.

Keras 3 writes a call as {"args", "kwargs"}, with tensors as entries of class "__keras_tensor__". Before, it was a list:
for each tensor that the layer was called on [layer, node, tensor, keyword arguments], where tensors among the keyword
arguments are [layer, node, tensor]; the nodes of a model within the model count from 1, because every model had one
from its own inputs to its outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.keras.layers.nodes import map_structure

ARRAYS = ("__numpy__", "__tensor__")
ENDS = ("input_layers", "output_layers")


def tensor_entry(shape: Any, dtype: str | None, history: Any) -> dict[str, Any]:
    """A tensor in a call."""
    config = {"shape": shape, "dtype": dtype, "keras_history": list(history)}
    return {"class_name": "__keras_tensor__", "config": config}


def numpy_entry(array: Any) -> dict[str, Any]:
    """An array in a call."""
    return {
        "class_name": "__numpy__",
        "config": {"value": np.asarray(array).tolist(), "dtype": np.asarray(array).dtype.name},
    }


def is_tensor(item: Any) -> bool:
    """Whether something stands for a tensor in a call."""
    return isinstance(item, Mapping) and item.get("class_name") == "__keras_tensor__"


def is_value(item: Any) -> bool:
    """Whether something stands for an array, a slice or an ellipsis in a call."""
    return isinstance(item, Mapping) and item.get("class_name") in (*ARRAYS, "__slice__", "__ellipsis__")


def value_entry(value: Any) -> Any:
    """An array, a slice or an ellipsis in a call. Anything else stands for itself."""
    if isinstance(value, slice):
        config = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": config}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    return numpy_entry(value) if isinstance(value, np.ndarray) else value


def value_of(item: Mapping[str, Any]) -> Any:
    """What `value_entry` wrote. Raises FileError for damaged entries."""
    if item["class_name"] == "__ellipsis__":
        return ...
    if item["class_name"] == "__slice__":
        config = item.get("config")
        parts = (
            [config.get(key) for key in ("start", "stop", "step")] if isinstance(config, Mapping) else [""]
        )
        if not all(part is None or isinstance(part, int) for part in parts):
            raise FileError(describe("a damaged slice in a configuration", got=repr(item)[:200]))
        return slice(*parts)
    return array_of(item)


def array_of(item: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """The array that an entry stands for. Raises FileError for what is none."""
    try:
        array = np.asarray(item["config"]["value"], dtype=np.dtype(item["config"]["dtype"]))
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(describe("a damaged array in a configuration", got=str(error))) from None
    if array.dtype.kind not in "biuf":
        raise FileError(describe("an array in a configuration", expected="numbers", got=array.dtype.name))
    return array


def is_history(item: Any) -> bool:
    """Whether something is [layer name, node number, tensor number]."""
    return (
        isinstance(item, list | tuple)
        and len(item) == 3
        and isinstance(item[0], str)
        and all(isinstance(n, int) and not isinstance(n, bool) for n in item[1:])
    )


def history_of(item: Mapping[str, Any]) -> tuple[str, int, int]:
    """The history of a tensor entry. Raises FileError for a damaged one."""
    config = item.get("config")
    history = config.get("keras_history") if isinstance(config, Mapping) else None
    if not is_history(history):
        raise FileError(
            describe("a damaged tensor in the wiring", expected="[layer, node, tensor]", got=repr(item)[:200])
        )
    name, node, position = history  # type: ignore[misc]  # is_history has looked
    return name, node, position


def call_nodes(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a functional model with its calls and ends in the form of Keras 3.

    Raises FileError for parts that are missing or of the wrong kind.
    """
    config = _with_stacks(config)
    _check(config)
    if all(_is_call(node) for entry in config["layers"] for node in entry["inbound_nodes"]):
        return dict(config)
    offsets = _offsets(config)

    def revive(item: Any) -> Any:
        if item[0] == "_CONSTANT_VALUE":  # a number or array among tensors, in tf.keras
            return item[2]
        name, node, position = item[:3]
        return tensor_entry(None, None, (name, node - offsets.get(name, 0), position))

    def call(node: Any) -> dict[str, Any]:
        if _is_call(node):
            return dict(node)
        references = list(_references(node))
        inputs = node[0] if len(references) == 1 and isinstance(node, list | tuple) else node
        kwargs = references[0][3] if references and len(references[0]) == 4 else None
        return {
            "args": [map_structure(revive, inputs, _is_reference)],
            "kwargs": map_structure(lambda i: revive(i) if is_history(i) else i, kwargs or {}, is_history),
        }

    layers = [
        {**entry, "inbound_nodes": [call(node) for node in entry["inbound_nodes"]]}
        for entry in config["layers"]
    ]
    functional = {entry["name"] for entry in config["layers"] if "input_layers" in entry["config"]}

    def end(history: Any) -> list[Any]:
        name, node, position = history
        return [name, node if name in functional else node - offsets.get(name, 0), position]

    # There a functional model counts from 1 in every Keras.
    ends = {key: map_structure(end, _single(config[key]), is_history) for key in ENDS}
    return {**config, "layers": layers, **ends}


def _with_stacks(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration in which Sequential models, whose own was a list of layers in Keras 1, have their names."""
    layers = config.get("layers")
    if not isinstance(layers, list | tuple):
        return config

    def named(entry: Any) -> Any:
        stack = entry.get("config") if isinstance(entry, Mapping) else None
        if not isinstance(stack, list) or entry.get("class_name") != "Sequential":
            return entry
        return {**entry, "config": {"name": entry.get("name"), "layers": stack}}

    return {**config, "layers": [named(entry) for entry in layers]}


def _check(config: Mapping[str, Any]) -> None:
    """Raise FileError unless the parts of a functional model are there, each of its kind."""
    name = str(config.get("name"))
    if not isinstance(config.get("layers"), list | tuple):
        _refuse("a functional model without layers", config.get("layers"), name)
    for entry in config["layers"]:
        good = (
            isinstance(entry, Mapping)
            and isinstance(entry.get("name"), str)
            and isinstance(entry.get("config"), Mapping)
            and isinstance(entry.get("inbound_nodes"), list | tuple)
        )
        if not good:
            _refuse("a damaged layer in a functional model", entry, name)
        for node in entry["inbound_nodes"]:
            if not _is_call(node) and not list(_references(node)):
                _refuse("a damaged call in the wiring", node, entry["name"])
    for key in ENDS:
        ends = config.get(key)
        if not isinstance(ends, list | tuple | Mapping) or not ends:
            _refuse(f"a functional model without {key}", ends, name)
        map_structure(lambda item: _check_end(item, name), ends, is_history)


def _check_end(item: Any, name: str) -> None:
    if not is_history(item):
        _refuse("a damaged end of a functional model", item, name)


def _refuse(summary: str, got: Any, where: str) -> NoReturn:
    raise FileError(describe(summary, got=repr(got)[:200], where=where))


def _is_call(node: Any) -> bool:
    """Whether a node is in the form of Keras 3."""
    return (
        isinstance(node, Mapping)
        and isinstance(node.get("args"), list | tuple)
        and isinstance(node.get("kwargs"), Mapping)
    )


def _is_reference(item: Any) -> bool:
    """Whether something is a tensor, or a constant, as it stands in a call in the form of Keras 2."""
    return (
        isinstance(item, list | tuple)
        and len(item) in (3, 4)
        and (is_history(item[:3]) or item[0] == "_CONSTANT_VALUE")
        and (len(item) == 3 or isinstance(item[3], Mapping))
    )


def _references(item: Any) -> Iterator[Any]:
    """The tensors among lists and dicts, in order, without those among keyword arguments."""
    if _is_reference(item):
        yield item
    elif isinstance(item, list | tuple | Mapping):
        for inner in item.values() if isinstance(item, Mapping) else item:
            yield from _references(inner)


def _offsets(config: Mapping[str, Any]) -> dict[str, int]:
    """For each model within the model, 1 if its nodes count from 1, as no mention of a node 0 tells, else 0."""
    inner = {entry["name"] for entry in config["layers"] if "layers" in entry["config"]}
    least: dict[str, int] = {}
    mentioned = [list(item) for key in ENDS for item in _references(config[key])]
    for entry in config["layers"]:
        for reference in _references(entry["inbound_nodes"]):
            mentioned.append(reference)
            mentioned += _references(reference[3] if len(reference) == 4 else ())
    for name, node, *_ in mentioned:
        if name in inner:
            least[name] = min(node, least.get(name, 1))
    return least


def _single(ends: Any) -> Any:
    """One end in a list is that end alone: Keras 2 made no difference."""
    return ends[0] if not isinstance(ends, Mapping) and len(ends) == 1 else ends
