"""Normalisation and transposes that end in the weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from kgraph.compiler import lower, specialise
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Constant, Function, Input, Value, Variable
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.activations import relu
from kgraph.ops.broadcast import reshape
from kgraph.ops.conv import conv, from_keras_kernel
from kgraph.ops.elementwise import add
from kgraph.ops.linalg import matmul
from kgraph.ops.norm import BatchNorm
from kgraph.ops.shape import transpose
from kgraph.passes.freeze import FreezeVariables
from kgraph.passes.fusion import FoldBatchNorm

B = symbol("batch")


def weight(name: str, *shape: int, low: float = -0.5) -> Variable:
    return Variable(name, np.random.default_rng(len(name)).uniform(low, 1.0, shape), dtype="float32")


def normalized(x: Value, axis: int) -> Value:
    vectors = [
        weight(f"bn/{part}", int(x.shape[axis]), low=0.1) for part in ("scale", "offset", "mean", "var")
    ]
    return BatchNorm(axis)(x, *vectors)


def convolution(x: Value, bias: bool, groups: int = 1) -> Value:
    y = conv(x, weight("conv/kernel", 4, 2 // groups, 3, 3), groups=groups)
    return normalized(add(y, weight("conv/bias", 4, 1, 1)) if bias else y, 1)


def dense(x: Value, bias: bool, transposed: bool = False) -> Value:
    shape = (3, 5) if transposed else (5, 3)
    y = matmul(x, weight("dense/kernel", *shape), False, transposed)
    return normalized(add(y, weight("dense/bias", 3)) if bias else y, -1)


def channels_last_network(x: Value) -> Value:
    kernel = from_keras_kernel(weight("conv/kernel", 3, 3, 2, 4))
    y = transpose(conv(transpose(x, (0, 3, 1, 2)), kernel), (0, 2, 3, 1))
    y = relu(normalized(add(y, weight("conv/bias", 4)), -1))
    return add(matmul(reshape(y, (B, 192)), weight("dense/kernel", 192, 3)), weight("dense/bias", 3))


IMAGE, ROW = TensorType("float32", (B, 2, 8, 6)), TensorType("float32", (B, 5))
CASES: list[tuple[Callable[[Value], Value], TensorType]] = [
    (lambda x: convolution(x, bias=False), IMAGE),
    (lambda x: convolution(x, bias=True), IMAGE),
    (lambda x: convolution(x, bias=True, groups=2), IMAGE),
    (lambda x: dense(x, bias=False), ROW),
    (lambda x: dense(x, bias=True), ROW),
    (lambda x: dense(x, bias=True, transposed=True), ROW),
]


def names(function: Function) -> list[str]:
    return [call.op.name for call in function.calls()]


@pytest.mark.parametrize(("build", "type"), CASES)
def test_batch_normalisation_goes_into_what_is_before_it(
    build: Callable[[Value], Value], type: TensorType
) -> None:
    x = Input("x", type)
    before = Function("predict", (x,), {"y": build(x)})
    after = FoldBatchNorm()(before, Counter())
    assert "batch_norm" not in names(after)
    array = np.random.default_rng(0).normal(size=[3, *type.shape[1:]]).astype("float32")
    np.testing.assert_allclose(
        run(after, [array])[0]["y"], run(before, [array])[0]["y"], rtol=1e-4, atol=1e-5
    )


def test_a_frozen_network_is_products_and_activations_only() -> None:
    x = Input("x", TensorType("float32", (B, 8, 10, 2)))
    before = Function("predict", (x,), {"y": channels_last_network(x)})
    after, _ = lower(specialise(before, training=False), "onnx", freeze=True)
    assert names(after) == ["transpose", "conv_bias", "relu", "reshape", "gemm"]
    assert after.variables() == []
    array = np.random.default_rng(0).normal(size=(2, 8, 10, 2)).astype("float32")
    np.testing.assert_allclose(
        run(after, [array])[0]["y"], run(before, [array])[0]["y"], rtol=1e-4, atol=1e-5
    )


def test_constants_made_from_a_weight_keep_its_name() -> None:
    x = Input("x", TensorType("float32", (B, 8, 10, 2)))
    before = Function("predict", (x,), {"y": channels_last_network(x)})
    after, _ = lower(specialise(before, training=False), "onnx", freeze=True)
    constants = [v.name for call in after.calls() for v in call.inputs if isinstance(v, Constant)]
    assert constants == ["conv/kernel", "conv/bias", "dense/kernel", "dense/bias"]


def test_what_a_function_updates_is_not_frozen() -> None:
    counter, step = Variable("counter", 1.0, dtype="float32"), Variable("step", 2.0, dtype="float32")
    frozen = FreezeVariables()(Function("f", (), {}, {counter: add(counter, step)}), Counter())
    assert frozen.variables() == [counter]
    assert run(frozen, [])[1][counter] == 3.0
