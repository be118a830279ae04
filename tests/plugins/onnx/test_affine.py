"""Numbers for channels in the blocked layout: the rules, and what a batch normalisation becomes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.activations import Relu
from kgraph.ops.elementwise import add, mul, sub
from kgraph.ops.norm import BatchNormTrain
from kgraph.ops.samples import floats
from kgraph.passes.pipeline import Observer
from kgraph.passes.rewrite import Rule
from kgraph.plugins.onnx.blocked.affine import RULES, FuseAffines
from kgraph.plugins.onnx.blocked.layout import BlockChannels
from kgraph.plugins.onnx.blocked.ops import BlockedAffine
from kgraph.plugins.onnx.device import convolution_block
from kgraph.testing import assert_agrees, check_pass, check_rule
from tests.plugins.onnx.test_blocked import BLOCK, PIXELS, Net, flat

X, C = TensorType("float32", (symbol("batch"), 2, 3, 4, 16)), TensorType("float32", (1, 2, 1, 1, 16))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_keeps_its_meaning(rule: Rule) -> None:
    assert "->" in (rule.__doc__ or "")
    check_rule(rule)


def normalised() -> tuple[Net, Function]:
    """Convolution, batch normalisation and activation, twice, the second with padding."""
    net = Net((6, 5, 3))
    y = net.x
    for filters, pads in ((16, None), (32, PIXELS)):
        y = net.conv(y, filters, pads=pads)
        y, *_ = BatchNormTrain(axis=-1).apply(y, net.weight(filters), net.weight(filters))
        y = Relu()(y)
    return net, net.step(flat(y))


def test_a_normalisation_is_two_affine_functions_and_its_gradient_two_more() -> None:
    net, function = normalised()
    fused: list[Counter[str]] = []

    class Watch(Observer):
        def write(self, made: Function, label: str) -> None:
            if label == "fuse_affines":
                fused.append(Counter(call.op.name for call in made.calls()))

    arrays = [abs(array) + 0.1 for array in net.arrays(7)]
    wanted, _ = run(function, arrays)
    with config.using(backend="onnx", device="cpu"):
        executable = compile_program([function], observer=Watch(verify=True))
    # The gradient of a bias before a normalisation is nothing but rounding errors of the others.
    largest = max(float(np.abs(array).max()) for array in wanted.values())
    for (name, want), got in zip(wanted.items(), executable.run("step", arrays), strict=True):
        assert_agrees(got, want, name, 1e-4, 1e-6 * largest)
    if convolution_block():
        assert fused[0]["blocked_affine"] == 8
        assert fused[0]["relu"] == 0


def test_the_pass_keeps_the_meaning_of_a_network() -> None:
    net, function = normalised()
    blocked = BlockChannels(BLOCK)(function, Counter())
    check_pass(FuseAffines(), blocked, [abs(array) + 0.1 for array in net.arrays(3)], rtol=1e-4)


@pytest.mark.parametrize(
    "other", [(), (1, 2, 1, 4, 16), (1, 2, 3, 4, 16), (1, 1, 1, 1, 16), (1, 2, 1, 1, 1), (16,)], ids=str
)
def test_other_broadcasts_stay_as_they_are(other: tuple[int, ...]) -> None:
    x, c = Input("x", X), Input("c", TensorType("float32", other))
    function = Function("f", (x, c), {"y": sub(add(mul(x, c), c), c)})
    assert FuseAffines()(function, Counter()) is function


def test_padding_counts_as_pixels() -> None:
    x, s, t = Input("x", X), Input("s", C), Input("t", C)
    padded = BlockedAffine(pads=PIXELS)(x, s)
    function = Function("f", (x, s, t), {"y": Relu()(add(padded, t))})
    fused = check_pass(FuseAffines(), function, [floats(2, 2, 3, 4, 16), *[floats(1, 2, 1, 1, 16)] * 2], 1e-5)
    (call,) = fused.calls()
    assert call.op == BlockedAffine(True, PIXELS)
