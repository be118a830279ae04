"""Identities that gradients give rise to: a gate before the tensor grows is cheaper than one after it."""

from __future__ import annotations

from kgraph.ir.graph import Value
from kgraph.ops.activations import Positive
from kgraph.ops.elementwise import mul
from kgraph.ops.pool import MaxPool, MaxPoolGrad
from kgraph.passes.rewrite import Match, Rule, examples, f32

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


RULES = (GateBeforeMaxPoolGrad(),)
