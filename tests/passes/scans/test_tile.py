"""Tiling: what falls into a chain, what does not, and that nothing changes but the order of work."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Value, Variable
from kgraph.ir.interpret import run
from kgraph.ir.types import Array, TensorType
from kgraph.ops.elementwise import add, div, mul, sqrt, sub
from kgraph.ops.linalg import Gemm, MatMul, matmul
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.scan import Scan
from kgraph.passes.scans.tile import TileChains, find_chains

SHAPE = (6, 8)
SMALL = TileChains(shortest=3, tile=12)


def step(shape: tuple[int, ...] = SHAPE) -> Function:
    """RMSprop of one weight; the gradient is an input, the learning rate a variable."""
    rng = np.random.default_rng(0)
    weight, slot = (Variable(name, rng.random(shape), dtype="float32") for name in ("w", "v"))
    rate = Variable("rate", 0.01, dtype="float32", role="optimizer")
    gradient = Input("g", TensorType("float32", shape))
    moment = add(mul(slot, 0.9), mul(mul(gradient, gradient), 0.1))
    updates: dict[Variable, Value] = {
        slot: moment,
        weight: sub(weight, div(mul(gradient, rate), sqrt(moment))),
    }
    return Function("step", (gradient,), {"norm": reduce_sum(mul(gradient, gradient))}, updates)


def tiled(function: Function, tiling: TileChains = SMALL) -> tuple[Function, list[Scan]]:
    made = tiling(function, Counter())
    return made, [call.op for call in made.calls() if isinstance(call.op, Scan)]


def test_a_chain_becomes_one_scan_over_equal_tiles() -> None:
    made, (scan,) = tiled(step())
    assert [str(leaf.type) for leaf in scan.body.inputs] == ["float32[12]"] * 3 + ["float32[]"]
    assert len(scan.body.outputs) == 2
    assert not tiled(made)[1][1:], "a second run finds nothing"


def test_the_values_stay_the_same() -> None:
    function = step()
    made, _ = tiled(function)
    data = [np.random.default_rng(1).random(SHAPE, dtype="float32")]
    (wanted, updates), (found, changed) = run(function, data), run(made, data)
    np.testing.assert_array_equal(found["norm"], wanted["norm"])
    for variable, value in updates.items():
        np.testing.assert_array_equal(changed[variable], value)


def test_what_others_wait_for_is_no_part_of_a_chain() -> None:
    """The square goes into a sum that scales what comes after: a clip by the norm."""
    x = Input("x", TensorType("float32", SHAPE))
    square = mul(x, x)
    scaled = sub(add(mul(x, reduce_sum(square)), 1.0), x)
    (chain,) = find_chains(Function("f", (x,), {"y": scaled}))
    assert [call.op.name for call in chain] == ["mul", "add", "sub"]
    assert square not in [call.results[0] for call in chain]


def test_types_do_not_mix() -> None:
    x, y = (Input(name, TensorType("float32", shape)) for name, shape in (("x", (4, 12)), ("y", (12,))))
    assert not tiled(Function("f", (x, y), {"z": sub(mul(add(x, y), 2.0), x)}))[1], "a row is no scalar"
    wide = Input("wide", TensorType("float32", (symbol("n"), 8)))
    assert not tiled(Function("f", (wide,), {"z": sub(mul(add(wide, 1.0), 2.0), wide)}))[1], (
        "a size is not known"
    )


def dense_step(rows: int = 6, columns: int = 8, scale: float = 1.0, shown: bool = False) -> Function:
    """Momentum of a weight whose gradient is a product x^T y; `shown`, the gradient is a result as well."""
    rng = np.random.default_rng(0)
    weight, slot = (Variable(name, rng.random((rows, columns)), dtype="float32") for name in ("w", "m"))
    x, y = (Input(n, TensorType("float32", (symbol("batch"), m))) for n, m in (("x", rows), ("y", columns)))
    gradient = Gemm(True, alpha=scale)(x, y) if scale != 1 else matmul(x, y, True)
    moment = add(mul(slot, 0.9), gradient)
    updates: dict[Variable, Value] = {slot: moment, weight: sub(weight, add(mul(moment, 0.9), gradient))}
    return Function("step", (x, y), {"gradient": gradient} if shown else {}, updates)


def products(function: Function) -> int:
    return sum(isinstance(call.op, MatMul | Gemm) for call in function.calls())


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_gradient_that_is_a_product_is_made_in_tiles_of_rows(scale: float) -> None:
    function = dense_step(scale=scale)
    made, (scan,) = tiled(function)
    kinds = [str(leaf.type) for leaf in scan.body.inputs]
    assert kinds == ["float32[16]", "float32[16]", "float32[batch, 2]", "float32[batch, 8]"]
    assert (products(made), products(scan.body)) == (0, 1)
    rng = np.random.default_rng(1)
    data = [rng.random((5, 6), dtype="float32"), rng.random((5, 8), dtype="float32")]
    (_, wanted), (_, changed) = run(function, data), run(made, data)
    for variable, value in wanted.items():
        np.testing.assert_allclose(changed[variable], value, rtol=1e-6)


@pytest.mark.parametrize(
    "function", [dense_step(shown=True), dense_step(7, 4)], ids=["read by others", "no tile of whole rows"]
)
def test_other_products_stay_outside(function: Function) -> None:
    made, (scan,) = tiled(function)
    assert (products(made), products(scan.body)) == (1, 0)


def operators_of_tiled(function: Function, same: Function, data: list[Array]) -> set[str]:
    """The operators that a step runs in tiles as, after three steps that gave the same bits without."""
    with config.using(backend="onnx", device="cpu"):
        executable = compile_program([function])
        with config.using(passes="-tile_chains"):
            plain = compile_program([same])
    for _ in range(3):
        executable.run("step", data)
        plain.run("step", data)
    for tiled_one, plain_one in zip(function.updates, same.updates, strict=True):
        np.testing.assert_array_equal(tiled_one.storage.read(), plain_one.storage.read())
    return {node.op_type for node in executable.functions["step"].version({})[0].proto.graph.node}


def test_a_large_dense_layer_trains_in_tiles_to_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    data = [rng.random((20, 2048), dtype="float32"), rng.random((20, 512), dtype="float32")]
    operators = operators_of_tiled(dense_step(2048, 512), dense_step(2048, 512), data)
    assert "Scan" in operators
    assert not {"Gemm", "MatMul"} & operators


@pytest.mark.parametrize("shape", [(2, 11), (1, 61), (2, 3)])
def test_no_tile_near_the_wanted_size_no_scan(shape: tuple[int, ...]) -> None:
    assert not tiled(step(shape))[1]


def test_a_large_update_is_tiled_where_it_runs_and_its_buffers_are_written_in_place() -> None:
    shape = (1 << 10, 1 << 10)
    data = [np.random.default_rng(1).random(shape, dtype="float32")]
    assert "Scan" in operators_of_tiled(step(shape), step(shape), data)
