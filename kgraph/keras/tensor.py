"""Symbolic tensors and variables as Keras users see them: thin handles on IR values.

A `Tensor` holds an `ir.Value` and what Keras wants to know about it: the layer that made it and its mask. Operators
build ops.
A `Variable` holds an `ir.Variable`. Inside of `collect_updates`, assigning to a variable records its new value and
later reads see it, so code that reads and writes state in order (metrics, custom layers) traces to the right graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from kgraph.errors import ArgumentTypeError, GraphError, ShapeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import Dim, Sym, maximum, symbol
from kgraph.ir.interpret import evaluate_values
from kgraph.ir.types import FLOATS, TensorType
from kgraph.keras import settings
from kgraph.ops import elementwise as e
from kgraph.ops import linalg, logic, shape
from kgraph.ops.broadcast import reshape

Updates = dict[ir.Variable, ir.Value]
_PENDING: ContextVar[Updates | None] = ContextVar("pending_updates", default=None)
# The dtype that floating-point variables are read in: that of the layer at work, if it is not their own.
_READ_AS: ContextVar[str | None] = ContextVar("read_as", default=None)


class Tensor:
    """A symbolic tensor. Operators, slicing and comparison build the graph; `==` and `hash` are identity."""

    __array_ufunc__ = None  # so that `array + tensor` asks the tensor

    def __init__(self, value: ir.Value, name: str | None = None) -> None:
        self._value = value
        self.name = name
        self._keras_history: Any = None
        self._keras_mask: Tensor | None = None

    @property
    def value(self) -> ir.Value:
        """The IR value behind the tensor."""
        return self._value

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape, with None where it is symbolic."""
        return public_shape(self._value.shape)

    @property
    def _keras_shape(self) -> tuple[int | None, ...]:
        return self.shape

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The shape with its symbols."""
        return self._value.shape

    @property
    def dtype(self) -> str:
        return self._value.dtype

    @property
    def ndim(self) -> int:
        return self._value.rank

    def get_shape(self) -> tuple[int | None, ...]:
        return self.shape

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or ''} {self.value.type}>"

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise ArgumentTypeError(
                describe("this tensor has no length", expected="a static axis 0", got=self)
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        raise ArgumentTypeError(
            describe("a symbolic tensor has no truth value; use K.switch or K.any", got=repr(self))
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = evaluate(self)
        return array if dtype is None else array.astype(dtype)

    def numpy(self) -> np.ndarray[Any, Any]:
        """The value, when it depends on variables and constants alone. Raises GraphError otherwise."""
        return evaluate(self)

    def __add__(self, other: Any) -> Tensor:
        return binary(e.Add(), self, other)

    def __radd__(self, other: Any) -> Tensor:
        return binary(e.Add(), other, self)

    def __sub__(self, other: Any) -> Tensor:
        return binary(e.Sub(), self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return binary(e.Sub(), other, self)

    def __mul__(self, other: Any) -> Tensor:
        return binary(e.Mul(), self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return binary(e.Mul(), other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return binary(e.Div(), *as_floats(self, other))

    def __rtruediv__(self, other: Any) -> Tensor:
        return binary(e.Div(), *as_floats(other, self))

    def __floordiv__(self, other: Any) -> Tensor:
        return Tensor(e.Floor()((self / other).value))

    def __mod__(self, other: Any) -> Tensor:
        return binary(e.Mod(), self, other)

    def __pow__(self, other: Any) -> Tensor:
        return binary(e.Pow(), self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return binary(e.Pow(), other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return Tensor(linalg.matmul(self.value, as_value(other, self.dtype)))

    def __neg__(self) -> Tensor:
        return Tensor(e.neg(self.value))

    def __abs__(self) -> Tensor:
        return Tensor(e.Abs()(self.value))

    def __lt__(self, other: Any) -> Tensor:
        return binary(logic.Less(), self, other)

    def __le__(self, other: Any) -> Tensor:
        return binary(logic.LessEqual(), self, other)

    def __gt__(self, other: Any) -> Tensor:
        return binary(logic.Greater(), self, other)

    def __ge__(self, other: Any) -> Tensor:
        return binary(logic.GreaterEqual(), self, other)

    def __invert__(self) -> Tensor:
        return Tensor(logic.Not()(self.value))

    def __and__(self, other: Any) -> Tensor:
        return binary(logic.And(), self, other)

    def __or__(self, other: Any) -> Tensor:
        return binary(logic.Or(), self, other)

    def __getitem__(self, key: Any) -> Tensor:
        return Tensor(index(self.value, key if isinstance(key, tuple) else (key,)))


class Variable(Tensor):
    """State: a weight, a statistic, an optimizer slot, a metric accumulator.

    `value` is its value at this point of the trace. Inside of a layer that computes in another dtype than it keeps its
    weights in, `value` and `dtype` are those it computes with, unless `autocast` is off.
    """

    def __init__(
        self,
        value: Any,
        dtype: str | None = None,
        name: str | None = None,
        constraint: Any = None,
        trainable: bool = True,
        role: str | None = None,
        regularizer: Any = None,
        autocast: bool = True,
    ) -> None:
        self.variable = ir.Variable(
            name or "variable",
            np.asarray(value, dtype=dtype),
            role=role or ("weight" if trainable else "statistic"),
        )
        super().__init__(self.variable, self.variable.name)
        self.trainable = trainable
        self.constraint = constraint
        self.regularizer = regularizer
        self.autocast = autocast

    @property
    def value(self) -> ir.Value:
        pending = _PENDING.get()
        value = pending.get(self.variable, self.variable) if pending is not None else self.variable
        return logic.cast(value, self.dtype)

    @property
    def dtype(self) -> str:
        wanted = _READ_AS.get()
        own = self.variable.dtype
        return own if wanted is None or not self.autocast or own not in FLOATS else wanted

    @property
    def path(self) -> str:
        return self.variable.name

    def numpy(self) -> np.ndarray[Any, Any]:
        return self.variable.storage.read()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def assign(self, value: Any) -> Variable:
        """Give the variable a new value: in the graph while tracing, at once otherwise."""
        pending = _PENDING.get()
        if pending is None:
            self.variable.storage.write(np.asarray(value, dtype=self.variable.dtype))
        else:
            pending[self.variable] = fit_update(self, value)
        return self

    def assign_add(self, value: Any) -> Variable:
        return self.assign((self if _PENDING.get() is not None else self.numpy()) + value)

    def assign_sub(self, value: Any) -> Variable:
        return self.assign((self if _PENDING.get() is not None else self.numpy()) - value)


@contextmanager
def read_as(dtype: str | None) -> Iterator[None]:
    """Inside the block floating-point variables are read in this dtype; None for their own."""
    token = _READ_AS.set(dtype)
    try:
        yield
    finally:
        _READ_AS.reset(token)


@contextmanager
def collect_updates() -> Iterator[Updates]:
    """Assignments made inside are recorded instead of done; reads inside see them."""
    token = _PENDING.set({})
    try:
        pending = _PENDING.get()
        assert pending is not None
        yield pending
    finally:
        _PENDING.reset(token)


def fit_update(variable: Variable, value: Any) -> ir.Value:
    """A new value for a variable, cast and broadcast to its type. Raises ShapeError when it does not fit."""
    new = logic.cast(as_value(value, variable.dtype), variable.variable.dtype)
    return shape.broadcast_to(new, variable.variable.shape)


def public_shape(dims: Sequence[Dim]) -> tuple[int | None, ...]:
    """A shape as Keras shows it: None for what is symbolic."""
    return tuple(None if isinstance(dim, Sym) else dim for dim in dims)


def as_value(operand: Any, dtype: str | None = None) -> ir.Value:
    """The IR value of anything a Keras function takes: a tensor, a value, a dimension, an array or a number.

    Numbers and floating-point arrays take `dtype` (default floatx). Raises ArgumentTypeError for anything else.
    """
    if isinstance(operand, Tensor):
        return operand.value
    if isinstance(operand, ir.Value):
        return operand
    if isinstance(operand, Sym):
        return shape.DimValue(operand, dtype or "int32")()
    if isinstance(operand, list | tuple) and any(isinstance(item, Tensor | Sym) for item in operand):
        return shape.stack([as_value(item, dtype) for item in operand], 0)
    array = np.asarray(operand)
    if array.dtype.kind not in "fiub":
        raise ArgumentTypeError(
            describe(
                "cannot be used as a tensor", expected="a tensor, an array or a number", got=repr(operand)
            )
        )
    if isinstance(operand, bool | int | float | list | tuple) or array.dtype.kind == "f":
        wanted = dtype or (settings.floatx() if array.dtype.kind == "f" else array.dtype.name)
        keeps_fraction = wanted in FLOATS or array.dtype.kind != "f"
        array = array.astype(wanted if keeps_fraction else settings.floatx())
    return ir.Constant(array)


def is_tensor(x: Any) -> bool:
    """Whether something is a symbolic tensor."""
    return isinstance(x, Tensor)


def binary(op: Any, a: Any, b: Any) -> Tensor:
    """Apply a two-operand op after bringing both operands to one dtype: floats win, then the wider one."""
    left, right = promote(a, b)
    return Tensor(op(left, right))


def promote(a: Any, b: Any) -> tuple[ir.Value, ir.Value]:
    """Both operands as values of one dtype. What is not a tensor takes the dtype of the tensor where it can."""
    left = as_value(a, None if is_tensor(a) or not is_tensor(b) else b.dtype)
    right = as_value(b, None if is_tensor(b) or not is_tensor(a) else a.dtype)
    if left.dtype == right.dtype:
        return left, right
    floats = [v.dtype for v in (left, right) if v.dtype in FLOATS]
    common = floats[0] if len(floats) == 1 else np.result_type(left.dtype, right.dtype).name
    return logic.cast(left, common), logic.cast(right, common)


def as_floats(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both operands as floating-point tensors, for true division."""
    left, right = promote(a, b)
    if left.dtype not in FLOATS:
        left, right = logic.cast(left, settings.floatx()), logic.cast(right, settings.floatx())
    return Tensor(left), Tensor(right)


