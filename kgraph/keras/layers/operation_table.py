"""What the operations of Keras 3 compute, by the names of their classes there.

The semantics are NumPy's, with Keras's rule for dtypes: a Python number takes the dtype of the tensors that it meets,
except that it makes int32 of Booleans, and a fraction makes floatx of integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.types import FLOATS, UNSIGNED, normalize_axis
from kgraph.keras import activations, settings
from kgraph.keras import backend as K
from kgraph.keras.tensor import Tensor, promote
from kgraph.ops import elementwise as e
from kgraph.ops import linalg, logic
from kgraph.ops import shape as s

Function = Callable[..., Any]
Numbers = bool | int | float


def common(*operands: Any) -> list[Tensor]:
    """Operands as tensors of one dtype."""
    numbers = [x for x in operands if isinstance(x, Numbers)]
    tensors = [_tensor(x) for x in operands if not isinstance(x, Numbers)]
    dtype = _promoted([t.dtype for t in tensors] or ["bool"])
    if any(isinstance(x, float) for x in numbers) and dtype not in FLOATS:
        dtype = settings.floatx()
    if any(not isinstance(x, bool) for x in numbers) and dtype == "bool":
        dtype = "int32"
    rest = iter(tensors)
    return [
        Tensor(ir.Constant(np.asarray(x, dtype))) if isinstance(x, Numbers) else _cast(next(rest), dtype)
        for x in operands
    ]


def _tensor(x: Any) -> Tensor:
    """Anything but a number as a tensor; lists of integers are int32."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, list | tuple) and any(isinstance(item, Tensor) for item in x):
        return K.stack(common(*x))
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise ArgumentError(describe("an operand of an operation", expected="a tensor or numbers", got=x))
    if array.dtype.kind == "f":
        array = array.astype(settings.floatx())
    elif array.dtype == np.int64 and not isinstance(x, np.ndarray):
        array = array.astype(np.int32)
    return Tensor(ir.Constant(array))


def _promoted(dtypes: Sequence[str]) -> str:
    first, *rest = (ir.Constant(np.zeros((), dtype)) for dtype in dtypes)
    value: ir.Value = first
    for other in rest:
        value = promote(Tensor(value), Tensor(other))[0]
    return value.dtype


def _cast(x: Tensor, dtype: str) -> Tensor:
    return x if x.dtype == dtype else K.cast(x, dtype)


def _float(x: Any) -> Tensor:
    found = _tensor(x)
    return found if found.dtype in FLOATS else _cast(found, settings.floatx())


def _number(x: Any) -> Tensor:
    """A tensor that can be computed with: Booleans as int32."""
    found = _tensor(x)
    return _cast(found, "int32") if found.dtype == "bool" else found


def _through_numbers(op: Any) -> Function:
    """An op of two operands of one dtype. Booleans stay Booleans, as the numbers 0 and 1."""

    def apply(x1: Any, x2: Any) -> Tensor:
        left, right = common(x1, x2)
        made = Tensor(op(_number(left).value, _number(right).value))
        return K.cast(made, "bool") if left.dtype == "bool" else made

    return apply


def _compared(op: Any) -> Function:
    return lambda x, y: Tensor(op(*(_number(t).value for t in common(x, y))))


def _pointwise(op: Any, prepare: Function = _float) -> Function:
    """A function of one operand, by default of floating-point numbers."""
    return lambda x: Tensor(op(prepare(x).value))


def _divide(x: Any, y: Any) -> Tensor:
    left, right = (_float(t) for t in common(x, y))
    return Tensor(e.div(left.value, right.value))


def _flags(x: Any) -> Tensor:
    return _cast(common(x)[0], "bool")


def _truth(op: Any) -> Function:
    return lambda x, y: Tensor(op(_flags(x).value, _flags(y).value))


def _where(condition: Any, x1: Any, x2: Any) -> Tensor:
    left, right = common(x1, x2)
    return Tensor(logic.where(_flags(condition).value, left.value, right.value))


