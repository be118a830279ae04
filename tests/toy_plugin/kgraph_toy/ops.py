"""An op: its type rule, meaning, gradient and samples."""

from __future__ import annotations

import numpy as np

from kgraph.ir.op import Op, Sample, op
from kgraph.ops.elementwise import div, mul, square, sub


@op("toy.soft_clip")
class SoftClip(Op):
    """y = limit * tanh(x / limit).   Shapes: x [*S] float -> y [*S], same dtype."""

    limit: float = 1.0

    def infer(self, x):
        return x

    def evaluate(self, x):
        return self.limit * np.tanh(x / self.limit)

    def vjp(self, call, dy):
        return (mul(dy, sub(1.0, square(div(call.results[0], self.limit)))),)

    @classmethod
    def samples(cls):
        x = np.linspace(-3, 3, 12, dtype="float32").reshape(3, 4)
        yield Sample(cls(1.0), (x,))
        yield Sample(cls(2.5), (x,))
