"""A function of the compiler as the graph that TensorBoard draws."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kgraph.ir.graph import Function, Value


def graph_def(function: Function) -> Any:
    """A function as a GraphDef: one node for each call and each leaf, in groups by layer, with types but no values.

    Constants stand with the call that uses them first.
    """
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    graph = GraphDef()
    names: dict[Value, str] = {}
    counts: dict[str, int] = {}

    def add(wanted: str, op: str, inputs: Sequence[str], values: Sequence[Value]) -> str:
        name = re.sub(r"[^\w.\-/]", "_", wanted)
        while name in counts:
            counts[name] += 1
            name = f"{name}_{counts[name]}"
        counts[name] = 0
        node = graph.node.add(name=name, op=op, input=inputs)
        node.attr["type"].s = ", ".join(str(value.type) for value in values).encode()
        return name

    def source(value: Value, where: str) -> str:
        if value not in names:
            kind = type(value).__name__
            name = getattr(value, "name", "") or "/".join(filter(None, (where, "constant")))
            names[value] = add(name, kind, (), (value,))
        return names[value]

    for leaf in function.inputs:
        source(leaf, "")
    for call in function.calls():
        inputs = [source(value, call.where) for value in call.inputs]
        name = add("/".join(filter(None, (call.where, call.op.name))), call.op.name, inputs, call.results)
        for result in call.results:
            names[result] = f"{name}:{result.index}" if result.index else name
    for variable, value in function.updates.items():
        add(f"updates/{variable.name}", "Update", [source(variable, ""), source(value, "")], (variable,))
    return graph