def _matmul(x1: Any, x2: Any) -> Tensor:
    """The matrix product as NumPy's: leading axes broadcast; a vector is a row on the left, a column on the right."""
    left, right = (t.value for t in common(_tensor(x1), _tensor(x2)))
    if 0 in (left.rank, right.rank):
        raise ShapeError(
            describe("a matrix product", expected="rank 1 or more", got=f"{left.type}, {right.type}")
        )
    row, column = left.rank == 1, right.rank == 1
    made = linalg.matmul(
        s.expand_dims(left, 0) if row else left, s.expand_dims(right, 1) if column else right
    )
    if column:
        made = s.squeeze(made, made.rank - 1)
    return Tensor(s.squeeze(made, made.rank - (1 if column else 2)) if row else made)


def _reduction(operation: Function, prepare: Function = _tensor) -> Function:
    def apply(x: Any, axis: Any = None, keepdims: bool = False, initial: None = None) -> Any:
        found = prepare(x)
        return operation(found, axis=None if axis is None else _axes(axis, found.ndim), keepdims=keepdims)

    return apply


def _prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: str | None = None) -> Tensor:
    operand = _sum_operand(x) if dtype is None else K.cast(_tensor(x), dtype)
    return _reduction(K.prod)(operand, axis, keepdims)


def _sum_operand(x: Any) -> Tensor:
    """Small integers are summed as 32 bits."""
    found = _number(x)
    small = found.dtype not in FLOATS and np.dtype(found.dtype).itemsize < 4
    return _cast(found, "uint32" if found.dtype in UNSIGNED else "int32") if small else found


def _extremum(find: Function) -> Function:
    def apply(x: Any, axis: Any, keepdims: bool) -> Tensor:
        made = find(_number(x), axis, keepdims)
        return K.cast(made, "bool") if x.dtype == "bool" else made

    return _reduction(apply)


