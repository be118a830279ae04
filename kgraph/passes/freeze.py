"""Freezing: weights that a function only reads become constants, for files and for deployment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from kgraph.ir.graph import Constant, Function, Value
from kgraph.passes.base import Pass, register


@register("freeze_variables")
@dataclass(frozen=True)
class FreezeVariables(Pass):
    """variable -> constant with its present value and its name, unless the function updates it.

    Weights are not copied: what is made is for writing at once, before they change.
    """

    required = True

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        mapping: dict[Value, Value] = {
            variable: Constant(variable.storage.look(), variable.name)
            for variable in function.variables()
            if variable not in function.updates
        }
        hits["frozen"] += len(mapping)
        return function.replace(mapping) if mapping else function
