"""Legalisation: composite ops that the backend does not support become the simpler ops they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kgraph.errors import UnsupportedError, describe
from kgraph.ir.graph import Call, Function, Value, transform
from kgraph.ir.op import Op
from kgraph.passes.base import Pass, register


@register("decompose")
@dataclass(frozen=True)
class Decompose(Pass):
    """composite(x) -> its decomposition, repeatedly, until `supports` holds for every op.

    Raises UnsupportedError naming the op and the layer when a primitive op is not supported.
    """

    required = True

    supports: Callable[[Op], bool]
    target: str = "the backend"

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            op = call.op
            if self.supports(op):
                return None
            if not op.is_composite():
                raise UnsupportedError(
                    describe(
                        f"{self.target} has no lowering for {op.name}",
                        expected="a lowering, or an op with a decomposition",
                        got=op,
                        where=call.where,
                    )
                )
            hits[op.name] += 1
            made = op.decompose(*inputs)
            return made if isinstance(made, tuple) else (made,)

        while True:
            result = transform(function, visit)
            if result is function:
                return function
            function = result
