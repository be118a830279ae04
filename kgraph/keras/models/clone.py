"""`clone_model`: the same architecture, with new layers and so with new weights.

The layers of a functional model are run again as when it is called on other inputs, except that each has a copy in its
place; a Sequential is stacked again. A layer is copied once, however often and in however many nested models it occurs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from kgraph.errors import ArgumentError, UnsupportedError, describe
from kgraph.keras.layers.base import Layer, at_top
from kgraph.keras.layers.config import parameters_of
from kgraph.keras.layers.input import Input, InputLayer
from kgraph.keras.layers.nodes import flatten, map_structure
from kgraph.keras.models.model import Model
from kgraph.keras.models.network import Network
from kgraph.keras.models.sequential import Sequential, input_like
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.custom_objects import CustomObjectScope, get_registered_name


def clone_model(
    model: Any, input_tensors: Any = None, clone_function: Callable[[Any], Any] | None = None
) -> Any:
    """A model of the same architecture and names with weights of its own. It is not compiled, as in Keras 2.

    input_tensors   what the clone is built on, instead of new inputs: tensors, or arrays that become constants, nested
                    as the inputs of the model or in their order
    clone_function  from a layer, or a model within the model, to the layer to use in its place; it is asked once for
                    each, and not for inputs. By default that is `type(layer).from_config(layer.get_config())`, and
                    a clone of a model within the model

    The clone has the class of the model where that is made like Model or Sequential, otherwise it is one of these.
    Raises ArgumentError for another number of inputs, for what is no model, for subclassed models, whose structure is
    in their code, and when `clone_function` gives no layer; UnsupportedError for tensors given to the model's own
    `add_loss` and `add_metric`.
    """
    with at_top():
        return _Cloning(clone_function).clone(model, input_tensors)


class _Cloning:
    """The copies of layers that were made so far."""

    def __init__(self, clone_function: Callable[[Any], Any] | None) -> None:
        self._function = clone_function or self._new
        self._copies: dict[Layer, Layer] = {}

    def clone(self, model: Any, input_tensors: Any = None) -> Any:
        _check(model)
        inputs = None if input_tensors is None else _in_place(model, input_tensors)
        made = (self._stacked if isinstance(model, Sequential) else self._wired)(model, inputs)
        made._trainable = model._trainable
        return made

    def _wired(self, model: Any, inputs: Any) -> Any:
        if inputs is None:
            inputs = map_structure(input_like, model._nested_inputs)
        known = {id(old): new for old, new in zip(model.inputs, flatten(inputs), strict=True)}
        outputs = model._run(known, layer_for=self._copy)
        return _class_like(model, Model, {"inputs", "outputs"})(inputs, outputs, name=model.name)

    def _stacked(self, model: Any, inputs: Any) -> Any:
        made = _class_like(model, Sequential, {"layers"})(name=model.name)
        if inputs is not None:
            _check_bottom(model)
            made._stack = [self._copy(layer) for layer in model.layers]
        else:
            made._add([self._copy(layer) for layer in model._stack])
            if made._is_graph_network or not model._is_graph_network:
                return made
            inputs = map_structure(input_like, model._nested_inputs)
        made._grow(made.layers, inputs, inputs)
        return made

    def _copy(self, layer: Layer) -> Layer:
        if layer not in self._copies:
            made = self._new(layer) if isinstance(layer, InputLayer) else self._function(layer)
            if not isinstance(made, Layer):
                raise ArgumentError(
                    describe(
                        "clone_function gives the layer to use",
                        expected="a layer",
                        got=repr(made),
                        where=layer.name,
                    )
                )
            self._copies[layer] = made
        return self._copies[layer]

    def _new(self, layer: Any) -> Any:
        if _has_graph(layer):
            return self.clone(layer)
        with CustomObjectScope(_names_in(layer)):
            return type(layer).from_config(layer.get_config())


def _has_graph(layer: Any) -> bool:
    return isinstance(layer, Sequential) or (isinstance(layer, Network) and layer._is_graph_network)


def _check(model: Any) -> None:
    """Raise ArgumentError for what has no layers to run again, UnsupportedError for losses that no layer has."""
    if not _has_graph(model):
        what = (
            "a subclassed model, whose structure is in its code" if isinstance(model, Network) else "no model"
        )
        raise ArgumentError(
            describe(
                "only Sequential and functional models can be cloned",
                expected="one of these; else type(model).from_config(model.get_config())",
                got=f"{type(model).__name__}, {what}",
                where=getattr(model, "name", ""),
            )
        )
    if model._losses or model._metrics:
        raise UnsupportedError(
            describe(
                "the losses and metrics that were added to a model itself are not cloned",
                expected="add_loss and add_metric in a layer, or a model before they are added",
                where=model.name,
            )
        )


def _check_bottom(model: Any) -> None:
    """Raise UnsupportedError for a stack on branches, which have the inputs."""
    if model.layers and getattr(model.layers[0], "branches", None):
        raise UnsupportedError(
            describe(
                "a Sequential on branches has no place for input_tensors",
                expected="a functional model, or no input_tensors",
                got=model.layers[0],
                where=model.name,
            )
        )


def _class_like(model: Any, base: type, parameters: set[str]) -> Any:
    """The class of a model where it is made with the parameters of `base`, else `base`."""
    own = parameters_of(type(model).__init__)
    return type(model) if parameters <= own or {"args", "kwargs"} <= own else base


def _in_place(model: Any, given: Any) -> Any:
    """What is given for the inputs, as tensors nested as these are. Raises ArgumentError when it does not fit."""
    nested = model._nested_inputs if model._is_graph_network else None
    if isinstance(nested, dict) and isinstance(given, dict) and nested.keys() == given.keys():
        given = [given[name] for name in nested]
    leaves, count = flatten(given), len(flatten(nested))
    if isinstance(given, dict) or len(leaves) != count:
        raise ArgumentError(
            describe(
                "input_tensors do not fit the inputs of the model",
                expected=list(nested) if isinstance(nested, dict) else count,
                got=list(given) if isinstance(given, dict) else len(leaves),
                where=model.name,
            )
        )
    tensors = map(_as_input, leaves)
    return map_structure(lambda old: next(tensors), nested)


def _as_input(given: Any) -> Tensor:
    """A tensor of a graph as it is, anything else as an input that has this value."""
    if isinstance(given, InputLayer):
        return given.input
    if isinstance(given, Tensor) and given._keras_history is not None:
        return given
    return Input(tensor=given)


def _names_in(layer: Layer) -> dict[str, Any]:
    """What the names in a layer's configuration mean: the classes and functions that it has, registered or not.

    A name that stands for two things is left out.
    """
    found: dict[str, Any] = {}
    twice: set[str] = set()
    for item in _parts(layer):
        name = get_registered_name(item)
        if found.setdefault(name, item) is not item:
            twice.add(name)
    return {name: item for name, item in found.items() if name not in twice}


def _parts(layer: Layer) -> Iterator[Any]:
    """The classes and functions in the attributes of a layer and of those inside."""
    for one in layer._flatten_layers():
        yield type(one)
        for value in flatten(list(vars(one).values())):
            if inspect.isfunction(value):
                yield value
            elif hasattr(value, "get_config"):
                yield type(value)