def index(x: ir.Value, key: tuple[Any, ...]) -> ir.Value:
    """NumPy basic indexing: integers, slices with positive steps, [::-1], Ellipsis, None; and integer tensors."""
    named = sum(item is not None and item is not Ellipsis for item in key)
    if Ellipsis in [item for item in key if not isinstance(item, Tensor)]:
        at = next(i for i, item in enumerate(key) if item is Ellipsis)
        key = (*key[:at], *[slice(None)] * (x.rank - named), *key[at + 1 :])
    else:
        key = (*key, *[slice(None)] * (x.rank - named))
    if named > x.rank:
        raise ShapeError(describe("too many indices", expected=f"at most {x.rank}", got=named))
    axis, dims = 0, []
    for item in key:
        if item is None:
            dims.append(1)
            continue
        size = x.shape[axis]
        if isinstance(item, Tensor):
            x = shape.Gather(axis)(
                x, logic.cast(item.value, "int64") if item.dtype != "int32" else item.value
            )
            dims += list(x.shape[axis : axis + item.ndim])
            axis += item.ndim
            continue
        if isinstance(item, slice):
            x = _slice(x, axis, item)
            dims.append(x.shape[axis])
        else:
            position = item + size if isinstance(item, int) and item < 0 else item
            x = shape.slice_axis(x, axis, position, position + 1)
        axis += 1
    return reshape(x, dims)


