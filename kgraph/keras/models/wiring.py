"""The wiring of a functional model as plain data and back, in Keras's form.

    {"name", "layers": [{"name", "class_name", "config", "inbound_nodes"}], "input_layers", "output_layers"}

An inbound node lists, for each tensor a layer was called on, [layer name, node index, tensor index, keyword
arguments]; tensors among the keyword arguments (the initial state of an RNN, say) are written as such triples
too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgraph.errors import GraphError, UnsupportedError, describe
from kgraph.keras.layers.config import config_value
from kgraph.keras.layers.nodes import Node, flatten, map_structure
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.custom_objects import get_registered_name
from kgraph.keras.utils.serialization import deserialize_keras_object


def network_config(network: Any) -> dict[str, Any]:
    """The configuration of a functional model.

    Raises UnsupportedError for a subclassed model, which only its class can make again.
    """
    if not network._is_graph_network:
        raise UnsupportedError(
            describe(
                f"{type(network).__name__} is a subclassed model: its structure is in its code, not in data",
                expected="a Sequential or functional model, or save_weights",
                where=network.name,
            )
        )
    index = _node_indices(network)
    layers = []
    for layer in network._graph_layers:
        nodes = [n for n in network._nodes if n.layer is layer and n.input_tensors]
        layers.append(
            {
                "name": layer.name,
                "class_name": get_registered_name(type(layer)),
                "config": layer.get_config(),
                "inbound_nodes": [_node_config(node, index) for node in nodes],
            }
        )
    return {
        "name": network.name,
        "layers": layers,
        "input_layers": [_reference(t, index) for t in network.inputs],
        "output_layers": [_reference(t, index) for t in network.outputs],
    }


def network_from_config(cls: Any, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
    """A new model, with new weights, from its configuration. Raises GraphError for wiring that leads nowhere."""
    layers = {
        entry["name"]: deserialize_keras_object(
            {"class_name": entry["class_name"], "config": entry["config"]}, custom_objects=custom_objects
        )
        for entry in config["layers"]
    }
    pending = [(entry["name"], node) for entry in config["layers"] for node in entry["inbound_nodes"]]
    counts = dict.fromkeys(layers, 0)
    for entry in config["layers"]:
        if not entry["inbound_nodes"] and hasattr(layers[entry["name"]], "is_placeholder"):
            counts[entry["name"]] = 1
    while pending:
        ready = [(name, node) for name, node in pending if _is_ready(name, node, counts, pending)]
        if not ready:
            names = ", ".join(sorted({name for name, _ in pending}))
            raise GraphError(describe("the wiring of the model leads nowhere", got=f"layers {names}"))
        for name, node in ready:
            _call(layers[name], node, layers)
            counts[name] += 1
            pending.remove((name, node))
    inputs = [_tensor(reference, layers) for reference in _references(config["input_layers"])]
    outputs = [_tensor(reference, layers) for reference in _references(config["output_layers"])]
    return cls(
        inputs[0] if len(inputs) == 1 else inputs,
        outputs[0] if len(outputs) == 1 else outputs,
        name=config.get("name"),
    )


def _node_indices(network: Any) -> dict[int, int]:
    """The number of each node among those of its layer that belong to the network."""
    indices: dict[int, int] = {}
    for layer in network._graph_layers:
        inside = [n for n in layer._inbound_nodes if any(n is m for m in network._nodes)]
        indices.update({id(node): i for i, node in enumerate(inside)})
    return indices


def _reference(tensor: Tensor, index: Mapping[int, int]) -> list[Any]:
    layer, node, position = tensor._keras_history
    return [layer.name, index[id(layer._inbound_nodes[node])], position]


def _node_config(node: Node, index: Mapping[int, int]) -> list[Any]:
    def describe_argument(item: Any) -> Any:
        return _reference(item, index) if isinstance(item, Tensor) else config_value(item)

    kwargs = map_structure(describe_argument, node.kwargs)
    return [[*_reference(tensor, index), kwargs] for tensor in flatten(node.inputs)]


def _references(entries: Any) -> list[Any]:
    """One reference or a list of them."""
    return [entries] if entries and isinstance(entries[0], str) else list(entries)


def _is_reference(item: Any) -> bool:
    return (
        isinstance(item, list | tuple)
        and len(item) == 3
        and isinstance(item[0], str)
        and isinstance(item[1], int)
        and isinstance(item[2], int)
    )


def _needed(node: Any) -> list[Any]:
    found = [entry[:3] for entry in node]
    for entry in node:
        if len(entry) > 3:
            stack = list(entry[3].values())
            while stack:
                item = stack.pop()
                if _is_reference(item):
                    found.append(item)
                elif isinstance(item, list | tuple):
                    stack += list(item)
    return found


def _is_ready(name: str, node: Any, counts: Mapping[str, int], pending: list[Any]) -> bool:
    """Whether all tensors of a node exist, and no earlier node of the same layer still waits."""
    first = next(other for other in pending if other[0] == name)
    return first[1] is node and all(
        maker in counts and counts[maker] > number for maker, number, _ in _needed(node)
    )


def _call(layer: Any, node: Any, layers: Mapping[str, Any]) -> None:
    tensors = [_tensor(entry[:3], layers) for entry in node]
    kwargs = node[0][3] if len(node[0]) > 3 else {}
    kwargs = map_structure(
        lambda item: _tensor(item, layers) if _is_reference(item) else item, kwargs, is_leaf=_is_reference
    )
    layer(tensors[0] if len(tensors) == 1 else tensors, **kwargs)


def _tensor(reference: Any, layers: Mapping[str, Any]) -> Tensor:
    name, node, position = reference
    return flatten(layers[name]._inbound_nodes[node].outputs)[position]
