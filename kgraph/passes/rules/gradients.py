"""Identities that gradients give rise to: what happens before a tensor grows is cheaper than after it."""

from __future__ import annotations

from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.activations import Positive
from kgraph.ops.broadcast import ReduceSum, Reshape, reshape
from kgraph.ops.elementwise import mul
from kgraph.ops.logic import cast
from kgraph.ops.pool import AveragePool, AveragePoolGrad, MaxPool, MaxPoolGrad
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32

POOL = ((2, 2), (2, 2), ((0, 0), (0, 0)))


class GateBeforeMaxPoolGrad(Rule):
    """max_pool_grad(x, dy) * positive(x) -> max_pool_grad(x, dy * positive(max_pool(x)))

    The gradient goes to the largest element of a window, which is positive when the pooled element is. So the
    gradient of a ReLU in front of the pooling works on the smaller tensor.
    """

    operands = examples(x=f32(2, 3, 4, 4), dy=f32(2, 3, 2, 2))
    exclusive = True
    domain = (-2.0, 2.0)

    def pattern(self, x: Value, dy: Value) -> Value:
        return mul(MaxPoolGrad(*POOL)(x, dy), Positive()(x))

    def replace(self, m: Match) -> Value:
        op = m.op(MaxPoolGrad)
        gate = Positive()(MaxPool(op.window, op.strides, op.pads)(m.x))
        return op(m.x, mul(m.dy, gate))


class SumOfMaxPoolGrad(Rule):
    """sum(max_pool_grad(x, dy)) -> sum(dy), over all pixels: each element of dy goes to one pixel"""

    operands = examples(x=f32(2, 3, 4, 6), dy=f32(2, 3, 2, 3))

    def pattern(self, x: Value, dy: Value) -> Value:
        return ReduceSum((0, 2, 3), False)(MaxPoolGrad(*POOL)(x, dy))

    def replace(self, m: Match) -> Value | Declined:
        return _sum_pixels(m, m.dy)


class SumOfAveragePoolGrad(Rule):
    """sum(average_pool_grad(dy)) -> sum(dy), over all pixels: each element of dy is shared out"""

    operands = examples(dy=f32(2, 3, 2, 3))

    def pattern(self, dy: Value) -> Value:
        return ReduceSum((0, 2, 3), False)(AveragePoolGrad(*POOL, (4, 6))(dy))

    def replace(self, m: Match) -> Value | Declined:
        return _sum_pixels(m, m.dy)


class SumOfWindows(Rule):
    """sum(reshape(x)) -> average_pool(x) * k, over windows of k pixels that lie side by side

    The gradient of pixels that were repeated. Runtimes have better kernels for a pool than for a sum over two axes.
    """

    operands = examples(x=f32(2, 3, 4, 6))

    def pattern(self, x: Value) -> Value:
        return ReduceSum((3, 5), False)(reshape(x, (2, 3, 2, 2, 2, 3)))

    def replace(self, m: Match) -> Value | Declined:
        split, x = m.op(Reshape).shape, m.x
        window = (*split[3:4], *split[5:6])
        known = [size for size in window if isinstance(size, int)]
        if x.rank != 4 or not x.type.is_float or len(known) != 2 or len(split) != 6:
            return Declined("not windows of pixels")
        high, wide = known
        if split != (*x.shape[:2], x.shape[2] // high, high, x.shape[3] // wide, wide):
            return Declined("the axes are not split into windows")
        if [axis % 6 for axis in m.op(ReduceSum).axes] != [3, 5] or m.op(ReduceSum).keepdims:
            return Declined("not the sum over windows")
        return mul(AveragePool((high, wide), (high, wide), POOL[2])(x), float(high * wide))


def _sum_pixels(m: Match, dy: Value) -> Value | Declined:
    op = m.op(ReduceSum)
    summed = {axis % dy.rank for axis in op.axes}
    return op(dy) if summed >= set(range(2, dy.rank)) else Declined("some pixels stay apart")


class GateOfKept(Rule):
    """(dy * kept) * positive(y) -> dy * positive(y * kept), for kept of zeros and ones

    The gradient of dropout after a ReLU: y * kept is there already, as what the layer gave.
    """

    operands = examples(dy=f32(2, 3), y=f32(2, 3), kept=TensorType("bool", (2, 3)))
    domain = (-1e3, 1e3)

    def pattern(self, dy: Value, y: Value, kept: Value) -> Value:
        return mul(mul(dy, cast(kept, "float32")), Positive()(y))

    def replace(self, m: Match) -> Value | Declined:
        if m.y.shape != m.kept.shape:
            return Declined("y * kept would be larger than y")
        return mul(m.dy, Positive()(mul(m.y, cast(m.kept, m.y.dtype))))


KEPT_RULES: tuple[Rule, ...] = (GateOfKept(),)
"""For functions whose dropout has been taken apart."""

RULES: tuple[Rule, ...] = (
    GateBeforeMaxPoolGrad(),
    SumOfMaxPoolGrad(),
    SumOfAveragePoolGrad(),
    SumOfWindows(),
)
