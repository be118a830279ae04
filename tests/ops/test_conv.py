"""Convolution and pooling: what the laws over their samples can't state."""

from __future__ import annotations

from math import ceil

import pytest

from kgraph.errors import ShapeError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input
from kgraph.ir.op import Sample
from kgraph.ir.types import TensorType
from kgraph.ops import conv, pool
from kgraph.ops.samples import floats
from kgraph.ops.windows import causal_pads, same_pads
from kgraph.passes.autodiff import pullback
from kgraph.testing import check_function
from kgraph.testing.op_laws import gradient_function, sample_function

OPS = (
    conv.Conv,
    conv.ConvInputGrad,
    conv.ConvFilterGrad,
    pool.MaxPool,
    pool.MaxPoolGrad,
    pool.AveragePool,
    pool.AveragePoolGrad,
)
SAMPLES = [
    pytest.param(sample, id=f"{cls.name}-{i}") for cls in OPS for i, sample in enumerate(cls.samples())
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_onnx_agrees_in_double_precision(sample: Sample) -> None:
    arrays = [array.astype("float64") for array in sample.inputs]
    for function in (sample_function(sample, arrays), gradient_function(sample, arrays)):
        assert function is not None
        check_function(function, arrays, "onnx", rtol=1e-12)


def _trunk(height: object, stride: int) -> Function:
    """conv, max pool, average pool with "same" pads, and their gradients."""
    x = Input("x", TensorType("float32", (symbol("batch"), 2, height, 6)))  # type: ignore[arg-type]  # a Dim
    w = Input("w", TensorType("float32", (3, 2, 3, 3)))
    y = conv.conv(x, w, (stride, stride), tuple(same_pads(s, 3, stride) for s in x.shape[2:]))
    z = pool.max_pool(y, (3, 2), (stride, 2), tuple(map(same_pads, y.shape[2:], (3, 2), (stride, 2))))
    a = pool.average_pool(z, (2, 3), (stride, 1), tuple(map(same_pads, z.shape[2:], (2, 3), (stride, 1))))
    dy = Input("dy", TensorType("float32", a.shape))
    dx, dw = pullback([a], [dy], [x, w])
    assert dx is not None
    assert dw is not None
    assert (dx.type, dw.type) == (x.type, w.type)
    return Function("trunk", (x, w, dy), {"y": a, "dx": dx, "dw": dw})


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 8, 11])
def test_sizes_may_be_symbolic(stride: int, size: int) -> None:
    symbolic, static = _trunk(symbol("height"), stride), _trunk(size, stride)
    assert static.outputs["y"].shape[2] == ceil(ceil(ceil(size / stride) / stride) / stride)
    arrays = [floats(4, 2, size, 6), floats(3, 2, 3, 3), floats(4, *static.outputs["y"].shape[1:])]  # type: ignore[arg-type]  # static
    arrays[2] /= (
        4  # brings the sums of dw, whose terms cancel, to the order of one that the absolute tolerance is for
    )
    for function in (symbolic, static):
        check_function(function, arrays, "onnx")
        check_function(function, arrays, "onnx", optimise=True)


def test_same_pads_give_a_window_per_stride() -> None:
    assert same_pads(5, 3) == (1, 1)
    assert same_pads(6, 3, 2) == (0, 1)
    assert same_pads(symbol("t"), 4, dilation=2) == (3, 3)
    assert causal_pads(3, 2) == (4, 0)


def test_misfits_are_errors() -> None:
    x = Input("x", TensorType("float32", (symbol("n"), 4, 5, 5)))

    def w(*shape: int) -> Input:
        return Input("w", TensorType("float32", shape))

    with pytest.raises(ShapeError, match="larger than the padded input"):
        conv.conv(x, w(2, 4, 6, 3))
    with pytest.raises(ShapeError, match="channels do not fit"):
        conv.conv(x, w(2, 3, 3, 3))
    with pytest.raises(ShapeError, match="groups do not divide"):
        conv.conv(x, w(3, 2, 3, 3), groups=2)
    with pytest.raises(ShapeError, match="wrong rank"):
        conv.conv(x, w(2, 4, 3))
    with pytest.raises(ShapeError, match="strides must be positive"):
        conv.conv(x, w(2, 4, 3, 3), strides=(0, 1))
    with pytest.raises(ShapeError, match="wrong number of strides"):
        pool.max_pool(x, (2, 2), (2,))
    with pytest.raises(ShapeError, match="pads as large as the window"):
        pool.max_pool(x, (2, 2), (2, 2), ((2, 0), (0, 0)))
    with pytest.raises(ShapeError, match="spatial axes"):
        pool.average_pool(Input("x", TensorType("float32", (1, 2))), ())
    with pytest.raises(ShapeError, match="not the result of this convolution"):
        conv.conv_transpose(x, w(4, 2, 3, 3), (9, 9))
