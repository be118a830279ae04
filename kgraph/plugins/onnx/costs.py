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

# Measured with onnxruntime 1.31 on two cores with AVX-512, from chains of single ops of many sizes with one thread and
# with two, and `_MEETING` from steps of recurrent and dense networks of many sizes.
_PRODUCTS_PER_MICROSECOND = 7.5e4
_READ_PER_MICROSECOND = 1.6e4
_ELEMENTS_PER_MICROSECOND = 4e3
_START = 0.3
"""Microseconds for an op of no size."""
_MEETING = 4.0
"""Microseconds that it costs to call threads together and wait for the last."""
_SPREAD = 2**16
"""The fewest multiplications of a product, and elements of another result, that onnxruntime spreads over threads."""

_PRODUCTS = (MatMul, Gemm, Convolution, BlockedConv, BlockedFilterGrad)


def microseconds(function: Function, env: Mapping[str, int]) -> float:
    """The time of a run on one thread, for the sizes in `env`."""
    return _over_calls(function, env, _alone)


def worth_threads(function: Function, env: Mapping[str, int]) -> bool:
    """Whether a second thread saves more than it costs.

    Each op that onnxruntime spreads over threads first calls them together. Where ops are small, as in the steps of a
    recurrent network, that takes longer than it saves, and keeps other cores busy with waiting.
    """
    return _over_calls(function, env, _saved) > 0


Count = Callable[[Call, Mapping[str, int]], float]


def _over_calls(function: Function, env: Mapping[str, int], value: Count) -> float:
    """The sum over all calls, those in bodies as often as they run, of a value of theirs."""
    total = 0.0
    for call in function.calls():
        if isinstance(call.op, Scan):
            length, inner = _inside(call, call.op, env)
            total += length * _over_calls(call.op.body, inner, value)
        else:
            total += value(call, env)
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
    multiplied = _multiplications(call, env)
    if not multiplied:
        return _START + _size(call.results[0], env) / _ELEMENTS_PER_MICROSECOND
    # A product first brings both operands into the kernel's order: for a few rows that is all the work.
    read = sum(_size(value, env) for value in call.inputs[:2]) if isinstance(call.op, _PRODUCTS) else 0
    return _START + read / _READ_PER_MICROSECOND + multiplied / _PRODUCTS_PER_MICROSECOND


def _saved(call: Call, env: Mapping[str, int]) -> float:
    """The microseconds that a second thread saves, less than 0 where it costs more."""
    spread = _multiplications(call, env) or _size(call.results[0], env)
    return _alone(call, env) / 2 - _MEETING if spread >= _SPREAD else 0.0


def _multiplications(call: Call, env: Mapping[str, int]) -> float:
    """How many multiplications a call makes; 0 for what is no product."""
    if isinstance(call.op, Recurrent):
        x, kernel, recurrent = (evaluate_shape(value.shape, env) for value in call.inputs[:3])
        return prod(x[:2]) * (prod(kernel) + prod(recurrent))
    if isinstance(call.op, _PRODUCTS):
        # The square of n k m is the product of the three sizes [n, k], [k, m] and [n, m].
        return sqrt(prod(_size(value, env) for value in (*call.inputs[:2], call.results[0])))
    return 0


def _size(value: Value, env: Mapping[str, int]) -> int:
    return prod(evaluate_shape(value.shape, env))
