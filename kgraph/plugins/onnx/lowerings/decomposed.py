"""The lowering of an op by way of simpler ops: for dtypes and targets that have no kernel for it."""

from __future__ import annotations

from kgraph.ir.graph import Call, topological
from kgraph.plugins.onnx.emit import Emitter


def decomposed(emitter: Emitter, call: Call, operands: list[str]) -> str | list[str]:
    """Emit the decomposition of a composite op."""
    made = call.op.decompose(*call.inputs)
    results = made if isinstance(made, tuple) else (made,)
    emitter.emit(topological(results, call.inputs))
    names = [emitter.name(value) for value in results]
    return names if isinstance(made, tuple) else names[0]
