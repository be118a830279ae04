"""`Sequential`: a stack of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, NotBuiltError, describe
from kgraph.ir.graph import Constant
from kgraph.keras.layers.base import Layer, at_top
from kgraph.keras.layers.input import Input, InputLayer
from kgraph.keras.layers.nodes import Node, flatten, map_structure
from kgraph.keras.layers.registry import deserialize, serialize
from kgraph.keras.models.model import Model, placeholder_like
from kgraph.keras.tensor import Tensor
from kgraph.keras.training.data import is_several


class Sequential(Model):
    """Layers applied one after another. `Sequential([Dense(8, input_shape=(4,)), Dense(1)])`, or `add` them.

    Without an input shape on the first layer the model is built when data first arrives.
    """

    def __init__(self, layers: Any = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._stack: list[Layer] = []
        self._add(list(layers or []))

    def add(self, layer: Any) -> None:
        """Put a layer (or model, or Input tensor) on top. Raises ArgumentTypeError for anything else."""
        self._add([layer])

    def _add(self, added: list[Any]) -> None:
        """Put layers on top, all or none: the graph is made once, however many there are."""
        before = len(self._stack)
        taken = {layer.name for layer in self._stack}
        try:
            for item in added:
                layer = self._as_layer(item)
                if layer.name in taken:
                    raise ArgumentError(
                        describe(
                            "layer names must be unique in a model",
                            got=f"{layer.name!r} twice",
                            where=self.name,
                        )
                    )
                taken.add(layer.name)
                self._stack.append(layer)
            self._extend(self._stack[before:])
        except BaseException:
            del self._stack[before:]
            raise
        self._forget_compiled()

    def _as_layer(self, item: Any) -> Layer:
        if isinstance(item, Tensor) and item._keras_history is not None:
            item = item._keras_history[0]
        if not isinstance(item, Layer):
            raise ArgumentTypeError(
                describe(
                    "only layers can be added",
                    expected="a Layer, a model or an Input",
                    got=repr(item),
                    where=self.name,
                )
            )
        return item

    def pop(self) -> None:
        """Take the top layer away. Raises ArgumentTypeError when there is none."""
        if not self._stack:
            raise ArgumentTypeError(describe("there is no layer to pop", where=self.name))
        removed = self._stack.pop()
        self._forget_compiled()
        if not self._is_graph_network:
            return
        if self._stack:
            below = self._made_by(removed).inputs
            for tensor in flatten(below):
                maker = tensor._keras_history[0]
                maker._outbound_nodes = [n for n in maker._outbound_nodes if n.layer is not removed]
            self._init_graph(self._nested_inputs, below)
        else:
            self._is_graph_network, self.built, self.inputs, self.outputs = False, False, [], []

    def _made_by(self, layer: Layer) -> Node:
        """The node of a layer in this stack: it may have been called elsewhere too."""
        return next(node for node in layer._inbound_nodes if any(node is mine for mine in self._nodes))

    @property
    def layers(self) -> list[Layer]:
        """The layers that were added, without the implicit input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _sublayers(self) -> list[Layer]:
        return self.layers

    def build(self, input_shape: Any = None) -> None:
        """Build for a batch input shape, such as (None, 784). Raises NotBuiltError when there are no layers."""
        if not self._is_graph_network and input_shape is not None:
            self._build_on(Input(batch_shape=tuple(input_shape), name=self._input_name()))
        self.built = self._is_graph_network

    def _build_from_data(self, x: Any) -> None:
        entries = list(x.values()) if isinstance(x, Mapping) else x if is_several(x) else [x]
        if len(entries) != 1:
            raise DataError(
                describe(f"model {self.name} has one input", expected="one array", got=len(entries))
            )
        name = next(iter(x)) if isinstance(x, Mapping) else self._input_name()
        self._build_on(placeholder_like(entries[0], str(name)))

    def _input_name(self) -> str:
        if not self._stack:
            raise NotBuiltError(
                describe(f"model {self.name} has no layers", expected="add(layer) first", where=self.name)
            )
        return f"{self._stack[0].name}_input"

    def _build_on(self, tensor: Tensor) -> None:
        self._grow(self.layers, tensor, tensor)

    def _build_once(self, inputs: Any) -> None:
        if self._is_graph_network:
            return
        tensor = flatten(inputs)[0]
        # Called on data, the model must not be bound to its number of samples.
        batch = None if isinstance(tensor.value, Constant) else tensor.shape[0]
        self.build((batch, *tensor.shape[1:]))

    def _extend(self, added: list[Layer]) -> None:
        """After an addition: apply the new layers to the output, or start the graph if the first layer allows."""
        if self._is_graph_network:
            self._grow(added, self._nested_inputs, self._nested_outputs)
        elif added and len(self._stack) == len(added):
            self._start(added[0], added[1:])

    def _start(self, first: Any, above: list[Layer]) -> None:
        """Start the graph at the bottom layer, where it says what it takes."""
        branches = getattr(first, "branches", None)
        if branches is not None:  # the old Merge([left, right]): the inputs are those of the branches
            self._grow(above, [t for branch in branches for t in branch_inputs(branch)], first.merged())
        elif isinstance(first, InputLayer):
            self._grow(above, first.input, first.input)
        elif getattr(first, "inputs", None):  # a model: it gets inputs like its own
            inputs = map_structure(input_like, first._nested_inputs)
            self._grow([first, *above], inputs, inputs)
        elif hasattr(first, "batch_input_shape"):
            inputs = Input(
                batch_shape=first.batch_input_shape, dtype=first.expected_dtype, name=self._input_name()
            )
            self._grow([first, *above], inputs, inputs)

    def _grow(self, layers: list[Layer], inputs: Any, outputs: Any) -> None:
        """Apply layers to `outputs`. When one refuses, the graph and the layers are as before."""
        before = [(layer, list(layer._inbound_nodes)) for layer in layers]
        try:
            with at_top():
                for layer in layers:
                    outputs = layer(outputs)
            self._init_graph(inputs, outputs)
        except BaseException:
            for layer, nodes in before:
                layer._inbound_nodes = nodes
            raise

    def predict_proba(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """The same as `predict`, under its name in Keras 1 and 2."""
        return self.predict(x, batch_size, verbose)

    def predict_classes(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """The class of each sample: the largest of several outputs, or whether the only one is above 0.5."""
        found = self.predict(x, batch_size, verbose)
        return found.argmax(-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")

    def get_config(self) -> dict[str, Any]:
        """Name, layers and, when it is known, the input shape."""
        config: dict[str, Any] = {
            "name": self.name,
            "layers": [serialize(la) for la in self.layers],
        }
        if self.inputs and len(self.inputs) == 1:
            config["build_input_shape"] = self.inputs[0].shape
        return config | self._policy_config()

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Sequential:
        """A new model with new weights. A bare list of layers, as Keras 1 wrote, is understood."""
        layers = config if isinstance(config, list) else config["layers"]
        model = cls(name=None if isinstance(config, list) else config.get("name"))
        if not isinstance(config, list):
            model._take_policy(config)
        model._add([deserialize(layer, custom_objects) for layer in layers])
        shape = None if isinstance(config, list) else config.get("build_input_shape")
        if shape and not model._is_graph_network:
            model.build(shape)
        return model


def input_like(tensor: Tensor) -> Tensor:
    """A new input of the shape, dtype and name of another."""
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor._keras_history[0].name)


def branch_inputs(branch: Any) -> list[Tensor]:
    """The input tensors of one branch of a Merge: of a model, or of the model that a layer's output stands for."""
    return (
        list(branch.inputs) if getattr(branch, "inputs", None) else flatten(branch._inbound_nodes[0].inputs)
    )
