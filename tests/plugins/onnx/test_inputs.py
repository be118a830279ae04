"""The gradient of a strided convolution in its input, phase by phase."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.conv import Conv, ConvInputGrad
from kgraph.ops.samples import floats
from kgraph.ops.windows import Pads
from kgraph.plugins.onnx.blocked.inputs import strided_input_gradient
from kgraph.plugins.onnx.blocked.layout import BlockChannels
from kgraph.plugins.onnx.blocked.ops import FromBlocked, ToBlocked
from kgraph.testing import assert_agrees

BLOCK, FILTERS, CHANNELS = 8, 16, 8
NONE: Pads = ((0, 0), (0, 0))


def gradient(
    size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], pads: Pads, n: int = 2
) -> tuple[ConvInputGrad, Input, Input]:
    """The op, and leaves for dy and w."""
    types = TensorType("float32", (n, CHANNELS, *size)), TensorType("float32", (FILTERS, CHANNELS, *kernel))
    dy = Conv(strides, pads, (1, 1), 1).infer(*types)
    return ConvInputGrad(strides, pads, (1, 1), 1, size), Input("dy", dy), Input("w", types[1])


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 3), (5, 4)], ids=str)
@pytest.mark.parametrize("strides", [(2, 2), (3, 2), (2, 1)], ids=str)
def test_phases_make_up_the_gradient(kernel: tuple[int, int], strides: tuple[int, int]) -> None:
    taken = 0
    for size, pads in product([(12, 8), (6, 10)], [NONE, ((0, 1), (1, 1)), ((1, 1), (0, 2))]):
        op, dy, w = gradient(size, kernel, strides, pads)
        made = strided_input_gradient(op, ToBlocked(BLOCK)(dy), w, BLOCK)
        if made is None:
            continue
        taken += 1
        arrays = floats(*dy.type.static_shape), floats(*w.type.static_shape)
        wanted = run(Function("f", (dy, w), {"dx": op(dy, w)}), arrays)[0]["dx"]
        got = run(Function("f", (dy, w), {"dx": FromBlocked()(made)}), arrays)[0]["dx"]
        assert_agrees(got, wanted, f"{size} {pads}", 1e-5, 1e-4)
    assert taken


def test_what_does_not_come_out_even_is_left_to_the_runtime() -> None:
    for size, kernel, pads in [((9, 8), (3, 3), NONE), ((8, 8), (1, 1), ((2, 0), (0, 0)))]:
        op, dy, w = gradient(size, kernel, (2, 2), pads)
        assert strided_input_gradient(op, ToBlocked(BLOCK)(dy), w, BLOCK) is None


def test_on_the_runtime_it_is_convolutions_only() -> None:
    dy = Input("dy", TensorType("float32", (symbol("batch"), 32, 5, 4)))
    w = Input("w", TensorType("float32", (32, 16, 3, 3)))
    function = Function(
        "f", (dy, w), {"dx": ConvInputGrad((2, 2), ((0, 1), (0, 1)), (1, 1), 1, (10, 8))(dy, w)}
    )
    names = Counter(call.op.name for call in BlockChannels(16)(function, Counter()).calls())
    assert names["blocked_conv"] == 4
    assert "conv_input_grad" not in names
    arrays = [floats(3, 32, 5, 4, low=-0.4, high=0.4), floats(32, 16, 3, 3, low=-0.4, high=0.4)]
    with config.using(backend="onnx", device="cpu"):
        executable = compile_program([function])
    (got,) = executable.run("f", arrays)
    assert_agrees(got, run(function, arrays)[0]["dx"], "dx", 1e-4, 1e-5)
