"""The gradient in a kernel as convolutions: of large images one by one, of small ones with chunks as channels.

The chunks need not fill the last block of channels.
"""

from __future__ import annotations

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.dims import Dim, symbol
from kgraph.ir.graph import Function, Input
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.samples import floats
from kgraph.plugins.onnx.blocked import filters
from kgraph.plugins.onnx.blocked.filters import filter_gradient, missing_images
from kgraph.plugins.onnx.blocked.ops import BlockedFilterGrad
from kgraph.testing import assert_agrees

BLOCK, OP = 16, BlockedFilterGrad(kernel=(3, 2))


def leaves(n: Dim) -> tuple[Input, Input]:
    """x of 8 x 6 pixels with few channels, dy of 6 x 5."""
    x = Input("x", TensorType("float32", (n, 1, 8, 6, 3)))
    return x, Input("dy", TensorType("float32", (n, 2, 6, 5, BLOCK)))


@pytest.mark.parametrize("rows", [6, 3, 2, 1])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 16])
def test_chunks_of_any_number_make_up_the_blocks(monkeypatch: pytest.MonkeyPatch, rows: int, n: int) -> None:
    monkeypatch.setattr(filters, "CHUNK_BYTES", rows * 5 * BLOCK * BLOCK * 2 * 4)
    monkeypatch.setattr(filters, "LARGE", 7)
    x, dy = leaves(n)
    missing = missing_images(n, dy)
    assert isinstance(missing, int)
    assert (n + missing) * (6 // rows) % 4 == 0
    assert missing < 4
    assert_right(x, dy, missing)


@pytest.mark.parametrize("n", [1, 3])
def test_large_images_are_convolved_where_they_lie(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setattr(filters, "CHUNK_BYTES", 5 * BLOCK * BLOCK * 2 * 4)
    x, dy = leaves(n)
    assert missing_images(n, dy) == 0
    names = {call.op.name for call in assert_right(x, dy, 0).calls()}
    assert "scan" in names
    assert "gather" not in names


def assert_right(x: Input, dy: Input, missing: int) -> Function:
    """Compares the convolutions with their meaning; returns them."""
    n, function = x.shape[0], Function("f", (x, dy), {"dw": filter_gradient(OP, x, dy, missing)})
    assert isinstance(n, int)
    arrays = floats(n, 1, 8, 6, 3, low=-0.4, high=0.4), floats(n, 2, 6, 5, BLOCK, low=-0.4, high=0.4)
    made = run(function, arrays)[0]["dw"]
    wanted = run(Function("f", (x, dy), {"dw": OP(x, dy)}), arrays)[0]["dw"]
    assert made.shape == (1, 2, 3, 2, 3, BLOCK)
    assert_agrees(made, wanted, "dw", 1e-5, 1e-5)
    return function


@pytest.mark.parametrize("rows", [6, 2, 1])
def test_the_runtime_fills_the_last_block_with_zeros(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """For batches of a size that is known, and of one that is not."""
    monkeypatch.setattr(filters, "CHUNK_BYTES", rows * 5 * BLOCK * BLOCK * 2 * 4)
    for n in (symbol("batch"), 5):
        x, dy = leaves(n)
        function = Function("f", (x, dy), {"dw": OP(x, dy)})
        with config.using(backend="onnx", device="cpu"):
            executable = compile_program([function])
        for size in (5,) if isinstance(n, int) else (2, 5, 8):
            arrays = (
                floats(size, 1, 8, 6, 3, low=-0.4, high=0.4),
                floats(size, 2, 6, 5, BLOCK, low=-0.4, high=0.4),
            )
            (got,) = executable.run("f", list(arrays))
            assert_agrees(got, run(function, arrays)[0]["dw"], "dw", 3e-5, 1e-5)


def test_what_fills_a_block_does_not_count() -> None:
    """Numbers of the last chunk stand where x is zero, so that only their being finite matters."""
    x, dy = leaves(3)
    arrays = np.ones((3, 1, 8, 6, 3), "float32"), np.ones((3, 2, 6, 5, BLOCK), "float32")
    function = Function("f", (x, dy), {"dw": filter_gradient(OP, x, dy, missing_images(3, dy))})
    assert np.unique(run(function, arrays)[0]["dw"]).tolist() == [3 * 6 * 5]
