"""Small random functions: food for the laws of passes and backends.

They have what real ones have: inputs with a symbolic batch, weights and their updates, shared and repeated
subexpressions, constants, neutral elements, movement, reductions, matrix products, a scan, dropout, gradients. Values
stay moderate, and nothing jumps, so that functions that mean the same compute nearly the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from kgraph.ir.dims import evaluate_shape, product, symbol
from kgraph.ir.graph import Constant, Function, Input, Value, Variable, scope
from kgraph.ir.types import Array, TensorType
from kgraph.ops.activations import relu, sigmoid, softmax, softplus, tanh
from kgraph.ops.broadcast import reshape
from kgraph.ops.control import in_train_phase, stop_gradient
from kgraph.ops.elementwise import Abs, add, div, exp, maximum, minimum, mul, neg, square, sub
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import greater, where
from kgraph.ops.random import dropout
from kgraph.ops.reduce import reduce_max, reduce_mean, reduce_sum
from kgraph.ops.scan import scan
from kgraph.ops.shape import Reverse, concat, expand_dims, full, pad, slice_axis, transpose
from kgraph.passes.autodiff import gradients

BATCH, TIME, UNITS = symbol("batch"), 3, 4
SIZES = {"batch": 5}
T = TypeVar("T")


def random_function(
    seed: int, *, dtype: str = "float64", calls: int = 24, draws: bool = True, phases: bool = False
) -> Function:
    """A function of about `calls` random calls and the updates of its weights by gradient descent.

    It is the same for the same seed. With `draws` it has dropout, with `phases` in_train_phase calls.
    """
    made = _Builder(np.random.default_rng(seed), dtype)
    if draws:
        made.makers.append(made.draw)
    if phases:
        made.makers.append(lambda x: in_train_phase(tanh(x), x))
    with scope(f"random_{seed}"):
        for _ in range(calls):
            made.extend()
        results = made.values[-3:]
        outputs = {f"y{i}": value for i, value in enumerate(results)}
        outputs["loss"] = add(reduce_mean(square(tanh(results[0]))), reduce_mean(softplus(results[1])))
        slopes = gradients(outputs["loss"], made.weights)
        updates = {w: sub(w, mul(g, 0.1)) for w, g in zip(made.weights, slopes, strict=True)}
    return Function(f"random_{seed}", tuple(made.inputs), outputs, updates)


def random_arrays(function: Function, seed: int = 0) -> list[Array]:
    """Irregular arrays for the inputs of a random function."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-2, 2, evaluate_shape(x.shape, SIZES)).astype(x.dtype) for x in function.inputs]


class _Builder:
    def __init__(self, rng: np.random.Generator, dtype: str) -> None:
        self.rng, self.dtype = rng, dtype
        self.inputs = [
            Input("x", TensorType(dtype, (BATCH, UNITS))),
            Input("z", TensorType(dtype, (BATCH, TIME, UNITS))),
        ]
        shapes = {"kernel": (UNITS, UNITS), "bias": (UNITS,), "scale": ()}
        self.weights = [
            Variable(name, rng.uniform(-1, 1, shape), dtype=dtype) for name, shape in shapes.items()
        ]
        numbers = Constant(rng.uniform(-1, 1, (TIME, UNITS)).astype(dtype))
        self.values: list[Value] = [*self.inputs, *self.weights, numbers]
        self.makers: list[Callable[[Value], Value]] = [
            self.unary,
            self.binary,
            self.binary,
            self.neutral,
            self.move,
            self.reduce,
            self.product,
            self.recur,
            self.fixed,
        ]

    def extend(self) -> None:
        """One more value, from a recent one more likely than from an old one."""
        position = len(self.values) - 1 - int(self.rng.exponential(4.0))
        self.values.append(self.pick(self.makers)(self.values[max(position, 0)]))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.rng.integers(len(choices)))]

    def unary(self, x: Value) -> Value:
        functions: list[Callable[[Value], Value]] = [
            tanh,
            sigmoid,
            relu,
            softplus,
            neg,
            Abs(),
            stop_gradient,
            lambda v: exp(tanh(v)),
            lambda v: square(tanh(v)),
            lambda v: neg(neg(v)),
        ]
        if x.rank:
            functions.append(softmax)
        return self.pick(functions)(x)

    def binary(self, x: Value) -> Value:
        y = self.pick([value for value in self.values if _broadcasts(x, value)])
        functions: list[Callable[[Value, Value], Value]] = [
            add,
            sub,
            maximum,
            minimum,
            lambda a, b: mul(a, sigmoid(b)),
            lambda a, b: div(a, add(square(b), 1.0)),
            lambda a, b: where(greater(a, b), mul(a, 1.0), b),
        ]
        return self.pick(functions)(x, y)

    def neutral(self, x: Value) -> Value:
        """Arithmetic with numbers that simplification is fond of."""
        function = self.pick([add, sub, mul, div])
        return function(x, self.pick([1.0, 2.0, -1.0, 0.5]))

    def move(self, x: Value) -> Value:
        if x.rank == 0:
            return expand_dims(x, 0)
        axis = int(self.rng.integers(x.rank))
        functions: list[Callable[[Value], Value]] = [
            lambda v: transpose(v, tuple(int(i) for i in self.rng.permutation(v.rank))),
            lambda v: reshape(v, (product(v.shape),)),
            lambda v: expand_dims(v, axis),
            Reverse((axis,)),
            lambda v: concat([v, mul(v, 2.0)], axis),
            lambda v: slice_axis(v, axis, 0, 1),
            lambda v: pad(v, [(1, 0) if i == axis else (0, 0) for i in range(v.rank)]),
        ]
        return self.pick(functions)(x)

    def reduce(self, x: Value) -> Value:
        axes = tuple(axis for axis in range(x.rank) if self.rng.random() < 0.5)
        return self.pick([reduce_sum, reduce_mean, reduce_max])(x, axes, bool(self.rng.integers(2)))

    def product(self, x: Value) -> Value:
        if x.rank < 2 or x.shape[-1] != UNITS:
            x = self.inputs[0]
        return matmul(x, self.weights[0], False, bool(self.rng.integers(2)))

    def recur(self, x: Value) -> Value:
        if x.rank != 3 or x.shape[2] != UNITS:
            x = self.inputs[1]
        start = full((x.shape[0], UNITS), 0.0, self.dtype)

        def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            new = tanh(add(matmul(carries[0], self.weights[0]), slices[0]))
            return [new], [add(new, self.weights[1])]

        return scan(step, [start], [x], axis=1)[1][0]

    def draw(self, x: Value) -> Value:
        return dropout(x, 0.25, int(self.rng.integers(3)))

    def fixed(self, x: Value) -> Value:
        """Something that depends on constants alone."""
        number = Constant(np.asarray(self.rng.uniform(0.5, 1.5), self.dtype))
        return mul(x, tanh(add(number, 1.0)))


def _broadcasts(a: Value, b: Value) -> bool:
    """Whether the shapes surely broadcast. (Elsewhere a symbol may turn out to be any number.)"""
    pairs = zip(a.shape[::-1], b.shape[::-1], strict=False)
    return all(m == n or 1 in (m, n) for m, n in pairs)
