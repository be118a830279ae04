"""`K.function`: a compiled function from placeholders (or any tensors) to tensors, with updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.compiler import compile_program, specialise
from kgraph.errors import ArgumentError, DataError, describe
from kgraph.ir import graph as ir
from kgraph.keras.backend.control import LearningPhase, learning_phase
from kgraph.keras.backend.random import random_state, with_random_state
from kgraph.keras.tensor import Tensor, Variable, as_value
from kgraph.keras.utils.naming import unique_name
from kgraph.plugins.backend import Executable


class Function:
    """A callable that takes a list of arrays, one per input, runs the updates and returns the outputs' values.

    inputs   placeholders, or any other tensors, whose value is then given instead of computed; K.learning_phase()
             among them takes 0 (inference) or 1 (training)
    outputs  a list of tensors, or one tensor, whose value is then returned as it is
    updates  (variable, new value) pairs, as `K.update` makes them

    Each phase is compiled when it is first asked for. Raises DataError when the arrays do not fit.
    """

    def __init__(self, inputs: Any, outputs: Any, updates: Any = None, name: str | None = None) -> None:
        self.inputs: list[Any] = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        self.outputs = outputs
        self.name = name or unique_name("function")
        self._single = not isinstance(outputs, list | tuple)
        results = [outputs] if self._single else list(outputs)
        self._function = _trace(self.inputs, results, updates or [], self.name)
        self._state = random_state(self.name)
        self._executables: dict[bool, Executable] = {}

    def __call__(self, inputs: Any) -> Any:
        given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if len(given) != len(self.inputs):
            raise DataError(
                describe("wrong number of inputs", expected=len(self.inputs), got=len(given), where=self.name)
            )
        training = _phase(learning_phase())
        arrays = []
        for tensor, array in zip(self.inputs, given, strict=True):
            if isinstance(tensor, Tensor):
                if isinstance(tensor, LearningPhase):
                    training = _phase(array)
                else:
                    arrays.append(np.asarray(array, tensor.dtype))
        if training not in self._executables:
            function = with_random_state(specialise(self._function, training), self._state)
            self._executables[training] = compile_program([function])
        results = self._executables[training].run(self.name, arrays)
        return results[0] if self._single else results


def function(inputs: Any, outputs: Any, updates: Any = None, **kwargs: Any) -> Function:
    """A compiled function; see `Function`. Other keywords, which Keras hands to its backends, are ignored."""
    return Function(inputs, outputs, updates, kwargs.get("name"))


def _phase(value: Any) -> bool:
    return False if isinstance(value, LearningPhase) else bool(np.asarray(value))


def _trace(inputs: Sequence[Any], outputs: Sequence[Any], updates: Any, name: str) -> ir.Function:
    """The graph from the inputs, with a fresh leaf for each one that is computed rather than fed."""
    leaves: list[ir.Input] = []
    cut: dict[ir.Value, ir.Value] = {}
    for position, tensor in enumerate(inputs):
        if isinstance(tensor, LearningPhase) or not isinstance(tensor, Tensor):
            if isinstance(tensor, int | LearningPhase):  # learning_phase() is a number once it was set
                continue
            raise ArgumentError(
                describe("K.function: not an input", expected="a tensor", got=repr(tensor), where=name)
            )
        value = tensor.value
        leaf = value if isinstance(value, ir.Input) else ir.Input(f"input_{position}", value.type)
        leaves.append(leaf)
        cut[value] = leaf
    results = {f"output_{position}": as_value(output) for position, output in enumerate(outputs)}
    pairs = [updates] if isinstance(updates, tuple) and isinstance(updates[0], Variable) else updates
    changes = {target.variable: as_value(value, target.dtype) for target, value in pairs}
    return ir.Function(name, tuple(leaves), results, changes).replace(cut)
