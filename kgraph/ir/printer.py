"""Functions as text, for dumps, tests and people.

function train(x: float32[batch, 4], y: float32[batch, 1]) {
  @dense/kernel: float32[4, 1] weight
  %0 = matmul x, @dense/kernel : float32[batch, 1]            # dense
  ...
  return loss=%7
  update @dense/kernel = %12
}
"""

from __future__ import annotations

import numpy as np

from kgraph.ir.graph import Call, Constant, Function, Input, Result, Value, Variable
from kgraph.ir.op import nested_functions

_COMMENT_COLUMN = 88


def format_function(function: Function) -> str:
    """The text of a function, and of the functions that its ops hold as attributes."""
    names = _Names(function)
    lines = [f"function {function.name}({', '.join(f'{i.name}: {i.type}' for i in function.inputs)}) {{"]
    lines += [f"  {names[v]}: {v.type} {v.role}" for v in function.variables()]
    nested: list[Function] = []
    for call in function.calls():
        lines.append(_format_call(call, names))
        nested += nested_functions(call.op)
    lines.append("  return " + ", ".join(f"{key}={names[value]}" for key, value in function.outputs.items()))
    lines += [f"  update {names[v]} = {names[value]}" for v, value in function.updates.items()]
    lines.append("}")
    return "\n".join([*lines, *(format_function(inner) for inner in nested)])


def _format_call(call: Call, names: _Names) -> str:
    results = ", ".join(names[result] for result in call.results)
    operands = ", ".join(names[value] for value in call.inputs)
    types = ", ".join(str(result.type) for result in call.results)
    line = f"  {results} = {call.op} {operands} : {types}"
    return f"{line.ljust(_COMMENT_COLUMN)} # {call.where}" if call.where else line


class _Names:
    """Numbers results in order; leaves keep their names, made unique."""

    def __init__(self, function: Function) -> None:
        self._names: dict[Value, str] = {}
        self._taken: dict[str, int] = {}
        results = (result for call in function.calls() for result in call.results)
        for number, result in enumerate(results):
            self._names[result] = f"%{number}"

    def __getitem__(self, value: Value) -> str:
        if value not in self._names:
            self._names[value] = self._leaf(value)
        return self._names[value]

    def _leaf(self, value: Value) -> str:
        if isinstance(value, Constant):
            return _literal(value)
        if isinstance(value, Input):
            return self._unique(value.name)
        if isinstance(value, Variable):
            return self._unique(f"@{value.name}")
        assert isinstance(value, Result)
        return f"<result of {value.call.op.name}, outside of this function>"

    def _unique(self, name: str) -> str:
        count = self._taken.get(name, 0)
        self._taken[name] = count + 1
        return f"{name}.{count}" if count else name


def _literal(value: Constant) -> str:
    if value.array.size == 1:
        return f"{value.array.reshape(()).item()!r}:{value.type}"
    if value.array.size <= 8:
        return np.array2string(value.array, separator=", ").replace("\n", "") + f":{value.type}"
    return f"dense<{value.name or '...'}>:{value.type}"
