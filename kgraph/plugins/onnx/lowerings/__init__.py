"""The lowering table of the ONNX backend: one module per family of ops, named as in `kgraph/ops`."""

from __future__ import annotations

from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.lowerings import activations, elementwise, linalg, reduce, shape

TABLE = LoweringTable().merge([activations.TABLE, elementwise.TABLE, linalg.TABLE, reduce.TABLE, shape.TABLE])
