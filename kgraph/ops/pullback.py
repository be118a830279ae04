"""Cotangents through a graph: the walk that reverse-mode differentiation consists of.

For y = f(x) and a cotangent dy, an op's `vjp` builds dx = (dy/dx)^T dy out of ops. Walking the calls backwards and
summing what reaches each value gives the cotangents of everything. A composite op without a `vjp` of its own is
differentiated through its decomposition. This stands among the ops because an op that holds a function, such as a scan,
differentiates that function in its own `vjp`; `passes/autodiff.py` builds on it. Background: Baydin et al., "Automatic
differentiation in machine learning: a survey", JMLR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

from kgraph.ir.graph import Call, Result, Value, exact_scope, topological
from kgraph.ir.op import Op
from kgraph.ops.elementwise import add


def pullback(
    results: Sequence[Value],
    cotangents: Sequence[Value | None],
    wrt: Sequence[Value],
    stop: Sequence[Value] = (),
) -> list[Value | None]:
    """The cotangents of `wrt` from those of `results`; None where there is no dependence.

    Values in `stop` are taken as leaves: nothing behind them is looked at.
    """
    needed = _dependent_calls(results, wrt, stop)
    pending: dict[Value, list[Value]] = {}
    for value, cotangent in zip(results, cotangents, strict=True):
        if cotangent is not None:
            pending.setdefault(value, []).append(cotangent)
    for call in reversed(needed):
        arriving = [_total(pending, result) for result in call.results]
        if all(dy is None for dy in arriving):
            continue
        with exact_scope(f"{call.where}/gradient" if call.where else "gradient"):
            for operand, dx in zip(call.inputs, _vjp(call, arriving), strict=True):
                if dx is not None and operand.type.is_float:
                    pending.setdefault(operand, []).append(dx)
    return [_total(pending, x) for x in wrt]


def _vjp(call: Call, arriving: Sequence[Value | None]) -> Sequence[Value | None]:
    op = call.op
    if type(op).vjp is Op.vjp and op.is_composite():
        made = op.decompose(*call.inputs)
        return pullback(made if isinstance(made, tuple) else (made,), arriving, call.inputs, stop=call.inputs)
    return op.vjp(call, *arriving)


def _dependent_calls(results: Sequence[Value], wrt: Sequence[Value], stop: Sequence[Value]) -> list[Call]:
    """The calls on a path from `wrt` to `results`, operands first."""
    targets = set(wrt)
    found: list[Call] = []
    for call in topological(results, stop):
        if any(value in targets for value in call.inputs):
            found.append(call)
            targets.update(call.results)
    return found


def _total(pending: dict[Value, list[Value]], value: Value) -> Value | None:
    """The sum of what arrived at a value, made once."""
    parts = pending.get(value)
    if not parts:
        return None
    where = value.call.where if isinstance(value, Result) else ""
    with exact_scope(f"{where}/gradient" if where else "gradient"):
        while len(parts) > 1:
            parts[:] = [add(parts[0], parts[1]), *parts[2:]]
    return parts[0]
