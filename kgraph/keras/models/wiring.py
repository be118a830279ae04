"""The wiring of a functional model as plain data and back, in the form of Keras 3.

    {"name", "layers": [{"name", "class_name", "config", "inbound_nodes"}], "input_layers", "output_layers"}

An inbound node is one call of a layer, {"args": [...], "kwargs": {...}}. A tensor in it is written as
{"class_name": "__keras_tensor__", "config": {"shape", "dtype", "keras_history": [layer name, node, tensor]}}, an array
as "__numpy__". The ends of the model are such histories, nested as the inputs and outputs are; there, as in Keras, the
nodes of a model within the model count from 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kgraph.errors import FileError, GraphError, UnsupportedError, describe
from kgraph.ir.graph import Constant, topological
from kgraph.keras.layers.base import TensorOp
from kgraph.keras.layers.config import config_value
from kgraph.keras.layers.nodes import Node, flatten, map_structure
from kgraph.keras.layers.operations import Operation, is_number, spelling
from kgraph.keras.layers.registry import deserialize
from kgraph.keras.saving.dialects.nodes import (
    call_nodes,
    history_of,
    is_history,
    is_tensor,
    is_value,
    numpy_entry,
    tensor_entry,
    value_entry,
    value_of,
)
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.custom_objects import get_registered_name

History = tuple[str, int, int]


def network_config(network: Any) -> dict[str, Any]:
    """The configuration of a functional model."""
    calls: dict[Any, list[Node]] = {layer: [] for layer in network._graph_layers}
    inside = {id(node) for node in network._nodes}
    for layer, nodes in calls.items():
        nodes += [node for node in layer._inbound_nodes if id(node) in inside]
    index = {id(node): i for nodes in calls.values() for i, node in enumerate(nodes)}
    layers: list[dict[str, Any]] = []
    for layer, nodes in calls.items():
        if isinstance(layer, TensorOp):
            layers += _steps(layer, nodes[0], index)
            continue
        layers.append(
            {
                "name": layer.name,
                "class_name": get_registered_name(type(layer)),
                "config": layer.get_config(),
                "inbound_nodes": [_node_config(node, index) for node in nodes if node.input_tensors],
            }
        )
    first = {entry["name"]: _first_number(entry) for entry in layers}

    def end(tensor: Tensor) -> list[Any]:
        name, node, position = _history(tensor, index)
        return [name, node + first[name], position]

    return {
        "name": network.name,
        "layers": layers,
        "input_layers": map_structure(end, network._nested_inputs),
        "output_layers": map_structure(end, network._nested_outputs),
        **network._policy_config(),
    }


def network_from_config(cls: Any, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
    """A new model, with new weights, from its configuration; nodes in the form of Keras 2 are understood.

    Raises FileError for two layers of one name and for references to nowhere, GraphError for layers that wait for each
    other.
    """
    config = call_nodes(config)
    layers: dict[str, Any] = {}
    for entry in config["layers"]:
        if entry["name"] in layers:
            raise FileError(describe("two layers have the same name", got=entry["name"]))
        described = {key: value for key, value in entry.items() if key not in ("name", "inbound_nodes")}
        layers[entry["name"]] = deserialize(described, custom_objects)
    made = _Made(layers)
    for name, node in _in_order(config["layers"], made):
        args, kwargs = map_structure(made.revive, (node["args"], node["kwargs"]), _is_leaf)
        made.add(name, layers[name](*args, **kwargs))
    first = {entry["name"]: _first_number(entry) for entry in config["layers"]}

    def end(history: Any) -> Tensor:
        name, node, position = history
        return made.tensor((name, node - first.get(name, 0), position))

    inputs, outputs = (
        map_structure(end, config[key], is_history) for key in ("input_layers", "output_layers")
    )
    model = cls(inputs, outputs, name=config.get("name"))
    model._take_policy(config)
    return model


class _Made:
    """The outputs of the calls that were made so far, by layer and number of the call."""

    def __init__(self, layers: Mapping[str, Any]) -> None:
        self._outputs: dict[str, list[list[Tensor]]] = {name: [] for name in layers}
        for name, layer in layers.items():
            if hasattr(layer, "is_placeholder"):
                self.add(name, layer.input)

    def add(self, name: str, outputs: Any) -> None:
        self._outputs[name].append(flatten(outputs))

    def has(self, history: History) -> bool:
        """Whether the call was made. Raises FileError when there is no such layer."""
        name, node, _ = history
        if name not in self._outputs:
            raise FileError(describe("the wiring mentions a layer that is not there", got=name))
        return node < len(self._outputs[name])

    def tensor(self, history: History) -> Tensor:
        name, node, position = history
        if not self.has(history) or node < 0 or not 0 <= position < len(self._outputs[name][node]):
            raise FileError(
                describe("the wiring mentions an output that is not there", got=list(history), where=name)
            )
        return self._outputs[name][node][position]

    def revive(self, item: Any) -> Any:
        """What stands in a call: a tensor, an array, or the thing itself."""
        if is_tensor(item):
            return self.tensor(history_of(item))
        return value_of(item) if is_value(item) else item


def _in_order(entries: Any, made: _Made) -> Iterator[tuple[str, Any]]:
    """The calls of all layers in an order in which each has its inputs, those of one layer one after another.

    Raises GraphError when some wait for each other.
    """
    queues = {entry["name"]: deque(entry["inbound_nodes"]) for entry in entries}
    waiting: dict[tuple[str, int], list[str]] = {}
    ready = deque(name for name, queue in queues.items() if queue)
    done = dict.fromkeys(queues, 0)
    while ready:
        name = ready.popleft()
        while queues[name]:
            missing = next((h for h in _needs(queues[name][0]) if not made.has(h)), None)
            if missing is not None:
                waiting.setdefault((missing[0], missing[1]), []).append(name)
                break
            yield name, queues[name].popleft()
            ready += waiting.pop((name, done[name]), ())
            done[name] += 1
    stuck = sorted(name for name, queue in queues.items() if queue)
    if stuck:
        raise GraphError(
            describe("the wiring of the model leads nowhere", got=f"layers {', '.join(stuck[:8])}")
        )


def _needs(node: Mapping[str, Any]) -> list[History]:
    found: list[History] = []
    _walk(lambda item: found.append(history_of(item)) if is_tensor(item) else None, node)
    return found


def _walk(visit: Callable[[Any], None], node: Mapping[str, Any]) -> None:
    map_structure(visit, (node["args"], node["kwargs"]), _is_leaf)


def _is_leaf(item: Any) -> bool:
    return is_tensor(item) or is_value(item)


def _first_number(entry: Mapping[str, Any]) -> int:
    """From where the calls of a layer count at the ends of the model: that of a functional model from 1."""
    return 1 if "input_layers" in entry["config"] else 0


def _history(tensor: Tensor, index: Mapping[int, int]) -> History:
    layer, node, position = tensor._keras_history
    return layer.name, index[id(layer._inbound_nodes[node])], position


def _steps(layer: TensorOp, node: Node, index: Mapping[int, int]) -> list[dict[str, Any]]:
    """What bare operators between layers compute, as entries of operations, of which the last has the layer's name."""
    known: dict[Any, Any] = {
        value: tensor_entry(tensor.shape, tensor.dtype, _history(tensor, index))
        for value, tensor in zip(layer.operands, flatten(node.inputs), strict=True)
    }

    def written(value: Any) -> Any:
        if value in known:
            return known[value]
        if isinstance(value, Constant):
            return value.array.item() if value.array.ndim == 0 else numpy_entry(value.array)
        raise UnsupportedError(
            describe(
                "bare operators between layers use a variable",
                expected="a custom layer, which has the variable",
                got=value,
                where=layer.name,
            )
        )

    entries = []
    calls = topological([layer.result], stop=set(layer.operands))
    for number, call in enumerate(calls, 1):
        name = layer.name if number == len(calls) else f"{layer.name}_step_{number}"
        operation, settings, further = spelling(call, layer.name)
        # The bounds of a Clip are settings.
        inputs = [written(value) for value in call.inputs[: 1 if operation == "Clip" else None]]
        args = [inputs] if operation == "Concatenate" else inputs
        config = {"name": name, "trainable": True, "operation": operation, "settings": settings}
        entries.append(
            {
                "name": name,
                "class_name": "Operation",
                "config": config,
                "inbound_nodes": [{"args": [*args, *map_structure(value_entry, further)], "kwargs": {}}],
            }
        )
        made = Tensor(call.results[0])
        known[made.value] = tensor_entry(made.shape, made.dtype, (name, 0, 0))
    return entries


def _node_config(node: Node, index: Mapping[int, int]) -> dict[str, Any]:
    def written(item: Any) -> Any:
        if isinstance(item, Tensor) and item._keras_history is not None:
            return tensor_entry(item.shape, item.dtype, _history(item, index))
        if isinstance(item, Tensor) and isinstance(item.value, Constant):
            of_operation = isinstance(node.layer, Operation) and is_number(item)
            return item.value.array.item() if of_operation else numpy_entry(item.value.array)
        if isinstance(item, Tensor):
            raise UnsupportedError(
                describe(
                    "a layer is called on a tensor that is neither an input nor the output of a layer",
                    expected="tensors of the model, or arrays",
                    got=item.name,
                    where=node.layer.name,
                )
            )
        entry = value_entry(item)
        return config_value(entry) if entry is item else entry

    args, kwargs = map_structure(written, ([node.inputs, *node.args], node.kwargs))
    return {"args": args, "kwargs": kwargs}
