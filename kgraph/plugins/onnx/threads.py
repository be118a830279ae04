"""How many threads a function is worth.

Each op that onnxruntime spreads over threads first calls them together. Where ops are small, as in the steps of a
recurrent network, that takes longer than it saves, and keeps the other cores busy with waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt

from kgraph.ir.dims import bind_shape, evaluate_shape
from kgraph.ir.graph import Call, Function, Value
from kgraph.ops.base import Elementwise
from kgraph.ops.conv import Convolution
from kgraph.ops.linalg import Gemm, MatMul
from kgraph.ops.scan import Scan
from kgraph.plugins.onnx.blocked.ops import BlockedConv, BlockedFilterGrad

# Measured with onnxruntime 1.31 on two cores with AVX-512, from runs of recurrent and dense networks of many sizes with
# one thread and with two.
_PRODUCTS_PER_MICROSECOND = 5e4
_ELEMENTS_PER_MICROSECOND = 4e3
_MEETING = 8.0
"""Microseconds that it costs to call threads together and wait for the last."""
_ALONE = 1.5
"""Microseconds below which onnxruntime does not try."""

_PRODUCTS = (MatMul, Gemm, Convolution, BlockedConv, BlockedFilterGrad)


def worth_threads(function: Function, env: Mapping[str, int]) -> bool:
    """Whether a second thread saves more than it costs, for the sizes in `env`."""
    return _gain(function, env) > 0


def _gain(function: Function, env: Mapping[str, int]) -> float:
    """The microseconds that a second thread saves."""
    return sum(_gain_of_call(call, env) for call in function.calls())


def _gain_of_call(call: Call, env: Mapping[str, int]) -> float:
    op = call.op
    if isinstance(op, Scan):
        shapes = [evaluate_shape(value.shape, env) for value in call.inputs]
        end = op.carries + op.sequences
        inner: dict[str, int] = {}
        for i, (leaf, shape) in enumerate(zip(op.body.inputs, shapes, strict=True)):
            bind_shape(leaf.shape, shape[1:] if op.carries <= i < end else shape, inner)
        return shapes[op.carries][0] * _gain(op.body, {**env, **inner})
    if isinstance(op, _PRODUCTS):
        # The square of n k m is the product of the three sizes [n, k], [k, m] and [n, m].
        sizes = [_size(value, env) for value in (*call.inputs[:2], call.results[0])]
        alone = sqrt(prod(sizes)) / _PRODUCTS_PER_MICROSECOND
    elif isinstance(op, Elementwise):
        alone = _size(call.results[0], env) / _ELEMENTS_PER_MICROSECOND
    else:
        return 0.0
    return alone / 2 - _MEETING if alone > _ALONE else 0.0


def _size(value: Value, env: Mapping[str, int]) -> int:
    return prod(evaluate_shape(value.shape, env))
