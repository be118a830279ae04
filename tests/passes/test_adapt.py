"""Functions with other signatures: fixed sizes, channels first, other names; the meaning stays."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.errors import ArgumentError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Constant, Function, Input
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ir.verify import verify
from kgraph.ops.broadcast import reshape
from kgraph.ops.conv import Conv
from kgraph.ops.elementwise import mul
from kgraph.ops.shape import DimValue, Transpose, transpose
from kgraph.passes.adapt import channels_first, fix_sizes, image_inputs, rename_inputs
from kgraph.testing import random_arrays, random_function

BATCH = symbol("batch")


def images() -> Function:
    x = Input("x", TensorType("float32", (BATCH, 6, 5, 3)))
    w = np.random.RandomState(0).randn(4, 3, 3, 3).astype("float32")
    from_constant = mul(transpose(x, (0, 3, 1, 2)), 2.0)
    y = Conv((1, 1), ((0, 0), (0, 0)), (1, 1))(from_constant, Constant(w))
    return Function("f", (x,), {"y": transpose(y, (0, 2, 3, 1)), "size": DimValue(BATCH, "float32")()})


@pytest.mark.parametrize("seed", range(12))
def test_fixed_sizes_change_nothing_but_the_types(seed: int) -> None:
    function = random_function(seed, draws=False)
    arrays = random_arrays(function)
    sizes = {
        str(dim): size
        for leaf, array in zip(function.inputs, arrays, strict=True)
        for dim, size in zip(leaf.shape, array.shape, strict=True)
        if not isinstance(dim, int)
    }
    fixed = fix_sizes(function, sizes)
    verify(fixed)
    assert all(leaf.type.is_static for leaf in fixed.inputs)
    assert not any(call.op.is_symbolic() for call in fixed.calls())
    for before, after in zip(run(function, arrays), run(fixed, arrays), strict=True):
        for name, array in before.items():
            np.testing.assert_array_equal(after[name], array)


def test_sizes_that_are_not_named_stay_open() -> None:
    x = Input("x", TensorType("float32", (BATCH, symbol("time"), 2)))
    function = Function("f", (x,), {"y": reshape(x, (BATCH * symbol("time"), 2))})
    assert fix_sizes(function, {}) is function
    assert str(fix_sizes(function, {"batch": 3}).outputs["y"].shape[0]) == "3*time"


def test_channels_first_takes_the_transposes_away() -> None:
    function, x = images(), np.random.RandomState(1).rand(2, 6, 5, 3).astype("float32")
    assert image_inputs(function) == ["x"]
    turned = channels_first(function, ["x"])
    assert [str(leaf.type) for leaf in turned.inputs] == ["float32[batch, 3, 6, 5]"]
    assert sum(isinstance(call.op, Transpose) for call in turned.calls()) == 1  # that of the output
    np.testing.assert_array_equal(run(turned, [x.transpose(0, 3, 1, 2)])[0]["y"], run(function, [x])[0]["y"])
    assert image_inputs(turned) == []


def test_what_has_no_channels_is_refused() -> None:
    x = Input("x", TensorType("float32", (BATCH, 3)))
    function = Function("f", (x,), {"y": mul(x, 2.0)})
    for name in ("x", "z"):
        with pytest.raises(ArgumentError, match="channels first"):
            channels_first(function, [name])


def test_inputs_get_other_names() -> None:
    renamed = rename_inputs(images(), {"x": "image", "y": "unused"})
    assert [leaf.name for leaf in renamed.inputs] == ["image"]
    verify(renamed)
