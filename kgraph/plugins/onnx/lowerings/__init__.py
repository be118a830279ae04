"""The lowering table of the ONNX backend: one module per family of ops, named as in `kgraph/ops`."""

from __future__ import annotations

from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.lowerings import (
    activations,
    blocked,
    conv,
    elementwise,
    indexing,
    linalg,
    norm,
    pool,
    random,
    recurrent,
    reduce,
    scan,
    shape,
)

FAMILIES = (
    activations,
    blocked,
    conv,
    elementwise,
    indexing,
    linalg,
    norm,
    pool,
    random,
    recurrent,
    reduce,
    scan,
    shape,
)

TABLE = LoweringTable().merge([family.TABLE for family in FAMILIES])
