"""`Sequential`: a stack of layers."""

from __future__ import annotations

from typing import Any

from kgraph.errors import ArgumentError, ArgumentTypeError, describe
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.input import Input, InputLayer
from kgraph.keras.layers.nodes import flatten, map_structure
from kgraph.keras.layers.registry import deserialize, serialize
from kgraph.keras.models.model import Model
from kgraph.keras.tensor import Tensor


class Sequential(Model):
    """Layers applied one after another. `Sequential([Dense(8, input_shape=(4,)), Dense(1)])`, or `add` them.

    Without an input shape on the first layer the model is built when data first arrives.
    """

    def __init__(self, layers: Any = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._stack: list[Layer] = []
        for layer in layers or []:
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer (or model, or Input tensor) on top. Raises ArgumentTypeError for anything else."""
        if isinstance(layer, Tensor) and layer._keras_history is not None:
            layer = layer._keras_history[0]
        if not isinstance(layer, Layer):
            raise ArgumentTypeError(
                describe(
                    "only layers can be added",
                    expected="a Layer, a model or an Input",
                    got=repr(layer),
                    where=self.name,
                )
            )
        if any(layer is other for other in self._stack) or layer.name in [
            other.name for other in self._stack
        ]:
            raise ArgumentError(
                describe(
                    "layer names must be unique in a model", got=f"{layer.name!r} twice", where=self.name
                )
            )
        self._stack.append(layer)
        self._extend()

    def pop(self) -> None:
        """Take the top layer away. Raises ArgumentTypeError when there is none."""
        if not self._stack:
            raise ArgumentTypeError(describe("there is no layer to pop", where=self.name))
        removed = self._stack.pop()
        if removed._inbound_nodes:
            for tensor in removed._inbound_nodes[-1].input_tensors:
                maker = tensor._keras_history[0]
                maker._outbound_nodes = [n for n in maker._outbound_nodes if n.layer is not removed]
        self._forget_compiled()
        self._is_graph_network, self.inputs, self.outputs = False, [], []
        if self._stack:
            self._rebuild()

    @property
    def layers(self) -> list[Layer]:
        """The layers that were added, without the implicit input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _sublayers(self) -> list[Layer]:
        return self.layers

    def build(self, input_shape: Any = None) -> None:
        """Build for a batch input shape, such as (None, 784)."""
        if not self._is_graph_network and input_shape is not None:
            self._start(Input(batch_shape=tuple(input_shape), name=f"{self.name}_input"))
            self._rebuild_from(self.inputs[0])
        self.built = self._is_graph_network

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not self._is_graph_network and not self.inputs:
            self.build(flatten(inputs)[0].shape)
        return super().call(inputs, training=training, mask=mask)

    def _extend(self) -> None:
        """After an addition: start the graph if the first layer allows, or apply the new layer to the output."""
        self._forget_compiled()
        if self._is_graph_network:
            self._grow([self._stack[-1]], self._nested_outputs)
        elif len(self._stack) == 1:
            self._rebuild()

    def _rebuild(self) -> None:
        first = self._stack[0]
        branches = getattr(first, "branches", None)
        if branches is not None:  # the old Merge([left, right]): the inputs are those of the branches
            self._nested_inputs = [t for branch in branches for t in branch_inputs(branch)]
            self._grow(self._stack[1:], first.merged())
        elif isinstance(first, InputLayer):
            self._start(first.input)
            self._rebuild_from(first.input)
        elif getattr(first, "inputs", None):  # a model: it gets inputs like its own
            self._nested_inputs = map_structure(_input_like, first._nested_inputs)
            self._grow(self._stack, self._nested_inputs)
        elif hasattr(first, "batch_input_shape"):
            kind = first._dtype if isinstance(first._dtype, str) else getattr(first, "input_dtype", None)
            self._start(Input(batch_shape=first.batch_input_shape, dtype=kind, name=f"{first.name}_input"))
            self._rebuild_from(self.inputs[0])

    def _start(self, tensor: Tensor) -> None:
        self._nested_inputs, self.inputs = tensor, [tensor]

    def _rebuild_from(self, tensor: Tensor) -> None:
        self._grow([layer for layer in self._stack if not isinstance(layer, InputLayer)], tensor)

    def _grow(self, layers: list[Layer], outputs: Any) -> None:
        for layer in layers:
            outputs = layer(outputs)
        self._init_graph(self._nested_inputs, outputs)

    def get_config(self) -> dict[str, Any]:
        """Name, layers and, when it is known, the input shape."""
        config: dict[str, Any] = {
            "name": self.name,
            "layers": [serialize(la) for la in self.layers],
        }
        if self.inputs and len(self.inputs) == 1:
            config["build_input_shape"] = self.inputs[0].shape
        return config

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Sequential:
        """A new model with new weights. A bare list of layers, as Keras 1 wrote, is understood."""
        layers = config if isinstance(config, list) else config["layers"]
        model = cls(name=None if isinstance(config, list) else config.get("name"))
        for layer in layers:
            model.add(deserialize(layer, custom_objects))
        shape = None if isinstance(config, list) else config.get("build_input_shape")
        if shape and not model._is_graph_network:
            model.build(shape)
        return model


def _input_like(tensor: Tensor) -> Tensor:
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor._keras_history[0].name)


def branch_inputs(branch: Any) -> list[Tensor]:
    """The input tensors of one branch of a Merge: of a model, or of the model that a layer's output stands for."""
    return (
        list(branch.inputs) if getattr(branch, "inputs", None) else flatten(branch._inbound_nodes[0].inputs)
    )
