"""The NumPy interpreter: the meaning of a function, and the oracle for every backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kgraph.errors import DataError, GraphError, describe
from kgraph.ir.dims import bind_shape
from kgraph.ir.graph import Call, Constant, Function, Input, Value, Variable, topological
from kgraph.ir.types import Array, TensorType

Environment = dict[str, int]


def bind_inputs(function: Function, arrays: Sequence[Array]) -> Environment:
    """The sizes that input arrays give to the symbols. Raises DataError when an array does not fit its input."""
    if len(arrays) != len(function.inputs):
        raise DataError(
            describe(
                "wrong number of inputs", expected=len(function.inputs), got=len(arrays), where=function.name
            )
        )
    env: Environment = {}
    for leaf, array in zip(function.inputs, arrays, strict=True):
        if array.dtype.name != leaf.dtype or not bind_shape(leaf.shape, array.shape, env):
            raise DataError(
                describe(
                    f"input {leaf.name!r} does not fit",
                    expected=f"{leaf.type} with {env}" if env else leaf.type,
                    got=f"{array.dtype.name}{list(array.shape)}",
                    where=function.name,
                )
            )
    return env


def run(
    function: Function, arrays: Sequence[Array], state: Mapping[Variable, Array] | None = None
) -> tuple[dict[str, Array], dict[Variable, Array]]:
    """Evaluate a function: its outputs by name, and the new value of each updated variable.

    `state` overrides the stored values of variables; nothing is written back.
    """
    env = bind_inputs(function, arrays)
    values: dict[Value, Array] = dict(zip(function.inputs, arrays, strict=True))
    for variable in function.variables():
        values[variable] = state[variable] if state and variable in state else variable.storage.read()
    evaluate_values(function.roots, values, env)
    outputs = {name: _leaf_or_result(value, values) for name, value in function.outputs.items()}
    updates = {variable: _leaf_or_result(value, values) for variable, value in function.updates.items()}
    return outputs, updates


def evaluate_values(
    roots: Sequence[Value],
    values: dict[Value, Array],
    env: Environment,
    watch: Callable[[Value, Array], None] = lambda value, array: None,
) -> None:
    """Evaluate `roots` into `values`, which holds the leaves. What lies between goes when it has been read last.

    `watch` is called with each result.
    """
    calls = topological(roots)
    results = {result for call in calls for result in call.results}
    readers: Counter[Value] = Counter(value for call in calls for value in results.intersection(call.inputs))
    readers.update(results.intersection(roots))
    with np.errstate(all="ignore"):
        for call in calls:
            arrays = [_leaf_or_result(value, values) for value in call.inputs]
            made = evaluate_call(call, arrays, env)
            del arrays
            for result, array in zip(call.results, made, strict=True):
                values[result] = array
                watch(result, array)
            for value in set(call.inputs).intersection(readers):
                readers[value] -= 1
                if not readers[value]:
                    values.pop(value, None)


def evaluate_call(call: Call, arrays: Sequence[Array], env: Environment) -> tuple[Array, ...]:
    """Evaluate one call. A composite op runs its decomposition. The dtype of each result is the inferred one."""
    op = call.op.resolve(env)
    if op.is_composite() and not op.evaluates():
        leaves = [Input(f"x{i}", TensorType(a.dtype.name, a.shape)) for i, a in enumerate(arrays)]
        results = op.decompose(*leaves)
        roots = results if isinstance(results, tuple) else (results,)
        inner: dict[Value, Array] = dict(zip(leaves, arrays, strict=True))
        evaluate_values(roots, inner, env)
        outputs = tuple(_leaf_or_result(root, inner) for root in roots)
    else:
        made = op.evaluate(*arrays)
        outputs = made if isinstance(made, tuple) else (made,)
    return tuple(np.asarray(a, dtype=r.dtype) for a, r in zip(outputs, call.results, strict=True))


def _leaf_or_result(value: Value, values: Mapping[Value, Array]) -> Array:
    if isinstance(value, Constant):
        return value.array
    if value not in values:
        raise GraphError(describe("the function uses a leaf that it does not declare", got=repr(value)))
    return values[value]
