"""The lowering table of the ONNX backend: one module per family of ops, named as in `kgraph/ops`."""

from __future__ import annotations

from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.lowerings import activations, elementwise, indexing, linalg, norm, reduce, shape

FAMILIES = (activations, elementwise, indexing, linalg, norm, reduce, shape)

TABLE = LoweringTable().merge([family.TABLE for family in FAMILIES])
