"""Nodes (one call of a layer), input specifications, and the nested structures that layers take and give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from kgraph.errors import ShapeError, describe
from kgraph.ir.graph import Value
from kgraph.keras.tensor import Tensor, Variable, as_value

# Which tensor of a functional graph a value first was, so that bare operators between layers find their way back.
# Both ends are weak: graphs live as long as their layers do.
_ORIGINS: WeakKeyDictionary[Value, ReferenceType[Tensor]] = WeakKeyDictionary()


def remember(tensor: Tensor, layer: Any, node: int, position: int) -> None:
    """Note that a layer made a tensor."""
    tensor._keras_history = (layer, node, position)
    if origin(tensor.value) is None:
        _ORIGINS[tensor.value] = ref(tensor)


def origin(value: Value) -> Tensor | None:
    """The tensor with a history that a value belongs to."""
    found = _ORIGINS.get(value)
    return found() if found is not None else None


class Node:
    """One call of a layer: which tensors went in and came out, and the other arguments."""

    def __init__(
        self, layer: Any, inputs: Any, outputs: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self.layer = layer
        self.inputs = inputs
        self.outputs = outputs
        self.args = args
        self.kwargs = dict(kwargs)

    @property
    def input_tensors(self) -> list[Tensor]:
        """Every tensor among the arguments that a layer made, in order."""
        found = [t for t in flatten([self.inputs, self.args, self.kwargs]) if isinstance(t, Tensor)]
        return [t for t in found if t._keras_history is not None]

    @property
    def output_tensors(self) -> list[Tensor]:
        return flatten(self.outputs)

    @property
    def inbound_layers(self) -> list[Any]:
        return [t._keras_history[0] for t in self.input_tensors]


def node_of(tensor: Tensor) -> Node:
    """The call that made a tensor with a history."""
    layer, index, _ = tensor._keras_history
    return layer._inbound_nodes[index]


def source_inputs(node: Node) -> list[Tensor]:
    """The outputs of input layers that a call depends on, each once, as a walk back from it meets them."""
    found: dict[int, Tensor] = {}
    pending, seen = [node], set()
    while pending:
        here = pending.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        before = here.input_tensors
        if not before:
            found.update((id(t), t) for t in here.output_tensors)
        pending += reversed([node_of(t) for t in before])
    return list(found.values())


class InputSpec:
    """What a layer expects of an input: any of dtype, shape (None matches all), rank bounds and sizes of axes."""

    def __init__(
        self,
        dtype: str | None = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int] | None = None,
    ) -> None:
        self.dtype = dtype
        self.shape = tuple(shape) if shape is not None else None
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = dict(axes or {})

    def check(self, tensor: Tensor, layer: str) -> None:
        """Raise ShapeError, naming the layer, when a tensor does not fit."""
        if self.ndim is not None and tensor.ndim != self.ndim:
            self._refuse(layer, "the rank is wrong", f"rank {self.ndim}", tensor)
        if self.min_ndim is not None and tensor.ndim < self.min_ndim:
            self._refuse(layer, "the rank is too low", f"rank {self.min_ndim} or more", tensor)
        if self.max_ndim is not None and tensor.ndim > self.max_ndim:
            self._refuse(layer, "the rank is too high", f"rank {self.max_ndim} or less", tensor)
        if self.dtype is not None and tensor.dtype != self.dtype:
            self._refuse(layer, "the dtype is wrong", self.dtype, tensor)
        wanted = dict(enumerate(self.shape or ())) | self.axes
        for axis, size in wanted.items():
            if size is not None and tensor.shape[axis] not in (size, None):
                self._refuse(layer, "a size is wrong", f"size {size} on axis {axis}", tensor)

    def _refuse(self, layer: str, what: str, expected: str, tensor: Tensor) -> None:
        raise ShapeError(
            describe(
                f"layer {layer} cannot take this input: {what}",
                expected=expected,
                got=tensor.value.type,
                where=layer,
            )
        )


def flatten(structure: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts, in order; None counts as a leaf."""
    if isinstance(structure, list | tuple):
        return [leaf for item in structure for leaf in flatten(item)]
    if isinstance(structure, dict):
        return [leaf for item in structure.values() for leaf in flatten(item)]
    return [structure]


def map_structure(
    function: Callable[[Any], Any], structure: Any, is_leaf: Callable[[Any], bool] = lambda item: False
) -> Any:
    """The same nesting of lists, tuples and dicts, with `function` applied to the leaves."""
    if not is_leaf(structure):
        if isinstance(structure, list):
            return [map_structure(function, item, is_leaf) for item in structure]
        if isinstance(structure, tuple):
            return tuple(map_structure(function, item, is_leaf) for item in structure)
        if isinstance(structure, dict):
            return {key: map_structure(function, item, is_leaf) for key, item in structure.items()}
    return function(structure)


def as_tensor(x: Any) -> Any:
    """A tensor as it is, None as it is, anything else as a constant."""
    return x if x is None or isinstance(x, Tensor) else Tensor(as_value(x))


def fresh(output: Any, *given: Any) -> Tensor:
    """An output that is one of the inputs gets a handle of its own, so that its history does not overwrite theirs."""
    tensor = as_tensor(output)
    if (
        isinstance(tensor, Variable)
        or tensor._keras_history is not None
        or any(tensor is t for t in flatten(given))
    ):
        return Tensor(tensor.value)
    return tensor
