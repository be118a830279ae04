"""Activation functions. All take x [*S] of a floating-point dtype to y [*S] of the same dtype.

ReLU, sigmoid, tanh, softmax and erf are primitive. Where a gradient can use the output it does, so that a training step
need not keep the input. The others decompose into these and into arithmetic; those whose gradient has a shorter form
than the decomposition would give write it down too. Gradients select by products with 0 and 1 (`Positive`), not by
`where`: that is arithmetic, which every backend does at memory speed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType, broadcast_shapes, normalize_axis
from kgraph.ops.base import Unary, expect_float, same_dtype
from kgraph.ops.broadcast import ReduceSum
from kgraph.ops.elementwise import Abs, add, clip, div, exp, log, minimum, mul, neg, square, sub
from kgraph.ops.logic import cast, greater, where
from kgraph.ops.samples import floats

# Klambauer et al., "Self-normalizing neural networks", 2017: the fixed point with mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


class Activation(Unary):
    """Element by element or along one axis, floating-point only."""

    float_only = True

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3),))
        yield Sample(cls(), (np.array([-90.0, -5.0, 0.0, 5.0, 90.0], "float32"),), smooth=())


@op("positive")
class Positive(Activation):
    """1 where x > 0, else 0; gradient 0."""

    def decompose(self, x: Value) -> Value:
        return cast(greater(x, 0.0), x.dtype)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (None,)


@op("relu")
class Relu(Activation):
    """max(x, 0); gradient dy where y > 0, else 0."""

    def evaluate(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, Positive()(call.results[0])),)


@op("sigmoid")
class Sigmoid(Activation):
    """1 / (1 + exp(-x)); gradient dy y (1 - y)."""

    def evaluate(self, x: Array) -> Array:
        small = np.exp(-np.abs(x))  # in (0, 1], so nothing overflows
        return np.where(x >= 0, 1, small) / (1 + small)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        y = call.results[0]
        return (mul(dy, mul(y, sub(1.0, y))),)


@op("tanh")
class Tanh(Activation):
    """The hyperbolic tangent; gradient dy (1 - y^2)."""

    def evaluate(self, x: Array) -> Array:
        return np.tanh(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, sub(1.0, square(call.results[0]))),)


@op("erf")
class Erf(Activation):
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""

    def evaluate(self, x: Array) -> Array:
        return np.vectorize(math.erf, otypes=[x.dtype])(x)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        slope = mul(exp(neg(square(call.inputs[0]))), 2 / math.sqrt(math.pi))
        return (mul(dy, slope),)


@dataclass(frozen=True, repr=False)
class _AlongAxis(Op):
    axis: int = -1

    def infer(self, x: TensorType) -> TensorType:
        expect_float(x)
        normalize_axis(self.axis, x.rank, f"{self.name} axis")
        return x

    def total(self, x: Value) -> Value:
        """The sum along the axis, kept as size 1."""
        return ReduceSum((self.axis,), True)(x)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for axis in (-1, 0, 1):
            yield Sample(cls(axis), (floats(2, 3, 4),))
        yield Sample(cls(-1), (np.array([[-90.0, 0.0, 90.0]], "float32"),), smooth=())


@op("softmax")
class Softmax(_AlongAxis):
    """exp(x) / sum(exp(x)) along `axis`; gradient y (dy - sum(dy y))."""

    def evaluate(self, x: Array) -> Array:
        powers = np.exp(x - np.max(x, self.axis, keepdims=True))
        return powers / np.sum(powers, self.axis, keepdims=True)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        y = call.results[0]
        return (mul(y, sub(dy, self.total(mul(dy, y)))),)


@op("log_softmax")
class LogSoftmax(_AlongAxis):
    """x - log(sum(exp(x))) along `axis`; gradient dy - exp(y) sum(dy)."""

    def evaluate(self, x: Array) -> Array:
        shifted = x - np.max(x, self.axis, keepdims=True)
        return shifted - np.log(np.sum(np.exp(shifted), self.axis, keepdims=True))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (sub(dy, mul(exp(call.results[0]), self.total(dy))),)


@op("elu")
class Elu(Activation):
    """x where x > 0, else alpha (exp(x) - 1); below zero the gradient is dy (y + alpha)."""

    alpha: float = 1.0

    def decompose(self, x: Value) -> Value:
        # The branch not taken must not overflow: its gradient would be 0 * inf.
        bent = mul(sub(exp(minimum(x, 0.0)), 1.0), self.alpha)
        return where(greater(x, 0.0), x, bent)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        below = add(call.results[0], self.alpha)
        if self.alpha == 1.0:  # then y + 1 passes 1 exactly where x passes 0
            return (mul(dy, minimum(below, 1.0)),)
        return (mul(dy, _by_sign(call.inputs[0], 1.0, below)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(0.3), (floats(7),))


@op("selu")
class Selu(Activation):
    """SELU_SCALE * elu(x, SELU_ALPHA). Klambauer et al., 2017."""

    def decompose(self, x: Value) -> Value:
        return mul(Elu(SELU_ALPHA)(x), SELU_SCALE)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        below = add(call.results[0], SELU_SCALE * SELU_ALPHA)
        return (mul(dy, _by_sign(call.inputs[0], SELU_SCALE, below)),)


@op("leaky_relu")
class LeakyRelu(Activation):
    """x where x > 0, else alpha x."""

    alpha: float = 0.3

    def decompose(self, x: Value) -> Value:
        return where(greater(x, 0.0), x, mul(x, self.alpha))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        slope = add(mul(Positive()(call.inputs[0]), 1.0 - self.alpha), self.alpha)
        return (mul(dy, slope),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(0.01), (floats(7),))


@op("prelu")
class PRelu(Op):
    """x [*S], slope -> max(x, 0) - slope max(-x, 0): x where x > 0, else slope x; the slope broadcasts to S."""

    def infer(self, x: TensorType, slope: TensorType) -> TensorType:
        expect_float(x)
        broadcast_shapes(x.shape, slope.shape)
        return TensorType(same_dtype(x, slope), x.shape)

    def decompose(self, x: Value, slope: Value) -> Value:
        return sub(relu(x), mul(slope, relu(neg(x))))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 3, 4), floats(3, 1)))
        yield Sample(cls(), (floats(2, 3), floats(3)))


@op("thresholded_relu")
class ThresholdedRelu(Activation):
    """x where x > theta, else 0."""

    theta: float = 1.0

    def decompose(self, x: Value) -> Value:
        return where(greater(x, self.theta), x, 0.0)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, Positive()(sub(call.inputs[0], self.theta))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(0.5), (floats(7),))


@op("softplus")
class Softplus(Activation):
    """log(1 + exp(x)); gradient dy sigmoid(x)."""

    def evaluate(self, x: Array) -> Array:
        return np.logaddexp(x, 0)

    def decompose(self, x: Value) -> Value:
        return add(relu(x), log(add(exp(neg(Abs()(x))), 1.0)))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, sigmoid(call.inputs[0])),)


@op("softsign")
class Softsign(Activation):
    """x / (1 + |x|); gradient dy (1 - |y|)^2."""

    def decompose(self, x: Value) -> Value:
        return div(x, add(Abs()(x), 1.0))

    def vjp(self, call: Call, dy: Value) -> Gradients:
        return (mul(dy, square(sub(1.0, Abs()(call.results[0])))),)


@op("hard_sigmoid")
class HardSigmoid(Activation):
    """min(max(slope x + offset, 0), 1). The defaults are those of Keras 2 and of ONNX."""

    slope: float = 0.2
    offset: float = 0.5

    def decompose(self, x: Value) -> Value:
        return clip(add(mul(x, self.slope), self.offset), 0.0, 1.0)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        y = call.results[0]
        inside = Positive()(mul(y, sub(1.0, y)))
        return (mul(dy, mul(inside, self.slope)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(1 / 6, 0.5), (floats(9, low=-4, high=4),))


@op("gelu")
class Gelu(Activation):
    """x P(N < x) for a standard normal N. Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    `approximate` takes tanh(sqrt(2/pi) (x + 0.044715 x^3)) in place of erf(x / sqrt(2)).
    """

    approximate: bool = False

    def decompose(self, x: Value) -> Value:
        if self.approximate:
            # sqrt(2/pi) x (1 + 0.044715 x^2)
            inner = mul(mul(x, math.sqrt(2 / math.pi)), add(mul(square(x), 0.044715), 1.0))
            bell = tanh(inner)
        else:
            bell = Erf()(mul(x, math.sqrt(0.5)))
        return mul(x, mul(add(bell, 1.0), 0.5))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(True), (floats(2, 3),))


@op("swish")
class Swish(Activation):
    """x sigmoid(x), also called SiLU. Ramachandran et al., "Searching for activation functions", 2017."""

    def decompose(self, x: Value) -> Value:
        return mul(x, sigmoid(x))


def _by_sign(x: Value, above: float, below: Value) -> Value:
    """`above` where x > 0, else `below`, which must be finite everywhere."""
    return add(below, mul(Positive()(x), sub(above, below)))


def relu(x: Value) -> Value:
    return Relu()(x)


def sigmoid(x: Value) -> Value:
    return Sigmoid()(x)


def tanh(x: Value) -> Value:
    return Tanh()(x)


def softmax(x: Value, axis: int = -1) -> Value:
    """`Softmax`, with an axis that counts from the front, so that equal calls are seen to be equal."""
    return Softmax(normalize_axis(axis, x.rank, "softmax axis"))(x)


def log_softmax(x: Value, axis: int = -1) -> Value:
    """`LogSoftmax`, with an axis that counts from the front."""
    return LogSoftmax(normalize_axis(axis, x.rank, "softmax axis"))(x)


def elu(x: Value, alpha: float = 1.0) -> Value:
    return Elu(alpha)(x)


def selu(x: Value) -> Value:
    return Selu()(x)


def leaky_relu(x: Value, alpha: float = 0.3) -> Value:
    return LeakyRelu(alpha)(x)


def softplus(x: Value) -> Value:
    return Softplus()(x)


def softsign(x: Value) -> Value:
    return Softsign()(x)


def hard_sigmoid(x: Value) -> Value:
    return HardSigmoid()(x)


def gelu(x: Value, approximate: bool = False) -> Value:
    return Gelu(approximate)(x)


def swish(x: Value) -> Value:
    return Swish()(x)
