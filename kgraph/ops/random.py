"""Random numbers without hidden state: a hash of (seed, counter, salt, position).

A function that needs random numbers reads `RNG`, a variable uint32[2] = (seed, counter). Whoever compiles it puts the
model's own variable in its place and makes `advance` of it the update, so each run counts on by one, and a run can be
saved, resumed and moved to another device. The `salt` keeps the ops of one function apart; `number_salts` makes it
depend on the function alone, and not on what else its process has made before.

The bits are the same everywhere: they are made from unsigned 32-bit sums, products (modulo 2^32) and right shifts,
which every provider has. Nearly all the work is done on two vectors. The tensor is viewed as a matrix with its first
axis as the rows; each row i is hashed with the state to a pair (a_i, a'_i), each column j with the salt to a pair
(b_j, b'_j), a' even and b' odd. The element is

    z_ij = (a_i + b_j) (a'_i + b'_j)    mod 2^32

two sums and one product over the whole tensor. The column pairs are constants, which folding computes beforehand. The
high bits of z are as good as random; bit k depends on the k low bits of the factors only. `RandomBits` spends four more
passes on turning them into good bits everywhere. A comparison with a threshold needs fewer: the square of the second
factor, which is odd, has high bits that are no worse, for one sum and one product.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.ir.dims import Dim, Shape, product
from kgraph.ir.graph import Call, Constant, Function, Value, Variable, transform
from kgraph.ir.op import Op, Sample, op
from kgraph.ir.types import UNSIGNED, Array, TensorType
from kgraph.ops.base import Unary
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import Cos, add, log, minimum, mul, neg, sqrt, square, sub
from kgraph.ops.logic import cast, less
from kgraph.ops.samples import floats, integers
from kgraph.ops.shape import Iota, full, slice_axis

RNG = Variable("rng", np.zeros(2, "uint32"), role="rng")
"""The state that random layers read while a model is traced. Nothing is ever written to it."""

_GOLDEN = 0x9E3779B9  # 2^32 / golden ratio: multiples of it spread evenly
_WORD = 1 << 32
_UNSEEDED = 0x6A09E667  # the seed of draws without one: any number that nobody chooses
_DRAWS = itertools.count(_WORD)


def uses_rng(function: Function) -> bool:
    """Whether the function draws random numbers, so that its `RNG` needs a variable of its own and an update."""
    return RNG in function.variables()


def advance(rng: Value) -> Value:
    """(seed, counter) -> (seed, counter + 1), the state for the next run."""
    return add(rng, Constant(np.array([0, 1], "uint32")))


def salt_of(seed: int | None, draw: int) -> int:
    """The salt of the `draw`th draw, from 1, with a seed; without one (`draw` is ignored) of a draw like no other.

    It is seed + draw * 2^32 / golden ratio modulo 2^32, and above these bits the draw, for `number_salts`.
    """
    if seed is None:
        seed, draw = _UNSEEDED, next(_DRAWS)
    return draw * _WORD + (seed + draw * _GOLDEN) % _WORD


def number_salts(function: Function, first: int = 0) -> Function:
    """The function with the draws of each seed counted in the order in which the function makes them.

    So the same model draws the same numbers in any process. Draws without a seed are counted from `first`; salts that
    do not come from `salt_of` stay.
    """
    return _Numbering(first).visit(function)


class _Numbering:
    def __init__(self, first: int) -> None:
        self.first = first
        self.found: dict[tuple[int, bool], dict[int, int]] = {}

    def visit(self, function: Function) -> Function:
        return transform(function, self._call)

    def _call(self, call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        op: Any = call.op
        changed: dict[str, Any] = {}
        for name, value in vars(op).items():
            if isinstance(value, Function):
                changed[name] = self.visit(value)
            elif name == "salt":
                changed[name] = self._number(value)
        if all(value is vars(op)[name] for name, value in changed.items()):
            return None
        return replace(op, **changed).apply(*inputs)

    def _number(self, salt: int) -> int:
        draw = salt // _WORD
        if not draw:
            return salt
        seed, unseeded = (salt - draw * _GOLDEN) % _WORD, draw >= _WORD
        draws = self.found.setdefault((seed, unseeded), {})
        number = draws.setdefault(draw, len(draws) + 1) + (self.first if unseeded else 0)
        return (seed + number * _GOLDEN) % _WORD


@op("shift_right")
class ShiftRight(Unary):
    """x unsigned [*S] -> floor(x / 2^bits)."""

    bits: int = 1

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype not in UNSIGNED:
            raise ShapeError(describe("only unsigned integers shift", expected="uint32", got=x))
        return x

    def evaluate(self, x: Array) -> Array:
        return x >> np.asarray(self.bits, x.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(16), (integers(2, 3, high=1 << 32, dtype="uint32"),))


@dataclass(frozen=True, repr=False)
class Random(Op):
    """rng uint32[2] -> y [*shape]."""

    shape: Shape = ()
    salt: int = 0

    def with_shape(self, shape: Shape) -> Random:
        """The same draw in another shape; other numbers."""
        return replace(self, shape=shape)

    def bits(self, rng: Value, stream: int = 0) -> Value:
        """Numbers all of whose bits are random, uint32."""
        return _spread(mul(*_factors(rng, self.shape, self.salt, stream)))

    def uniform(self, rng: Value, dtype: str, stream: int = 0) -> Value:
        """Numbers in (0, 1), both ends excluded."""
        bits = self.bits(rng, stream)
        # The largest number that float32 holds below 2^32: without it, rounding could give 1.
        whole = cast(minimum(bits, 0xFFFFFF00), dtype)
        return add(mul(whole, 2.0**-32), 2.0**-33)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for shape in ((), (7,), (3, 5), (2, 3, 4)):
            yield Sample(cls(shape, 11), (np.array([3, 4], "uint32"),))


@dataclass(frozen=True, repr=False)
class _RandomFloats(Random):
    dtype: str = "float32"

    def infer(self, rng: TensorType) -> TensorType:
        return TensorType(self.dtype, self.shape)


@op("random_bits")
class RandomBits(Random):
    """Every bit of every element random and independent, uint32."""

    def infer(self, rng: TensorType) -> TensorType:
        return TensorType("uint32", self.shape)

    def decompose(self, rng: Value) -> Value:
        return self.bits(rng)


@op("random_bernoulli")
class RandomBernoulli(Random):
    """True with `probability`, exact to 2^-29; bool."""

    probability: float = 0.5

    def infer(self, rng: TensorType) -> TensorType:
        return TensorType("bool", self.shape)

    def decompose(self, rng: Value) -> Value:
        threshold = round(self.probability * 2**32)
        if threshold > 0xFFFFFFFF:
            return full(self.shape, True, "bool")
        _, odd = _factors(rng, self.shape, self.salt)
        return less(mul(odd, odd), threshold)


@op("random_uniform")
class RandomUniform(_RandomFloats):
    """Uniform in [low, high)."""

    low: float = 0.0
    high: float = 1.0

    def decompose(self, rng: Value) -> Value:
        return add(mul(self.uniform(rng, self.dtype), self.high - self.low), self.low)


@op("random_normal")
class RandomNormal(_RandomFloats):
    """Normal with `mean` and `deviation`, sqrt(-2 log u) cos(2 pi v). Box and Muller, 1958."""

    mean: float = 0.0
    deviation: float = 1.0

    def decompose(self, rng: Value) -> Value:
        radius = sqrt(mul(log(self.uniform(rng, self.dtype)), -2.0))
        angle = mul(self.uniform(rng, self.dtype, stream=1), 2 * math.pi)
        return add(mul(mul(radius, Cos()(angle)), self.deviation), self.mean)


# sqrt(2) erfinv(x) / x as a polynomial in -log(1 - x^2), exact to 3e-8 for |x| < P(|N| < 2): a Chebyshev fit in the
# variable of Giles, "Approximating the erfinv function", 2010.
_QUANTILE = (
    1.2533141,
    0.328118384,
    0.0163226282,
    -3.27393509e-3,
    -2.18142997e-4,
    9.16447973e-5,
    -6.4967829e-6,
)
_WITHIN_TWO = math.erf(math.sqrt(2.0))


@op("random_truncated_normal")
class RandomTruncatedNormal(_RandomFloats):
    """Normal with `mean` and `deviation`, given that it falls within two deviations, by its quantile function."""

    mean: float = 0.0
    deviation: float = 1.0

    def decompose(self, rng: Value) -> Value:
        x = mul(sub(self.uniform(rng, self.dtype), 0.5), 2 * _WITHIN_TWO)
        w = neg(log(sub(1.0, square(x))))
        ratio = mul(w, _QUANTILE[-1])
        for coefficient in _QUANTILE[-2:0:-1]:
            ratio = mul(add(ratio, coefficient), w)
        return add(mul(mul(add(ratio, _QUANTILE[0]), x), self.deviation), self.mean)


@op("dropout")
class Dropout(Op):
    """x, rng -> x with each element zero with probability `rate`, else x / (1 - rate).

    `noise_shape` (default: that of x) broadcasts to x: elements along an axis of size 1 share their fate.
    Srivastava et al., "Dropout", JMLR 2014.
    """

    rate: float = 0.5
    salt: int = 0
    noise_shape: Shape | None = None

    def infer(self, x: TensorType, rng: TensorType) -> TensorType:
        if not 0 <= self.rate < 1:
            raise ArgumentError(
                describe("dropout rate out of range", expected="0 <= rate < 1", got=self.rate)
            )
        return x

    def decompose(self, x: Value, rng: Value) -> Value:
        shape = x.shape if self.noise_shape is None else self.noise_shape
        kept = cast(RandomBernoulli(shape, self.salt, 1 - self.rate)(rng), x.dtype)
        scale = 1 / (1 - self.rate)
        # What follows a matrix is mostly a product, which scales for nothing; else both directions share the scaling.
        return mul(mul(x, kept), scale) if x.rank == 2 else mul(x, mul(kept, scale))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.array([1, 2], "uint32")
        yield Sample(cls(0.4, 3), (floats(4, 6), rng))
        yield Sample(cls(0.5, 3, (2, 1, 4)), (floats(2, 3, 4), rng))


def _factors(rng: Value, shape: Shape, salt: int, stream: int = 0) -> tuple[Value, Value]:
    """The factors of z in the module's text, the second one odd.

    The first axis is the rows: a rule that holds for symbolic sizes and real ones alike.
    """
    tall, wide = (*shape[:1], *[1] * len(shape[1:])), shape[1:]
    words = Constant(np.array([salt % _WORD, stream], "uint32"))
    row, row2 = _pairs(product(tall), _keys(rng))
    column, column2 = _pairs(product(wide), _keys(words))
    x = add(reshape(row, tall), reshape(column, wide))
    y = add(reshape(row2, tall), reshape(add(column2, 1), wide))
    return x, y


def _keys(words: Value) -> Value:
    """Two words -> two words, each hashed from both."""
    first, second = slice_axis(words, 0, 0, 1), slice_axis(words, 0, 1, 2)
    # The matrix has an odd determinant, so no two states give the same pair.
    one = mul(first, Constant(np.array([0x9E3779B1, 0x85EBCA77], "uint32")))
    two = mul(second, Constant(np.array([0xC2B2AE3D, 0x27D4EB2E], "uint32")))
    return _mix(add(one, two))


def _pairs(count: Dim, keys: Value) -> tuple[Value, Value]:
    """Two hashes for each position below `count`; the second is even."""
    first = _mix(add(mul(Iota(count, "uint32")(), _GOLDEN), slice_axis(keys, 0, 0, 1)))
    second = mul(add(first, first), add(first, slice_axis(keys, 0, 1, 2)))
    return first, second


def _mix(x: Value) -> Value:
    """Every bit of x affects every bit of the result. The multipliers are those of Ellis's lowbias32 hash."""
    x = mul(add(x, ShiftRight(16)(x)), 0x7FEB352D)
    x = mul(add(x, ShiftRight(15)(x)), 0x846CA68B)
    return add(x, ShiftRight(16)(x))


def _spread(z: Value) -> Value:
    """The good high half of z goes to the low half and, multiplied, back up; one to one."""
    turned = add(ShiftRight(16)(z), mul(z, 1 << 16))
    return mul(turned, 0x2C1B3C6D)


def dropout(x: Value, rate: float, salt: int, noise_shape: Shape | None = None, rng: Value = RNG) -> Value:
    return Dropout(rate, salt, noise_shape)(x, rng) if rate else x


def random_uniform(
    shape: Shape, salt: int, low: float = 0.0, high: float = 1.0, dtype: str = "float32", rng: Value = RNG
) -> Value:
    return RandomUniform(shape, salt, dtype, low, high)(rng)


def random_normal(
    shape: Shape,
    salt: int,
    mean: float = 0.0,
    deviation: float = 1.0,
    dtype: str = "float32",
    rng: Value = RNG,
) -> Value:
    return RandomNormal(shape, salt, dtype, mean, deviation)(rng)
