"""What can be known about a value without running: sign, finiteness, size. Rules ask before they rewrite."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kgraph.ir.dims import Sym, evaluate_dim, product
from kgraph.ir.graph import Constant, Result, Value
from kgraph.ops.activations import Positive, Relu, Sigmoid, Softmax, Softplus
from kgraph.ops.broadcast import BroadcastTo, ReduceSum, Reshape
from kgraph.ops.control import StopGradient
from kgraph.ops.elementwise import Abs, Add, Exp, Mul, Sqrt
from kgraph.ops.logic import Cast
from kgraph.ops.reduce import ReduceMax, ReduceMean, ReduceMin
from kgraph.ops.shape import Slice, Transpose

NOMINAL_SIZE = 32
"""What an unknown dimension, such as the batch, is taken to be when costs are compared."""

_NON_NEGATIVE = (Exp, Abs, Sqrt, Relu, Sigmoid, Softmax, Softplus, Positive)
_MOVES = (Reshape, BroadcastTo, Transpose, Slice, StopGradient)
_KEEP_SIGN = (ReduceSum, ReduceMean, ReduceMax, ReduceMin)
_DEPTH = 4


def is_non_negative(value: Value, depth: int = _DEPTH) -> bool:
    """Whether no element can be below zero (it may be NaN)."""
    if value.dtype == "bool" or value.dtype.startswith("uint"):
        return True
    if isinstance(value, Constant):
        return bool(np.all(value.array >= 0))
    if not isinstance(value, Result) or depth == 0:
        return False
    op, inputs = value.call.op, value.call.inputs
    if isinstance(op, _NON_NEGATIVE) or (isinstance(op, Mul) and inputs[0] is inputs[1]):
        return True
    if isinstance(op, (*_MOVES, *_KEEP_SIGN, Cast, Add, Mul)):
        return all(is_non_negative(operand, depth - 1) for operand in inputs)
    return False


def is_zero(value: Value) -> bool:
    """Whether every element is 0, a constant or one that was broadcast."""
    if isinstance(value, Result) and isinstance(value.call.op, BroadcastTo):
        (value,) = value.call.inputs
    return isinstance(value, Constant) and not np.any(value.array)


def is_finite(value: Value, depth: int = _DEPTH) -> bool:
    """Whether no element can be infinite or NaN."""
    if not value.type.is_float:
        return True
    if isinstance(value, Constant):
        return bool(np.all(np.isfinite(value.array)))
    if not isinstance(value, Result) or depth == 0:
        return False
    op, inputs = value.call.op, value.call.inputs
    if isinstance(op, Cast):
        # float16 ends at 65504, so larger integers become infinite in it.
        return inputs[0].dtype == "bool" or (not inputs[0].type.is_float and value.dtype != "float16")
    return isinstance(op, _MOVES) and is_finite(inputs[0], depth - 1)


def elements(value: Value) -> int:
    """The number of elements, with every unknown dimension taken to be NOMINAL_SIZE."""
    count = product(value.shape)
    return evaluate_dim(count, _Nominal()) if isinstance(count, Sym) else count


class _Nominal(Mapping[str, int]):
    """Every symbol at its nominal size."""

    def __getitem__(self, name: str) -> int:
        return NOMINAL_SIZE

    def __iter__(self):  # type: ignore[no-untyped-def]  # never asked
        return iter(())

    def __len__(self) -> int:
        return 0
