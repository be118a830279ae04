"""What can stand in a graph: one declaration per op, one module per family.

Importing any family imports them all, so that the registry does not depend on who imported what.
"""

from __future__ import annotations

from kgraph.ops import (
    activations,
    base,
    broadcast,
    call,
    control,
    conv,
    einsum,
    elementwise,
    indexing,
    linalg,
    logic,
    loss,
    norm,
    patches,
    pool,
    pullback,
    random,
    recurrent,
    reduce,
    samples,
    scan,
    shape,
    transcendental,
    windows,
)

__all__ = [
    "activations",
    "base",
    "broadcast",
    "call",
    "control",
    "conv",
    "einsum",
    "elementwise",
    "indexing",
    "linalg",
    "logic",
    "loss",
    "norm",
    "patches",
    "pool",
    "pullback",
    "random",
    "recurrent",
    "reduce",
    "samples",
    "scan",
    "shape",
    "transcendental",
    "windows",
]
