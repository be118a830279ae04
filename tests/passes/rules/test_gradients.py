"""What is left of gradients, as text."""

from __future__ import annotations

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Value
from kgraph.ops.activations import relu
from kgraph.ops.pool import max_pool
from kgraph.ops.reduce import reduce_sum
from kgraph.passes.autodiff import gradients
from kgraph.passes.fusion import GateGradients
from kgraph.passes.rewrite import f32
from kgraph.passes.simplify import FINAL_RULES, Simplify
from tests.passes.show import after


def test_the_gradient_of_a_relu_before_a_pooling_is_taken_at_the_size_of_the_pooled() -> None:
    batch = symbol("batch")

    def build(x: Value) -> Value:
        return gradients(reduce_sum(max_pool(relu(x), (2, 2))), [x])[0]

    text = after(build, Simplify((*FINAL_RULES, *GateGradients().rules)), x=f32(batch, 3, 8, 8))
    pool = "(window=(2, 2), strides=(2, 2), pads=((0, 0), (0, 0)))"
    assert text == [
        "%0 = relu x",
        f"%1 = max_pool{pool} %0",
        "%2 = positive %1",
        f"%3 = max_pool_grad{pool} %0, %2",
        "return y=%3",
    ]
