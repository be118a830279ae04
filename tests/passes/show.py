"""Functions from operand types, and their text after a pass: what the tests of passes and rules compare."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from kgraph.ir.graph import Function, Input, Value
from kgraph.ir.printer import format_function
from kgraph.ir.types import TensorType
from kgraph.ir.verify import verify
from kgraph.passes.base import Pass
from kgraph.passes.simplify import FINAL_RULES, Simplify

Build = Callable[..., Value | tuple[Value, ...]]


def function(build: Build, **operands: TensorType) -> Function:
    """The function that `build` makes of inputs of these types; its outputs are called y, or y0, y1 and so on."""
    leaves = [Input(name, type) for name, type in operands.items()]
    made = build(*leaves)
    outputs = {f"y{i}": v for i, v in enumerate(made)} if isinstance(made, tuple) else {"y": made}
    return Function("f", tuple(leaves), outputs)


def lines(function: Function) -> list[str]:
    """The body of a function as text, one call a line, without result types."""
    body = format_function(function).splitlines()[1:-1]
    return [re.sub(r" : \S+\[.*?\](, \S+\[.*?\])*$", "", line.partition(" #")[0].strip()) for line in body]


def after(build: Build, step: Pass | None = None, **operands: TensorType) -> list[str]:
    """The lines that a pass, by default simplification, leaves of `build`."""
    result = (step or Simplify(FINAL_RULES))(function(build, **operands), Counter())
    verify(result)
    return lines(result)
