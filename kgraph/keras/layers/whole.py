"""Layers as one call each: what whoever lowers a layer as a whole, from code of his own, traces a model with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass
from typing import Any

from kgraph.ir import graph as ir
from kgraph.keras.layers.nodes import flatten, map_structure
from kgraph.keras.tensor import Tensor
from kgraph.ops.call import LayerCall

Kinds = Mapping[type, type[LayerCall]]
_KINDS: ContextVar[Kinds | None] = ContextVar("whole_layers", default=None)
# What tracing a layer once more would add to.
_TRACES = ("_losses", "_updates", "_metrics", "_activity_penalties")


def call_kinds(classes: Iterable[type]) -> dict[type, type[LayerCall]]:
    """An op class for each layer class, so that a table of lowerings can tell them apart."""
    made: dict[type, type[LayerCall]] = {}
    for cls in classes:
        body = {"__doc__": f"{cls.__name__} as one call.", "__module__": cls.__module__}
        kind = type(cls.__name__, (LayerCall,), body)
        kind.name = LayerCall.name
        made[cls] = dataclass(frozen=True, repr=False)(kind)
    return made


@contextmanager
def traced_whole(model: Any, kinds: Kinds) -> Iterator[list[Tensor]]:
    """The outputs of a model on its own inputs, traced once more; layers of these classes are one call each.

    What the trace adds to the layers, such as updates, is there inside of the context alone.
    """
    layers = with_sublayers(model)
    kept = [{key: copy(getattr(layer, key)) for key in _TRACES} for layer in layers]
    token = _KINDS.set(kinds)
    try:
        for layer in layers:
            vars(layer).update({key: [] for key in _TRACES})
        yield flatten(model._traced_call(None, model._nested_inputs))
    finally:
        _KINDS.reset(token)
        for layer, before in zip(layers, kept, strict=True):
            vars(layer).update(before)


def as_one_call(layer: Any, given: Any, outputs: Any) -> Any:
    """The outputs of a layer that was called on `given`, as results of one call if its class is asked for."""
    kind = (_KINDS.get() or {}).get(type(layer))
    if kind is None:
        return outputs
    values = [t.value for t in flatten(given) if isinstance(t, Tensor)]
    made = [t.value for t in flatten(outputs) if isinstance(t, Tensor)]
    operands: dict[ir.Value, ir.Value] = {}
    body = _over(layer, made, operands, [*values, *(weight.variable for weight in layer.weights)])
    # What else it reads, such as the weights of another layer or the random state, comes last.
    body = _over(layer, list(body.outputs.values()), operands, body.variables())
    results = iter(kind(layer, body).apply(*operands))

    def wrapped(tensor: Any) -> Any:
        if not isinstance(tensor, Tensor):
            return tensor
        result = Tensor(next(results))
        result._keras_mask = tensor._keras_mask
        return result

    return map_structure(wrapped, outputs)


def _over(
    layer: Any, outputs: Sequence[ir.Value], operands: dict[ir.Value, ir.Value], new: Sequence[ir.Value]
) -> ir.Function:
    """`outputs` as a function of `operands`, by leaf, to which `new` ones are added."""
    for operand in new:
        operands.setdefault(operand, ir.Input(f"x{len(operands)}", operand.type))
    inner = ir.Function(layer.name, (), {f"y{i}": value for i, value in enumerate(outputs)}).replace(operands)
    return ir.Function(layer.name, tuple(operands.values()), inner.outputs)


def with_sublayers(layer: Any) -> list[Any]:
    """A layer and all layers inside of it, each once."""
    found, pending = {layer: None}, [layer]
    while pending:
        new = [inner for inner in pending.pop()._sublayers() if inner not in found]
        found |= dict.fromkeys(new)
        pending += new
    return list(found)
