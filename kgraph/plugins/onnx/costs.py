"""What running a function costs, estimated: good enough to choose by, and the same in every run.

Measuring would be nearer to the truth and make results depend on how busy the machine is: other kernels round
differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod, sqrt

from kgraph.ir.dims import bind_shape, evaluate_shape
from kgraph.ir.graph import Call, Function, Value
from kgraph.ops.conv import Convolution
from kgraph.ops.linalg import Gemm, MatMul
from kgraph.ops.recurrent import Recurrent
from kgraph.ops.scan import Scan
from kgraph.plugins.onnx.blocked.ops import BlockedConv, BlockedFilterGrad

# Measured with onnxruntime 1.31 on two cores with AVX-512, from runs of recurrent and dense networks of many sizes with
# one thread and with two.
_PRODUCTS_PER_MICROSECOND = 5e4
_ELEMENTS_PER_MICROSECOND = 4e3
_START = 0.3
"""Microseconds for an op of no size."""
_MEETING = 8.0
"""Microseconds that it costs to call threads together and wait for the last."""
_ALONE = 1.5
"""Microseconds below which onnxruntime does not try."""

_PRODUCTS = (MatMul, Gemm, Convolution, BlockedConv, BlockedFilterGrad)


def microseconds(function: Function, env: Mapping[str, int]) -> float:
    """The time of a run on one thread, for the sizes in `env`."""
    return _over_calls(function, env, lambda alone: alone)


def worth_threads(function: Function, env: Mapping[str, int]) -> bool:
    """Whether a second thread saves more than it costs.

    Each op that onnxruntime spreads over threads first calls them together. Where ops are small, as in the steps of a
    recurrent network, that takes longer than it saves, and keeps other cores busy with waiting.
    """
    return _over_calls(function, env, lambda alone: alone / 2 - _MEETING if alone > _ALONE else 0.0) > 0


def _over_calls(function: Function, env: Mapping[str, int], value: Callable[[float], float]) -> float:
    """The sum over all calls, those in bodies as often as they run, of a value of their times."""
    total = 0.0
    for call in function.calls():
        if isinstance(call.op, Scan):
            length, inner = _inside(call, call.op, env)
            total += length * _over_calls(call.op.body, inner, value)
        else:
            total += value(_alone(call, env))
    return total


def _inside(call: Call, scan: Scan, env: Mapping[str, int]) -> tuple[int, Mapping[str, int]]:
    """How many steps a scan has, and the sizes in its body."""
    shapes = [evaluate_shape(value.shape, env) for value in call.inputs]
    first, end = scan.carries, scan.carries + scan.sequences
    sizes: dict[str, int] = {}
    for position, (leaf, shape) in enumerate(zip(scan.body.inputs, shapes, strict=True)):
        bind_shape(leaf.shape, shape[1:] if first <= position < end else shape, sizes)
    return shapes[first][0], {**env, **sizes}


def _alone(call: Call, env: Mapping[str, int]) -> float:
    """The microseconds of a call on one thread."""
    result = _size(call.results[0], env)
    if isinstance(call.op, Recurrent):
        x, kernel, recurrent = (evaluate_shape(value.shape, env) for value in call.inputs[:3])
        return _START + prod(x[:2]) * (prod(kernel) + prod(recurrent)) / _PRODUCTS_PER_MICROSECOND
    if isinstance(call.op, _PRODUCTS):
        # The square of n k m is the product of the three sizes [n, k], [k, m] and [n, m].
        sizes = [_size(value, env) for value in call.inputs[:2]]
        # Both are brought into the kernel's order first: for a few rows that is all the work.
        reading = sum(sizes) / (2 * _ELEMENTS_PER_MICROSECOND)
        return _START + reading + sqrt(prod(sizes) * result) / _PRODUCTS_PER_MICROSECOND
    return _START + result / _ELEMENTS_PER_MICROSECOND


def _size(value: Value, env: Mapping[str, int]) -> int:
    return prod(evaluate_shape(value.shape, env))
