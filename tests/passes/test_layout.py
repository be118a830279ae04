"""The layout law: a channels_last network has no transposes between its convolutions, forward and backward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from kgraph.compiler import final_passes, specialise
from kgraph.ir.dims import Dim, symbol
from kgraph.ir.graph import Function, Input, Value, Variable, constant
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.activations import leaky_relu, relu, softmax
from kgraph.ops.broadcast import broadcast_to, reshape
from kgraph.ops.control import in_train_phase
from kgraph.ops.conv import conv, from_keras_kernel
from kgraph.ops.elementwise import add, clip, maximum, mul, square, sub
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import greater, where
from kgraph.ops.norm import BatchNorm, BatchNormTrain
from kgraph.ops.pool import average_pool, max_pool
from kgraph.ops.random import dropout, random_normal
from kgraph.ops.reduce import ArgMax, CumSum, reduce_max, reduce_mean, reduce_sum
from kgraph.ops.shape import Pad, Reverse, Slice, Split, Tile, Transpose, concat, transpose
from kgraph.passes.layout import SinkTransposes
from kgraph.passes.pipeline import Observer, run_pipeline
from kgraph.passes.rewrite import f32
from kgraph.plugins.builtin import default_manager
from tests.passes.models import train_step
from tests.passes.show import after, function

B = symbol("batch")
TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
X = TensorType("float32", (B, 6, 5, 3))


def weight(name: str, *shape: int) -> Variable:
    values = np.random.default_rng(len(name)).normal(size=shape, scale=0.3)
    return Variable(name, values, dtype="float32")


def conv_last(x: Value, filters: int, name: str, size: int = 3) -> Value:
    """A channels_last convolution with bias, as layers make it; padding keeps the size."""
    kernel = from_keras_kernel(weight(f"{name}/kernel", size, size, int(x.shape[-1]), filters))
    pads = ((size // 2, size // 2),) * 2
    y = transpose(conv(transpose(x, TO_FIRST), kernel, pads=pads), TO_LAST)
    return add(y, weight(f"{name}/bias", filters))


def pool_last(x: Value, pool: Callable[..., Value] = max_pool) -> Value:
    return transpose(pool(transpose(x, TO_FIRST), (2, 2)), TO_LAST)


def normalize_last(x: Value, name: str) -> Value:
    """Batch normalisation on the last axis, in both phases."""
    channels = int(x.shape[-1])
    scale, offset, mean = (weight(f"{name}/{part}", channels) for part in ("scale", "offset", "mean"))
    variance = Variable(f"{name}/variance", np.ones(channels), dtype="float32", role="statistic")
    trained, _, _ = BatchNormTrain(-1).apply(x, scale, offset)
    return in_train_phase(trained, BatchNorm(-1)(x, scale, offset, mean, variance))


def network(*, head: Callable[[Value], Value], size: Dim = 8) -> Function:
    """conv, batch norm, relu, pool, a residual block, concatenation, padding; then a head that gives a scalar."""
    x = Input("x", TensorType("float32", (B, size, size, 3)))
    y = relu(normalize_last(conv_last(x, 4, "a"), "bn"))
    y = pool_last(y)
    branch = leaky_relu(conv_last(y, 4, "b"), 0.1)
    y = add(y, branch)
    y = concat([y, conv_last(y, 2, "c", 1)], -1)
    gate = relu(reduce_mean(y, (1, 2), keepdims=True))
    y = Pad(((0, 0), (1, 1), (0, 1), (0, 0)))(mul(y, gate))
    y = pool_last(conv_last(y, 5, "d"), average_pool)
    return Function("train", (x,), {"loss": head(y)})


def mean_of_squares(y: Value) -> Value:
    return reduce_mean(square(reduce_max(y, (1, 2))))


def flat_dense(y: Value) -> Value:
    width = int(np.prod([int(d) for d in y.shape[1:]]))
    return reduce_mean(square(matmul(reshape(y, (B, width)), weight("dense", width, 2))))


def big_transposes(function: Function) -> list[str]:
    """Transposes of anything but a kernel."""
    return [
        f"{call.op} {call.inputs[0].type}"
        for call in function.calls()
        if isinstance(call.op, Transpose) and B in call.inputs[0].shape
    ]


@pytest.mark.parametrize("training", [True, False])
def test_only_the_input_of_a_channels_last_network_is_transposed(training: bool) -> None:
    forward = specialise(network(head=mean_of_squares), training, Observer(verify=True))
    assert big_transposes(forward) == ["transpose(perm=(0, 3, 1, 2)) float32[batch, 8, 8, 3]"]


def test_neither_has_its_gradient_any_other() -> None:
    step = train_step(specialise(network(head=mean_of_squares), training=True))
    passes = final_passes(default_manager().backend("reference"), {})
    result = run_pipeline(step, passes, Observer(verify=True))
    assert len(big_transposes(result)) == 1


def test_a_single_channel_needs_no_transpose_at_all() -> None:
    def build(x: Value) -> Value:
        return reduce_sum(relu(conv_last(x, 4, "a")))

    forward = specialise(function(build, x=f32(B, 8, 8, 1)), training=True)
    passes = final_passes(default_manager().backend("reference"), {})
    assert big_transposes(run_pipeline(forward, passes, Observer())) == []


def test_flatten_keeps_one_transpose_each_way() -> None:
    forward = specialise(network(head=flat_dense), training=True)
    assert len(big_transposes(forward)) == 2
    assert len(big_transposes(train_step(forward))) == 3


@pytest.mark.parametrize("head", [mean_of_squares, flat_dense])
@pytest.mark.parametrize("training", [True, False])
def test_the_network_means_the_same(head: Callable[[Value], Value], training: bool) -> None:
    x = np.random.default_rng(1).normal(size=(3, 8, 8, 3)).astype("float32")
    before = network(head=head)
    results = []
    for switches in ((), (SinkTransposes(),)):
        step = train_step(run_pipeline(specialise(before, training), switches, Observer()))
        _, updates = run(step, [x])
        results.append({variable.name: array for variable, array in updates.items()})
    for name, array in results[0].items():
        np.testing.assert_allclose(results[1][name], array, rtol=1e-4, atol=1e-6, err_msg=name)


CASES: dict[str, Callable[[Value], Value]] = {
    "unary": relu,
    "scalar": lambda y: add(y, 1.5),
    "vector": lambda y: mul(y, constant([1.0, 2.0, 3.0], "float32")),
    "constant": lambda y: sub(constant(np.ones((6, 5, 3)), "float32"), y),
    "clip": lambda y: clip(y, 0.0, 1.0),
    "where": lambda y: where(greater(y, 0.5), y, maximum(y, 0.1)),
    "broadcast operand": lambda y: add(y, broadcast_to(constant([[[2.0]]], "float32"), (1, 6, 5, 1))),
    "softmax": softmax,
    "cumulative": lambda y: CumSum(2)(y),
    "reverse": lambda y: Reverse((1, 3))(y),
    "pad": lambda y: Pad(((0, 0), (1, 0), (0, 2), (0, 0)), 0.5)(y),
    "slice": lambda y: Slice((0, 1, 0, 0), (B, 6, 5, 2), (1, 2, 1, 1))(y),
    "split": lambda y: add(*Split((2, 1), 3).apply(y)),
    "tile": lambda y: Tile((1, 2, 1, 3))(y),
    "concat": lambda y: concat([y, relu(y)], -1),
    "concat of halves": lambda y: concat([relu(y), mul(y, 2.0)], 1),
    "sum": lambda y: reduce_sum(y, (1, 3), keepdims=True),
    "mean": lambda y: reduce_mean(y, -1),
    "all": lambda y: reduce_max(y),
    "argmax": lambda y: ArgMax(-1)(y),
    "new axes": lambda y: reshape(y, (B, 1, 6, 5, 3, 1)),
    "split axes": lambda y: reshape(y, (B, 2, 3, 5, 3)),
    "merged rows": lambda y: reshape(y, (B, 30, 3)),
    "broadcast": lambda y: broadcast_to(y, (2, B, 6, 5, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_transpose_sinks_through(name: str) -> None:
    def build(x: Value) -> Value:
        return CASES[name](transpose(x, TO_LAST))

    given = function(build, x=f32(B, 3, 6, 5))
    result = SinkTransposes()(given, Counter())
    calls = result.calls()
    assert all(not isinstance(call.op, Transpose) for call in calls[:-1]), [call.op for call in calls]
    array = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype("float32")
    np.testing.assert_array_equal(run(result, [array])[0]["y"], run(given, [array])[0]["y"])


def test_dropout_draws_its_mask_in_the_order_of_what_it_drops() -> None:
    def build(x: Value) -> Value:
        y = dropout(transpose(x, TO_LAST), 0.5, 1)
        y = dropout(y, 0.5, 2, noise_shape=(B, 1, 1, 3))
        noise = random_normal((B, 6, 5, 3), 3)
        return add(y, mul(noise, 0.5))

    assert after(build, SinkTransposes(), x=f32(B, 3, 6, 5)) == [
        "@rng: uint32[2] rng",
        "%0 = dropout(rate=0.5, salt=1, noise_shape=None) x, @rng",
        "%1 = dropout(rate=0.5, salt=2, noise_shape=(batch, 3, 1, 1)) %0, @rng",
        "%2 = random_normal(shape=(batch, 3, 6, 5), salt=3, dtype='float32', mean=0.0, deviation=1.0) @rng",
        "%3 = mul %2, 0.5:float32[]",
        "%4 = add %1, %3",
        "%5 = transpose(perm=(0, 2, 3, 1)) %4",
        "return y=%5",
    ]


def test_a_transpose_stays_before_what_needs_the_order() -> None:
    text = after(lambda x: reshape(transpose(x, TO_LAST), (B, 90)), SinkTransposes(), x=f32(B, 3, 6, 5))
    assert text[0] == "%0 = transpose(perm=(0, 2, 3, 1)) x"


def test_a_large_operand_that_would_have_to_be_transposed_keeps_the_transpose_where_it_is() -> None:
    text = after(
        lambda x, y: add(transpose(x, TO_LAST), y), SinkTransposes(), x=f32(B, 3, 6, 5), y=f32(B, 6, 5, 3)
    )
    assert text[:2] == ["%0 = transpose(perm=(0, 2, 3, 1)) x", "%1 = add %0, y"]


def test_a_residual_to_the_input_uses_the_transpose_that_is_there_already() -> None:
    def build(x: Value) -> Value:
        return conv_last(add(x, conv_last(x, 3, "a")), 2, "b")

    forward = specialise(function(build, x=X), training=True)
    assert big_transposes(forward) == [
        "transpose(perm=(0, 3, 1, 2)) float32[batch, 6, 5, 3]",
        "transpose(perm=(0, 2, 3, 1)) float32[batch, 2, 6, 5]",
    ]