def _arg(find: Function) -> Function:
    def apply(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
        found = _number(x)
        rank = found.ndim
        if axis is None:
            found = K.reshape(found, (-1,))
        made = K.cast(find(found, 0 if axis is None else axis), "int32")
        if not keepdims:
            return made
        return K.reshape(made, (1,) * rank) if axis is None else K.expand_dims(made, axis)

    return apply


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    return tuple(normalize_axis(a, rank) for a in ([axis] if isinstance(axis, int) else axis))


def _item(x: Any, key: Any) -> Tensor:
    parts = list(key) if isinstance(key, list | tuple) else [key]
    return x[tuple(_tensor(part) if isinstance(part, list) else part for part in parts)]


def _squeeze(x: Any, axis: Any = None) -> Tensor:
    axes = [i for i, size in enumerate(x.shape) if size == 1] if axis is None else _axes(axis, x.ndim)
    for a in sorted(axes, reverse=True):
        x = K.squeeze(x, a)
    return x


def _expand(x: Any, axis: Any) -> Tensor:
    count = 1 if isinstance(axis, int) else len(axis)
    for a in sorted(_axes(axis, x.ndim + count)):
        x = K.expand_dims(x, a)
    return x


def _transpose(x: Any, axes: Any = None) -> Tensor:
    return K.transpose(x) if axes is None else K.permute_dimensions(x, _axes(axes, x.ndim))


def _flip(x: Any, axis: Any = None) -> Tensor:
    return K.reverse(x, tuple(range(x.ndim)) if axis is None else _axes(axis, x.ndim))


def _reshape(x: Any, newshape: Any) -> Tensor:
    return K.reshape(
        x, (newshape,) if isinstance(newshape, int) else tuple(-1 if d is None else d for d in newshape)
    )


def _clip(x: Any, x_min: Any, x_max: Any) -> Tensor:
    return K.clip(_number(x), x_min, x_max)


def _round(x: Any, decimals: int = 0) -> Tensor:
    found = _tensor(x)
    if found.dtype not in FLOATS:
        found = _cast(found, settings.floatx()) if found.dtype == "bool" else found
        if decimals >= 0:
            return found
    scale = 10.0**decimals
    return K.round(found * scale) / scale if decimals else K.round(found)


def _activation(function: Function) -> Function:
    return lambda x: function(_float(x))


def _relu(x: Any) -> Tensor:
    found = _tensor(x)
    return activations.relu(found) if found.dtype in FLOATS else K.maximum(_number(found), 0)


NUMPY: Mapping[str, Function] = MappingProxyType(
    {
        "Absolute": lambda x: x if x.dtype == "bool" else K.abs(x),
        "Add": _through_numbers(e.Add()),
        "All": _reduction(K.all),
        "Any": _reduction(K.any),
        "Argmax": _arg(K.argmax),
        "Argmin": _arg(K.argmin),
        "Clip": _clip,
        "Concatenate": lambda xs, axis=-1: K.concatenate(common(*xs), axis=axis),
        "Cos": _pointwise(e.Cos()),
        "Divide": _divide,
        "Equal": _compared(logic.Equal()),
        "Exp": _pointwise(e.exp),
        "ExpandDims": _expand,
        "Flip": _flip,
        "Floor": _pointwise(e.Floor()),
        "GetItem": _item,
        "Greater": _compared(logic.Greater()),
        "GreaterEqual": _compared(logic.GreaterEqual()),
        "Less": _compared(logic.Less()),
        "LessEqual": _compared(logic.LessEqual()),
        "Log": _pointwise(e.log),
        "LogicalAnd": _truth(logic.And()),
        "LogicalNot": _pointwise(logic.Not(), _flags),
        "LogicalOr": _truth(logic.Or()),
        "Matmul": _matmul,
        "Max": _extremum(K.max),
        "Maximum": _through_numbers(e.Maximum()),
        "Mean": _reduction(K.mean, _float),
        "Min": _extremum(K.min),
        "Minimum": _through_numbers(e.Minimum()),
        "Multiply": _through_numbers(e.Mul()),
        "Negative": _pointwise(e.neg, _tensor),
        "NotEqual": _compared(lambda x, y: logic.Not()(logic.equal(x, y))),
        "Power": _through_numbers(e.Pow()),
        "Prod": _prod,
        "Reshape": _reshape,
        "Round": _round,
        "Sign": _pointwise(e.Sign(), _number),
        "Sin": _pointwise(e.Sin()),
        "Sqrt": _pointwise(e.sqrt),
        "Square": _pointwise(e.square, _number),
        "Squeeze": _squeeze,
        "Stack": lambda xs, axis=0: K.stack(common(*xs), axis=axis),
        "Subtract": _through_numbers(e.Sub()),
        "Sum": _reduction(K.sum, _sum_operand),
        "Tanh": _activation(activations.tanh),
        "Transpose": _transpose,
        "TrueDivide": _divide,
        "Where": _where,
    }
)
"""Of keras.ops.numpy."""

NN: Mapping[str, Function] = MappingProxyType(
    {
        "Elu": lambda x, alpha=1.0: activations.elu(_float(x), alpha),
        "Gelu": lambda x, approximate=True: activations.gelu(_float(x), approximate),
        "HardSigmoid": _activation(activations.hard_sigmoid),
        "HardSilu": _activation(activations.hard_silu),
        "LeakyRelu": lambda x, negative_slope=0.2: activations.leaky_relu(_float(x), negative_slope),
        "LogSoftmax": lambda x, axis=-1: activations.log_softmax(_float(x), axis),
        "Relu": _relu,
        "Relu6": _activation(activations.relu6),
        "Selu": _activation(activations.selu),
        "Sigmoid": _activation(activations.sigmoid),
        "Silu": _activation(activations.silu),
        "Softmax": lambda x, axis=-1: activations.softmax(_float(x), axis),
        "Softplus": _activation(activations.softplus),
        "Softsign": _activation(activations.softsign),
    }
)
"""Of keras.ops.nn."""

CORE: Mapping[str, Function] = MappingProxyType({"Cast": lambda x, dtype: K.cast(_tensor(x), dtype)})
"""Of keras.ops.core."""
