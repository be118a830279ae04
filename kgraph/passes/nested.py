"""Passes reach into the functions that ops hold: the body of a scan is optimised like everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from kgraph.ir.graph import Call, Function, Value, transform
from kgraph.ir.op import nested_functions
from kgraph.passes.base import Pass


def apply_everywhere(step: Pass, function: Function, hits: Counter[str]) -> Function:
    """Apply a pass to a function, then to those held by its ops. The same object when nothing changed."""
    function = step(function, hits)
    if not any(nested_functions(call.op) for call in function.calls()):
        return function

    def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        changed = {}
        for key, value in call.op.attributes().items():
            if isinstance(value, Function):
                made = apply_everywhere(step, value, hits)
                if made is not value:
                    changed[key] = made
        return replace(call.op, **changed).apply(*inputs) if changed else None

    return transform(function, visit)
