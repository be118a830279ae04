"""Pools after a Pad: its zeros count among the pixels, whatever the runtime makes of the two nodes."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.compiler import compile_program
from kgraph.ir.graph import Function, Input
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.pool import AveragePool, MaxPool
from kgraph.ops.shape import Pad

AROUND = ((0, 0), (0, 0), (2, 1), (0, 2))


@pytest.mark.parametrize("pads", [((0, 0), (0, 0)), ((1, 0), (0, 1))], ids=str)
@pytest.mark.parametrize("op", [MaxPool, AveragePool])
def test_zeros_around_negative_pixels_count(op: type, pads: tuple[tuple[int, int], ...]) -> None:
    x = Input("x", TensorType("float32", (2, 3, 6, 5)))
    pooled = op((2, 2), (2, 2), pads)(Pad(AROUND)(x))
    function = Function("pooled", (x,), {"y": pooled})
    array = np.random.default_rng(0).uniform(-2, -1, (2, 3, 6, 5)).astype("float32")
    (found,) = compile_program([function]).run("pooled", [array])
    np.testing.assert_allclose(np.asarray(found), run(function, [array])[0]["y"], rtol=1e-6)
