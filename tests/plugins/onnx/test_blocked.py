"""Networks in the blocked layout: the same results and gradients, and no way back between convolutions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program, specialise
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Value
from kgraph.ir.interpret import run
from kgraph.ir.types import Array, TensorType
from kgraph.ops.activations import Relu, Sigmoid
from kgraph.ops.broadcast import ReduceSum, reshape
from kgraph.ops.conv import conv, from_keras_kernel
from kgraph.ops.elementwise import add, mul
from kgraph.ops.pool import AveragePool, average_pool, max_pool
from kgraph.ops.random import Dropout
from kgraph.ops.reduce import ReduceMax, ReduceMean
from kgraph.ops.samples import floats
from kgraph.ops.shape import Repeat, Slice, concat, transpose
from kgraph.ops.windows import Pads, same_pads
from kgraph.passes.autodiff import gradients
from kgraph.passes.fusion import GateGradients
from kgraph.passes.phase import SpecialisePhase
from kgraph.passes.pipeline import Observer
from kgraph.plugins.onnx.blocked.layout import BlockChannels
from kgraph.plugins.onnx.blocked.ops import BlockedConv, ToBlocked
from kgraph.plugins.onnx.device import convolution_block
from kgraph.testing import assert_agrees, check_pass

BLOCK = 16
PIXELS: Pads = ((1, 1), (1, 1))


class Net:
    """Builds a channels_last network; weights are inputs, so that one function gives outputs and gradients."""

    def __init__(self, size: tuple[int, int, int], batch: int | None = None) -> None:
        n = symbol("batch") if batch is None else batch
        self.x = Input("x", TensorType("float32", (n, *size)))
        self.weights: list[Input] = []

    def weight(self, *shape: int) -> Input:
        self.weights.append(Input(f"w{len(self.weights)}", TensorType("float32", shape)))
        return self.weights[-1]

    def conv(
        self, y: Value, filters: int, window: int = 3, pads: Pads | None = None, stride: int = 1
    ) -> Value:
        """A convolution and a bias, channels_last."""
        kernel = self.weight(window, window, y.shape[3], filters)  # type: ignore[arg-type]  # channels are known
        made = conv(transpose(y, (0, 3, 1, 2)), from_keras_kernel(kernel), (stride, stride), pads)
        return add(transpose(made, (0, 2, 3, 1)), self.weight(filters))

    def step(self, y: Value, *others: Input) -> Function:
        """Outputs and gradients of the sum of squares, laid out as before differentiation."""
        leaves = (self.x, *others, *self.weights)
        loss = ReduceSum(tuple(range(y.rank)), False)(mul(y, y))
        forward = specialise(Function("forward", leaves, {"y": y, "loss": loss}), True)
        found = gradients(forward.outputs["loss"], self.weights)
        made = {f"d.{w.name}": dw for w, dw in zip(self.weights, found, strict=True)}
        return Function("step", leaves, {"y": forward.outputs["y"], **made})

    def arrays(self, n: int, *others: Array) -> list[Array]:
        scale = [0.5 / np.sqrt(np.prod(w.type.static_shape[:-1])) for w in self.weights]
        weights = [
            floats(*w.type.static_shape, low=-2 * s, high=3 * s)
            for w, s in zip(self.weights, scale, strict=True)
        ]
        return [floats(n, *self.x.type.shape[1:]), *others, *weights]  # type: ignore[arg-type]  # sizes are known


def flat(y: Value) -> Value:
    return reshape(y, (y.shape[0], -1))


def pool(
    y: Value, kind: object, window: int = 2, pads: Pads | None = None, stride: int | None = None
) -> Value:
    strides = None if stride is None else (stride, stride)
    made = kind(transpose(y, (0, 3, 1, 2)), (window, window), strides, pads)  # type: ignore[operator]  # a pool
    return transpose(made, (0, 2, 3, 1))


def digits() -> tuple[Net, Function]:
    net = Net((10, 8, 1))
    y = Relu()(net.conv(net.x, 32))
    y = pool(Relu()(net.conv(y, 16)), max_pool)
    return net, net.step(flat(y))


def padded() -> tuple[Net, Function]:
    net = Net((7, 9, 16))
    y = Relu()(net.conv(net.x, 16, pads=PIXELS))
    y = pool(net.conv(y, 32, pads=PIXELS), max_pool, 3, tuple(map(same_pads, (7, 9), (3, 3), (2, 2))), 2)  # type: ignore[arg-type]  # two axes
    return net, net.step(ReduceMean((1, 2), False)(Sigmoid()(y)))


def strided() -> tuple[Net, Function]:
    net = Net((9, 8, 3))
    y = Relu()(net.conv(net.x, 16, pads=((1, 2), (0, 1)), stride=2))
    y = Relu()(net.conv(y, 32, window=1, stride=2))
    return net, net.step(ReduceMax((1, 2), False)(y))


def branches() -> tuple[Net, Function]:
    net = Net((8, 8, 16))
    a = Relu()(net.conv(net.x, 16, pads=PIXELS))
    b = net.conv(a, 16, 1)
    y = pool(concat([add(mul(a, b), b), a], 3), average_pool)
    return net, net.step(flat(Relu()(net.conv(y, 16, 2))))


def skipping() -> tuple[Net, Function]:
    """Down, up again, and beside what was there before: a U-Net of one step."""
    net = Net((6, 4, 16))
    a = Relu()(net.conv(net.x, 16, pads=PIXELS))
    b = Relu()(net.conv(pool(a, max_pool), 32, pads=PIXELS))
    y = concat([Repeat((1, 2, 2, 1))(b), a], 3)
    return net, net.step(flat(Relu()(net.conv(y, 16))))


NETS = {"digits": digits, "padded": padded, "strided": strided, "branches": branches, "skipping": skipping}


def check_compiled(function: Function, arrays: list[Array]) -> None:
    """Against the oracle, relative to the largest element, as sums of many products are taken in another order."""
    wanted, _ = run(function, arrays)
    with config.using(backend="onnx", device="cpu", threads=1):
        executable = compile_program([function], observer=Observer(verify=True))
    for (name, want), got in zip(wanted.items(), executable.run(function.name, arrays), strict=True):
        assert_agrees(got, want, name, 1e-5, 1e-6 * float(np.abs(want).max()))


@pytest.mark.parametrize("batch", [1, 5, 16])
@pytest.mark.parametrize("name", NETS)
def test_results_and_gradients_are_those_of_the_oracle(name: str, batch: int) -> None:
    net, function = NETS[name]()
    check_compiled(function, net.arrays(batch))


@pytest.mark.parametrize("name", NETS)
def test_the_pass_keeps_the_meaning(name: str) -> None:
    net, function = NETS[name]()
    arrays = [array.astype("float32") for array in net.arrays(3)]
    blocked = check_pass(BlockChannels(BLOCK), function, arrays, rtol=1e-4)
    assert "blocked_conv" in {call.op.name for call in blocked.calls()}


def test_nothing_leaves_the_layout_between_convolutions() -> None:
    _, function = digits()
    made = Counter(call.op.name for call in BlockChannels(BLOCK)(function, Counter()).calls())
    assert made["from_blocked"] == 1, "before Flatten"
    assert made["to_blocked"] == 1, "the gradient that comes back"
    assert made["blocked_conv"] == 3, "two forwards and one backwards"
    assert made["blocked_filter_grad"] == 2
    assert not {"conv", "conv_bias", "conv_input_grad", "conv_filter_grad"} & set(made)


def test_the_gradient_of_a_concatenation_is_sliced_inside_of_the_layout() -> None:
    _, function = skipping()
    calls = BlockChannels(BLOCK)(GateGradients()(function, Counter()), Counter()).calls()
    assert [call.inputs[0].rank for call in calls if isinstance(call.op, Slice)] == [5, 5]
    assert [call.inputs[0].rank for call in calls if isinstance(call.op, Repeat)] == [5]
    pools = [call.inputs[0].shape[1:] for call in calls if isinstance(call.op, AveragePool)]
    assert (2, 6, 4, 16) in pools, "the gradient of repeated pixels"


def test_an_image_of_few_channels_is_convolved_as_it_lies() -> None:
    _, function = strided()
    calls = BlockChannels(BLOCK)(function, Counter()).calls()
    first, op = next((call, call.op) for call in calls if isinstance(call.op, BlockedConv))
    assert first.inputs[0].shape[1:] == (1, 9, 24)
    assert op.pads == ((1, 2), (0, 3))


@pytest.mark.parametrize("dilations", [(2, 1), (1, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_dilated_convolution_of_few_channels(channels: int, dilations: tuple[int, int]) -> None:
    net = Net((7, 8, channels))
    kernel = from_keras_kernel(net.weight(3, 3, channels, 16))
    y = conv(transpose(net.x, (0, 3, 1, 2)), kernel, pads=PIXELS, dilations=dilations)
    check_compiled(net.step(Relu()(y)), net.arrays(2))


@pytest.mark.parametrize("bounds", [(0, 8), (8, 24), (16, 31)])
def test_a_slice_through_a_block_leaves_the_layout(bounds: tuple[int, int]) -> None:
    net = Net((4, 4, 16))
    y = conv(transpose(net.x, (0, 3, 1, 2)), from_keras_kernel(net.weight(3, 3, 16, 32)))
    first, last = bounds
    cut = Slice((0, first, 0, 0), (y.shape[0], last, 2, 2), (1, 1, 1, 1))(y)
    check_compiled(Function("cut", (net.x, *net.weights), {"y": cut}), net.arrays(3))


def dropped() -> tuple[Net, Function]:
    net, rng = Net((6, 6, 16)), Input("rng", TensorType("uint32", (2,)))
    y = Dropout(0.5, 3)(Relu()(net.conv(net.x, 16)), rng)
    return net, SpecialisePhase(True)(net.step(flat(y), rng), Counter())


def test_dropout_draws_the_same_elements() -> None:
    net, function = dropped()
    check_compiled(function, net.arrays(3, np.array([1, 2], "uint32")))


def test_a_gradient_enters_the_layout_on_its_way_through_dropout() -> None:
    _, function = dropped()
    calls = BlockChannels(BLOCK)(function, Counter()).calls()
    moved = [
        call.op for call in calls if call.op.name != "reshape" and call.inputs[0].shape[1:] == (4, 4, 16)
    ]
    assert moved == [ToBlocked(BLOCK, channels_last=True)]


def test_the_pass_can_be_switched_off() -> None:
    net, function = digits()
    with config.using(passes="-block_channels"):
        check_compiled(function, net.arrays(4))


def test_the_block_size_is_a_power_of_two_or_none() -> None:
    assert convolution_block() in (0, 8, 16, 32)
