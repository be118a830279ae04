"""Common subexpression elimination: equal ops on the same values are computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from kgraph.ir.graph import Call, Constant, Function, Value, transform
from kgraph.passes.base import Pass, register


@register("share_equal_calls")
@dataclass(frozen=True)
class ShareEqualCalls(Pass):
    """f(x), f(x) -> one call. Constants up to `constant_bytes` bytes are compared by value, larger ones by identity."""

    constant_bytes: int = 64

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        known: dict[Hashable, Call] = {}

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            key = (call.op, tuple(self._key(value) for value in inputs), tuple(r.type for r in call.results))
            first = known.get(key)
            if first is not None:
                hits["shared"] += 1
                return first.results
            changed = any(a is not b for a, b in zip(inputs, call.inputs, strict=True))
            known[key] = call.op.apply(*inputs)[0].call if changed else call  # type: ignore[attr-defined]  # apply gives Results
            return known[key].results if changed else None

        return transform(function, visit)

    def _key(self, value: Value) -> Hashable:
        if isinstance(value, Constant) and value.array.nbytes <= self.constant_bytes:
            return (value.type, value.array.tobytes())
        return value
