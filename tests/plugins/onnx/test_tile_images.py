"""Convolutions in tiles of images: what is a group, what is handed over, and that the results stay the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input
from kgraph.ir.types import TensorType
from kgraph.ops.activations import Relu
from kgraph.ops.broadcast import reshape
from kgraph.ops.conv import conv
from kgraph.ops.elementwise import sub
from kgraph.ops.linalg import matmul
from kgraph.ops.pool import max_pool
from kgraph.ops.reduce import ReduceMean
from kgraph.ops.scan import Scan
from kgraph.passes.decompose import Decompose
from kgraph.plugins.onnx.blocked.layout import BlockChannels
from kgraph.plugins.onnx.blocked.tile import TileImages, images_per_tile
from kgraph.plugins.onnx.device import convolution_block
from kgraph.testing import check_pass, random_arrays, random_function
from tests.plugins.onnx.test_blocked import BLOCK, NETS, Net, flat, pool


def scans(function: Function) -> list[Scan]:
    return [call.op for call in function.calls() if isinstance(call.op, Scan)]


def blocked(function: Function) -> Function:
    return BlockChannels(BLOCK)(function, Counter())


@pytest.mark.parametrize("layout", [lambda f: f, blocked], ids=["plain", "blocked"])
@pytest.mark.parametrize("name", NETS)
def test_tiles_give_what_the_batch_gives(name: str, layout: Callable[[Function], Function]) -> None:
    net, function = NETS[name]()
    tiled = check_pass(TileImages(2), layout(function), net.arrays(6), rtol=1e-4)
    assert scans(tiled)


@pytest.mark.parametrize("seed", range(12))
def test_any_function_keeps_its_meaning(seed: int) -> None:
    function = random_function(seed, draws=True)
    check_pass(TileImages(5), function, random_arrays(function))


def classifier(size: int = 10) -> tuple[Net, Function]:
    """Two convolutions, a pool and a dense layer, whose product is over whole batches."""
    net = Net((size, size, 3))
    y = pool(Relu()(net.conv(Relu()(net.conv(net.x, 16)), 16)), max_pool)
    return net, net.step(matmul(flat(y), net.weight((size // 2 - 2) ** 2 * 16, 4)))


def test_there_is_a_scan_before_the_dense_layer_and_one_behind() -> None:
    net, function = classifier()
    tiled = check_pass(TileImages(4), blocked(function), net.arrays(8), rtol=1e-4)
    forward, backward = scans(tiled)
    counts = [Counter(call.op.name for call in scan.body.calls()) for scan in (forward, backward)]
    assert [count["blocked_conv"] for count in counts] == [2, 1]
    assert [count["blocked_filter_grad"] for count in counts] == [0, 2]
    outside = {call.op.name for call in tiled.calls()}
    assert "matmul" in outside
    assert not {"blocked_conv", "blocked_filter_grad", "max_pool"} & outside


def test_what_the_gradient_can_make_from_what_it_reads_is_not_handed_over() -> None:
    """The slope of the first activation is made where that activation is read anyway, for the second kernel."""
    tiled = TileImages(4)(blocked(classifier()[1]), Counter())
    forward, backward = scans(tiled)
    shapes = [value.shape for value in forward.body.outputs.values()]
    assert shapes.count((4, 1, 8, 8, 16)) == 1
    assert "positive" in {call.op.name for call in backward.body.calls()}


def test_where_the_gradient_of_a_pool_goes_is_handed_over_as_bools() -> None:
    net, function = classifier()
    apart = Decompose(lambda op: op.name != "max_pool_grad")(blocked(function), Counter())
    tiled = check_pass(TileImages(4), apart, net.arrays(8), rtol=1e-4)
    forward, backward = scans(tiled)
    handed = [value.dtype for value in forward.body.outputs.values() if value.shape == (4, 1, 3, 3, 16)]
    assert handed == ["bool"] * 3
    assert [call.op.name for call in backward.body.calls()].count("cast") == 3


def test_an_array_and_its_other_shape_are_handed_over_once() -> None:
    net = Net((6, 6, 3))
    y = Relu()(net.conv(net.x, 16))
    row = reshape(y, (y.shape[0], 4 * 4 * 16))
    outputs = {
        "y": y,
        "row": row,
        "folded": reshape(row, (2 * y.shape[0], 2, 64)),
        "product": matmul(row, row, True),
    }
    function = Function("f", (net.x, *net.weights), outputs)
    tiled = check_pass(TileImages(2), function, net.arrays(6), rtol=1e-4)
    (scan,) = scans(tiled)
    assert [value.shape for value in scan.body.outputs.values()] == [(2, 4, 4, 16)]


def test_what_needs_all_rows_is_computed_between_the_scans() -> None:
    net = Net((6, 6, 3))
    y = net.conv(net.x, 16)
    centred = sub(y, ReduceMean((0, 1, 2), True)(y))
    function = net.step(flat(net.conv(Relu()(centred), 16)))
    tiled = check_pass(TileImages(2), blocked(function), net.arrays(6), rtol=1e-4)
    assert len(scans(tiled)) >= 2
    assert "reduce_mean" in {call.op.name for call in tiled.calls()}


def test_where_time_or_size_is_not_known_nothing_is_tiled() -> None:
    x = Input("x", TensorType("float32", (symbol("batch"), 2, symbol("height"), 5)))
    w = Input("w", TensorType("float32", (4, 2, 3, 3)))
    assert not scans(TileImages(2)(Function("f", (x, w), {"y": Relu()(conv(x, w))}), Counter()))


@pytest.mark.parametrize(("batch", "tile"), [(128, 32), (96, 32), (100, 20), (90, 0), (32, 0), (0, 0)])
def test_a_tile_divides_the_batch_and_fits_the_cache(batch: int, tile: int) -> None:
    """The largest array of an image has 38 x 38 x 16 numbers."""
    function = blocked(classifier(40)[1])
    assert images_per_tile(function, batch, BLOCK) == tile
    assert images_per_tile(function, batch, 0) == 0


@pytest.mark.skipif(not convolution_block(), reason="this onnxruntime has no blocked convolutions")
def test_batches_run_in_tiles_where_that_pays() -> None:
    net, function = classifier(40)
    block = convolution_block()
    with config.using(backend="onnx", device="cpu"):
        executable = compile_program([function])
        with config.using(passes="-tile_images"):
            plain = compile_program([function])
        for batch in (96, 20):
            arrays = net.arrays(batch)
            wanted = plain.run("step", arrays)
            for got, want in zip(executable.run("step", arrays), wanted, strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * float(np.abs(want).max()))
    compiled = executable.functions["step"]
    operators = [
        [node.op_type for node in compiled.version({"batch": batch})[0].proto.graph.node]
        for batch in (96, 20)
    ]
    assert operators[0].count("Scan") == 2, f"tiles of {images_per_tile(compiled.function, 96, block)}"
    assert "Scan" not in operators[1]


def test_a_step_of_a_scan_ends_before_it_would_reshape_into_the_stack() -> None:
    """That would copy; behind the scan it does not."""
    _, function = classifier(40)
    with config.using(backend="onnx", device="cpu"):
        compiled = compile_program([function]).functions["step"]
    graph = compiled.version({"batch": 96})[0].proto.graph
    bodies = [
        a.g for node in graph.node if node.op_type == "Scan" for a in node.attribute if a.name == "body"
    ]
    for body in bodies:
        makers = {output: node.op_type for node in body.node for output in node.output}
        stacked = [value for value in body.output if len(value.type.tensor_type.shape.dim) > 3]
        assert "Reshape" not in {makers[value.name] for value in stacked}
    assert bodies or not convolution_block()
