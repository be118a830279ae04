"""Checks that a function is well formed. The pipeline runs it after every pass under test."""

from __future__ import annotations

from kgraph.errors import GraphError, describe
from kgraph.ir.graph import Call, Function, Input, Value
from kgraph.ir.op import nested_functions
from kgraph.ir.types import TensorType


def verify(function: Function) -> None:
    """Raise GraphError unless every input is declared, every stored type is the inferred one and updates fit.

    Functions that ops hold must be well formed too, and closed: everything that they use is an input of theirs.
    """
    declared = set(function.inputs)
    names = [leaf.name for leaf in function.inputs]
    if len(set(names)) != len(names):
        raise GraphError(describe("two inputs share a name", got=names, where=function.name))
    for call in function.calls():
        _verify_call(call, function)
        _verify_leaves(call.inputs, declared, function.name, call.where)
        for inner in nested_functions(call.op):
            verify(inner)
            if inner.variables():
                raise GraphError(
                    describe(
                        "a function that an op holds uses a variable",
                        expected="a closed function, with the variable as an operand",
                        got=inner.variables(),
                        where=f"{function.name}: {call.where}",
                    )
                )
    _verify_leaves(function.roots, declared, function.name, "outputs")
    for variable, value in function.updates.items():
        if not compatible(variable.type, value.type):
            raise GraphError(
                describe(
                    f"the update of {variable.name} does not fit",
                    expected=variable.type,
                    got=value.type,
                    where=function.name,
                )
            )


def compatible(a: TensorType, b: TensorType) -> bool:
    """Same dtype and rank, and no two integer dimensions that differ."""
    return (
        a.dtype == b.dtype
        and a.rank == b.rank
        and all(
            x == y or not (isinstance(x, int) and isinstance(y, int))
            for x, y in zip(a.shape, b.shape, strict=True)
        )
    )


def _verify_call(call: Call, function: Function) -> None:
    inferred = call.op.infer(*(value.type for value in call.inputs))
    types = inferred if isinstance(inferred, tuple) else (inferred,)
    stored = tuple(result.type for result in call.results)
    if types != stored:
        raise GraphError(
            describe(
                f"{call.op} has the wrong result type",
                expected=", ".join(map(str, types)),
                got=", ".join(map(str, stored)),
                where=f"{function.name}: {call.where}",
            )
        )


def _verify_leaves(values: tuple[Value, ...], declared: set[Input], function: str, where: str) -> None:
    for value in values:
        if isinstance(value, Input) and value not in declared:
            raise GraphError(
                describe(
                    f"the graph is disconnected: input {value.name!r} is used but not declared",
                    expected=", ".join(sorted(leaf.name for leaf in declared)) or "no inputs",
                    got=value.name,
                    where=f"{function}: {where}",
                )
            )
