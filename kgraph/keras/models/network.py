"""`Network`: a graph of layers between input and output tensors, and itself a layer.

The graph is found by walking the nodes back from the outputs. Calling a network on new inputs runs its layers again
on them, so masks and the training flag pass through; its own weights are those of its layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, GraphError, NotBuiltError, describe
from kgraph.ir import graph as ir
from kgraph.keras.layers.base import Layer, adopt
from kgraph.keras.layers.input import InputLayer
from kgraph.keras.layers.nodes import Node, flatten, map_structure
from kgraph.keras.models.summary import print_summary
from kgraph.keras.models.wiring import network_config, network_from_config
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.naming import distinct


class Network(Layer):
    """A directed acyclic graph of layers.

    Attributes: `inputs`, `outputs` (lists of tensors), `input_names`, `output_names`, `layers` in topological order.
    Raises GraphError when the outputs do not depend on the inputs alone, or two layers share a name.
    """

    supports_masking = True

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.input_names: list[str] = []
        self.output_names: list[str] = []
        self._is_graph_network = False
        if inputs is not None:
            self._init_graph(inputs, outputs)

    def _init_graph(self, inputs: Any, outputs: Any) -> None:
        leaves = [*flatten(inputs), *flatten(outputs)]
        if any(not isinstance(leaf, Tensor) for leaf in leaves):
            self._refuse_ends(next(leaf for leaf in leaves if not isinstance(leaf, Tensor)))
        outputs = map_structure(adopt, outputs)
        sources, ends = flatten(inputs), flatten(outputs)
        for tensor in [*sources, *ends]:
            if tensor._keras_history is None:
                self._refuse_ends(tensor)
        if len({id(t) for t in sources}) != len(sources):
            raise GraphError(
                describe("an input is listed twice", got=[t.name for t in sources], where=self.name)
            )
        nodes = sort_nodes(sources, ends, self.name)
        layers = layers_by_depth(nodes, ends)
        names = [layer.name for layer in layers]
        if len(set(names)) != len(names):
            twice = sorted(name for name, times in Counter(names).items() if times > 1)
            raise GraphError(
                describe("layer names must be unique in a model", got=f"{twice[0]!r} twice", where=self.name)
            )
        self._nested_inputs, self._nested_outputs = inputs, outputs
        self.inputs, self.outputs = sources, ends
        self._nodes, self._graph_layers = nodes, layers
        self.input_names = [t._keras_history[0].name for t in sources]
        self.output_names = (
            list(outputs) if is_flat_dict(outputs) else distinct([t._keras_history[0].name for t in ends])
        )
        self._is_graph_network = True
        self.autocast = False  # its layers see to that
        self.built = True

    def _policy_config(self) -> dict[str, Any]:
        """What the configuration says of the dtype policy: it decides whether compiling scales the loss."""
        return {} if self._dtype_policy is None else {"dtype": self._dtype_policy.name}

    def _take_policy(self, config: Mapping[str, Any]) -> None:
        if config.get("dtype") is not None:
            self.dtype_policy = config["dtype"]

    def _refuse_ends(self, got: Any) -> None:
        raise GraphError(
            describe(
                "a model goes from the outputs of layers to the outputs of layers",
                expected="tensors from Input or from calling layers",
                got=repr(got),
                where=self.name,
            )
        )

    # -- the layer side

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Run the layers, in order, on other inputs."""
        if not self._is_graph_network:
            raise NotBuiltError(describe("a subclassed model needs a call method", where=self.name))
        given = flatten(inputs)
        if len(given) != len(self.inputs):
            raise GraphError(
                describe("wrong number of inputs", expected=len(self.inputs), got=len(given), where=self.name)
            )
        known = {id(old): Tensor(new.value) for old, new in zip(self.inputs, given, strict=True)}
        for old, new, own_mask in zip(self.inputs, given, _masks(mask, given), strict=True):
            known[id(old)]._keras_mask = own_mask if own_mask is not None else new._keras_mask
        return self._run(known, training)

    def _run(
        self,
        known: dict[int, Tensor],
        training: Any = None,
        layer_for: Callable[[Layer], Layer] = lambda layer: layer,
    ) -> Any:
        """The outputs from tensors in the place of the inputs, by the ids of these.

        layer_for  gives the layer that is called in the place of one of this network
        """
        for node in self._nodes:
            if isinstance(node.layer, InputLayer):
                known.setdefault(id(node.outputs), node.outputs)
                continue
            args, kwargs = map_structure(lambda t: known.get(id(t), t), (node.args, node.kwargs))
            if training is not None:
                kwargs.setdefault("training", training)
            inputs = map_structure(lambda t: known.get(id(t), t), node.inputs)
            made = layer_for(node.layer)(inputs, *args, **kwargs)
            for old, new in zip(node.output_tensors, flatten(made), strict=True):
                known.setdefault(id(old), new)
        return map_structure(lambda t: known[id(t)], self._nested_outputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks that the layers gave to the outputs; `call` has set them already."""
        return mask

    def _set_masks(self, inputs: Any, outputs: Any, mask: Any) -> None:
        """Nothing to do: the inner layers have done it."""

    # -- looking around

    @property
    def layers(self) -> list[Layer]:
        """The layers in topological order; of a subclassed model those in its attributes."""
        return list(self._graph_layers) if self._is_graph_network else super()._sublayers()

    def _sublayers(self) -> list[Layer]:
        return self.layers

    @property
    def input(self) -> Any:
        return self.inputs[0] if len(self._require_graph().inputs) == 1 else self.inputs

    @property
    def output(self) -> Any:
        return self.outputs[0] if len(self._require_graph().outputs) == 1 else self.outputs

    @property
    def input_shape(self) -> Any:
        shapes = [t.shape for t in self._require_graph().inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        shapes = [t.shape for t in self._require_graph().outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name, or by position in `layers` (which wins). Raises ArgumentError when there is none."""
        if index is None and name is None:
            raise ArgumentError(describe("get_layer", expected="a name or an index", where=self.name))
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ArgumentError(
                    describe(
                        "no layer at this index",
                        expected=f"below {len(self.layers)}",
                        got=index,
                        where=self.name,
                    )
                )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ArgumentError(
            describe(
                "no such layer", expected=", ".join(la.name for la in self.layers), got=name, where=self.name
            )
        )

    @property
    def stateful(self) -> bool:  # type: ignore[override]  # a class attribute for plain layers
        return any(layer.stateful for layer in self.layers)

    def reset_states(self) -> None:
        """Put the states of all stateful layers back to zero."""
        for layer in self.layers:
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
                layer.reset_states()

    @property
    def state_updates(self) -> list[Any]:
        return [update for layer in self.layers if layer.stateful for update in layer.updates]

    def count_params(self) -> int:
        self._require_built()
        return sum(int(np.prod(weight.shape)) for weight in self.weights)

    def reachable(self, value: ir.Value) -> bool:
        """Whether a value can be computed from this network's inputs (and variables) alone."""
        mine = {t.value for t in self.inputs}
        leaves = {v for call in ir.topological([value], stop=mine) for v in call.inputs} | {value}
        return all(leaf in mine for leaf in leaves if isinstance(leaf, ir.Input))

    def get_config(self) -> dict[str, Any]:
        """The wiring and the configurations of the layers; of a subclassed model what its `__init__` takes.

        Raises UnsupportedError where there is no attribute for a parameter of `__init__`.
        """
        return network_config(self) if self._is_graph_network else super().get_config()

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        """A new model, with new weights, from what `get_config` gave."""
        if "input_layers" not in config:
            return cls(**config)
        return network_from_config(cls, config, custom_objects)

    def summary(self, line_length: int | None = None, positions: Any = None, print_fn: Any = None) -> None:
        """Print a table of the layers. Raises NotBuiltError before the model is built."""
        self._require_built()
        print_summary(self, line_length, positions, print_fn)

    def _require_graph(self) -> Network:
        if not self.inputs:
            raise NotBuiltError(
                describe(
                    f"model {self.name} has no graph yet", expected="an input shape, or a call on data first"
                )
            )
        return self

    def _require_built(self) -> None:
        if not self.built:
            raise NotBuiltError(
                describe(
                    f"model {self.name} is not built", expected="an input shape, or a call on data first"
                )
            )


def is_flat_dict(outputs: Any) -> bool:
    """Whether outputs are tensors by name: they are called, and given back, by these names."""
    return isinstance(outputs, dict) and all(isinstance(t, Tensor) for t in outputs.values())


def sort_nodes(inputs: Sequence[Tensor], outputs: Sequence[Tensor], where: str) -> list[Node]:
    """The nodes between inputs and outputs, inputs first. Iterative, so depth is no limit.

    Raises GraphError when an input of a needed layer is not among `inputs`.
    """
    stop = {id(t) for t in inputs}
    order: list[Node] = [_node_of(t) for t in inputs if isinstance(t._keras_history[0], InputLayer)]
    done = {id(node) for node in order}
    active: set[int] = set()
    stack: list[tuple[Node, bool]] = [
        (_node_of(t), False) for t in reversed(list(outputs)) if id(t) not in stop
    ]
    while stack:
        node, expanded = stack.pop()
        if id(node) in done:
            continue
        if expanded:
            done.add(id(node))
            order.append(node)
            continue
        if id(node) in active:
            continue
        active.add(id(node))
        if isinstance(node.layer, InputLayer) and node.layer.is_placeholder:
            raise GraphError(
                describe(
                    "the graph is disconnected: an output depends on an input that is not listed",
                    expected=", ".join(str(t.name) for t in inputs) or "inputs",
                    got=node.layer.name,
                    where=where,
                )
            )
        stack.append((node, True))
        stack += [(_node_of(t), False) for t in reversed(node.input_tensors) if id(t) not in stop]
    return order


def layers_by_depth(nodes: Sequence[Node], outputs: Sequence[Tensor]) -> list[Layer]:
    """The layers of sorted nodes, farthest from the outputs first; ties as a walk from the outputs meets them.

    A node of a shared layer is as far as the farthest of those met before it, and so are those that it depends on.
    This is Keras's order of `model.layers`, and so of the weights in its files.
    """
    depth: dict[int, int] = {}
    deepest: dict[Layer, int] = {}
    for node in reversed(nodes):
        here = max(depth.get(id(node), 0), deepest.get(node.layer, 0))
        deepest[node.layer] = here
        for tensor in node.input_tensors:
            maker = id(_node_of(tensor))
            depth[maker] = max(depth.get(maker, 0), here + 1)
    inside = {id(node) for node in nodes}
    met: dict[Layer, None] = {}
    stack, seen = [_node_of(t) for t in reversed(list(outputs))], set()
    while stack:
        node = stack.pop()
        if id(node) in seen or id(node) not in inside:
            continue
        seen.add(id(node))
        met.setdefault(node.layer)
        stack += [_node_of(t) for t in reversed(node.input_tensors)]
    unused = [node.layer for node in nodes if node.layer not in met]
    return sorted(dict.fromkeys([*unused, *met]), key=lambda layer: -deepest[layer])


def _node_of(tensor: Tensor) -> Node:
    layer, index, _ = tensor._keras_history
    return layer._inbound_nodes[index]


def _masks(mask: Any, tensors: Sequence[Tensor]) -> list[Any]:
    masks = flatten(mask)
    return masks if len(masks) == len(tensors) else [None] * len(tensors)