def _slice(x: ir.Value, axis: int, item: slice) -> ir.Value:
    size = x.shape[axis]
    step = 1 if item.step is None else item.step
    if step == -1 and item.start is None and item.stop is None:
        return shape.Reverse((axis,))(x)
    if step < 1:
        raise ShapeError(describe("only positive steps, or [::-1], can be sliced", got=item))
    if isinstance(size, int) and not isinstance(item.start, Sym) and not isinstance(item.stop, Sym):
        start, stop, _ = slice(item.start, item.stop).indices(size)
        stop = max(start, stop)
    else:
        start = _from_end(item.start, size, 0)
        stop = _from_end(item.stop, size, size)
    if start == 0 and stop == size and step == 1:
        return x
    return shape.slice_axis(x, axis, start, stop, step)


def _from_end(position: Any, size: Dim, default: Dim) -> Any:
    if position is None:
        return default
    return maximum(position + size, 0) if isinstance(position, int) and position < 0 else position


def evaluate(x: Any) -> np.ndarray[Any, Any]:
    """The value of a tensor that depends on variables and constants alone, by the NumPy meaning of its ops.

    Raises GraphError when it depends on an input.
    """
    root = as_value(x)
    values: dict[ir.Value, Any] = {}
    leaves = [v for call in ir.topological([root]) for v in call.inputs] + [root]
    for leaf in leaves:
        if isinstance(leaf, ir.Variable):
            values[leaf] = leaf.storage.read()
        elif isinstance(leaf, ir.Input):
            raise GraphError(
                describe(
                    "a symbolic tensor has no value yet; run a model or K.function to get one", got=repr(leaf)
                )
            )
    evaluate_values([root], values, {})
    return np.array(root.array if isinstance(root, ir.Constant) else values[root])


def placeholder_type(shape: Sequence[Dim | None], dtype: str, name: str) -> TensorType:
    """The type of an input: None on axis 0 is the symbol `batch`, None elsewhere a symbol of its own."""
    dims: list[Dim] = []
    for axis, size in enumerate(shape):
        if size is None:
            dims.append(ir_symbol("batch" if axis == 0 else f"{name}_{axis}"))
        else:
            dims.append(size)
    return TensorType(dtype, tuple(dims))


def ir_symbol(name: str) -> Sym:
    """A dimension symbol whose name is safe in expressions."""
    return symbol("".join(c if c.isalnum() or c == "_" else "_" for c in name))
