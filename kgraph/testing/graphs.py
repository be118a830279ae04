"""Small random functions: food for the laws of passes and backends.

They have what real ones have: inputs with a symbolic batch, weights and their updates, shared and repeated
subexpressions, constants, neutral elements, movement, reductions, dense and convolutional layers in both layouts,
normalisation, pooling, an embedding, cross entropies, a scan, dropout, gradients. Values stay moderate, and nothing
jumps, so that functions that mean the same compute nearly the same.
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
from kgraph.ops.conv import conv
from kgraph.ops.elementwise import Abs, add, clip, div, exp, log, maximum, minimum, mul, neg, square, sub
from kgraph.ops.indexing import one_hot
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import greater, where
from kgraph.ops.loss import sigmoid_cross_entropy, softmax_cross_entropy, sparse_softmax_cross_entropy
from kgraph.ops.norm import BatchNorm, BatchNormTrain
from kgraph.ops.pool import average_pool, max_pool
from kgraph.ops.random import dropout
from kgraph.ops.reduce import reduce_max, reduce_mean, reduce_sum
from kgraph.ops.scan import scan
from kgraph.ops.shape import Gather, Reverse, concat, expand_dims, full, pad, slice_axis, transpose
from kgraph.passes.autodiff import gradients

BATCH, TIME, UNITS = symbol("batch"), 3, 4
IMAGE = (2, 6, 6)
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
    """Irregular arrays for the inputs of a random function; integers are classes below UNITS."""
    rng = np.random.default_rng(seed)
    arrays = []
    for leaf in function.inputs:
        low, high = (-2, 2) if leaf.type.is_float else (0, UNITS)
        arrays.append(rng.uniform(low, high, evaluate_shape(leaf.shape, SIZES)).astype(leaf.dtype))
    return arrays


class _Builder:
    def __init__(self, rng: np.random.Generator, dtype: str) -> None:
        self.rng, self.dtype = rng, dtype
        self.row = Input("row", TensorType(dtype, (BATCH, UNITS)))
        self.series = Input("series", TensorType(dtype, (BATCH, TIME, UNITS)))
        self.image = Input("image", TensorType(dtype, (BATCH, *IMAGE)))
        self.labels = Input("labels", TensorType("int32", (BATCH,)))
        self.tokens = Input("tokens", TensorType("int32", (BATCH, TIME)))
        self.inputs = [self.row, self.series, self.image, self.labels, self.tokens]
        self.kernel = self.weight("kernel", UNITS, UNITS)
        self.bias = self.weight("bias", UNITS)
        self.filter = self.weight("filter", IMAGE[0], IMAGE[0], 3, 3)
        self.channel = self.weight("channel", IMAGE[0])
        self.table = self.weight("table", UNITS, UNITS)
        self.weights = [self.kernel, self.bias, self.filter, self.channel, self.table]
        numbers = Constant(rng.uniform(-1, 1, (TIME, UNITS)).astype(dtype))
        self.values: list[Value] = [self.row, self.series, self.image, *self.weights, numbers]
        self.makers: list[Callable[[Value], Value]] = [
            self.unary,
            self.binary,
            self.binary,
            self.neutral,
            self.move,
            self.reduce,
            self.dense,
            self.convolve,
            self.pool,
            self.normalise,
            self.channels_last,
            self.embed,
            self.classify,
            self.recur,
            self.fixed,
        ]

    def weight(self, name: str, *shape: int) -> Variable:
        return Variable(name, self.rng.uniform(-0.7, 0.7, shape), dtype=self.dtype)

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

    def dense(self, x: Value) -> Value:
        x = x if x.rank > 1 and x.shape[-1] == UNITS else self.row
        return self.biased(matmul(x, self.kernel, False, bool(self.rng.integers(2))), self.bias)

    def biased(self, y: Value, bias: Value) -> Value:
        """y, y + bias or relu(y + bias)."""
        kind = int(self.rng.integers(3))
        y = add(y, bias) if kind else y
        return relu(y) if kind == 2 else y

    def as_image(self, x: Value) -> Value:
        return x if x.shape[1:] == IMAGE else self.image

    def convolve(self, x: Value) -> Value:
        y = conv(self.as_image(x), self.filter, pads=((1, 1), (1, 1)))
        return self.biased(y, reshape(self.channel, (IMAGE[0], 1, 1)))

    def pool(self, x: Value) -> Value:
        return self.pick([max_pool, average_pool])(self.as_image(x), (2, 2))

    def normalise(self, x: Value) -> Value:
        x, scale, shift = self.as_image(x), self.channel, neg(self.channel)
        if self.rng.integers(2):
            return BatchNormTrain().apply(x, scale, shift)[0]
        return BatchNorm()(x, scale, shift, self.channel, add(square(self.channel), 0.5))

    def channels_last(self, x: Value) -> Value:
        """As a front end with another layout writes it."""
        y = add(transpose(self.as_image(x), (0, 2, 3, 1)), self.channel)
        return transpose(self.pick([relu, tanh, sigmoid])(y), (0, 3, 1, 2))

    def embed(self, _: Value) -> Value:
        return Gather(0)(self.table, self.tokens)

    def classify(self, x: Value) -> Value:
        """One loss per row: from labels, from targets, from probabilities, from independent classes."""
        x = x if x.shape == self.row.shape else self.row
        probabilities, targets = softmax(x), one_hot(self.labels, UNITS, self.dtype)
        losses = [
            sparse_softmax_cross_entropy(x, self.labels),
            softmax_cross_entropy(x, targets),
            neg(reduce_sum(mul(targets, log(clip(probabilities, 1e-7, 1.0 - 1e-7))), -1)),
            reduce_mean(sigmoid_cross_entropy(x, targets), -1),
        ]
        return self.pick(losses)

    def recur(self, x: Value) -> Value:
        x = x if x.rank == 3 and x.shape[2] == UNITS else self.series
        start = full((x.shape[0], UNITS), 0.0, self.dtype)

        def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            new = tanh(add(matmul(carries[0], self.kernel), slices[0]))
            return [new], [add(new, self.bias)]

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
