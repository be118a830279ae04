"""The laws of one op sample: types, gradient, decomposition, and the onnx backend against the oracle."""

from __future__ import annotations

import numpy as np

from kgraph.compiler import final_passes
from kgraph.ir.graph import Constant, Function, Input, Value
from kgraph.ir.interpret import evaluate_values, run
from kgraph.ir.op import Sample
from kgraph.ir.types import Array, type_of
from kgraph.ops.samples import floats
from kgraph.passes.autodiff import pullback
from kgraph.passes.pipeline import Observer, run_pipeline
from kgraph.plugins.backend import CompileOptions, Program
from kgraph.plugins.builtin import default_manager


def doubles(sample: Sample) -> list[Array]:
    return [a.astype("float64") if a.dtype.kind == "f" else a for a in sample.inputs]


def as_function(sample: Sample, arrays: list[Array]) -> Function:
    leaves = tuple(Input(f"x{i}", type_of(array)) for i, array in enumerate(arrays))
    results = sample.op.apply(*leaves)
    return Function("f", leaves, {f"y{i}": result for i, result in enumerate(results)})


def gradient_function(sample: Sample, arrays: list[Array]) -> Function:
    """The gradients of each differentiable operand, for irregular cotangents."""
    forward = as_function(sample, arrays)
    cotangents = [Constant(floats(*v.type.static_shape, dtype=v.dtype)) for v in forward.outputs.values()]
    found = pullback(list(forward.outputs.values()), cotangents, forward.inputs)
    picked = smooth_inputs(sample)
    made: dict[str, Value] = {}
    for i in picked:
        gradient = found[i]
        made[f"d{i}"] = Constant(np.zeros_like(arrays[i])) if gradient is None else gradient
    return Function("gradient", forward.inputs, made)


def smooth_inputs(sample: Sample) -> list[int]:
    if sample.smooth is not None:
        return list(sample.smooth)
    return [i for i, array in enumerate(sample.inputs) if array.dtype.kind == "f"]


def check_types(sample: Sample) -> None:
    function = as_function(sample, list(sample.inputs))
    outputs, _ = run(function, list(sample.inputs))
    for value, array in zip(function.outputs.values(), outputs.values(), strict=True):
        assert type_of(array) == value.type


def check_gradient(sample: Sample, step: float = 1e-6) -> None:
    """The gradient in random directions against central differences, in float64."""
    arrays = doubles(sample)
    forward, backward = as_function(sample, arrays), gradient_function(sample, arrays)
    gradients, _ = run(backward, arrays)

    def value(at: list[Array]) -> float:
        outputs, _ = run(forward, at)
        return sum(float(np.sum(y * floats(*y.shape, dtype="float64"))) for y in outputs.values())

    rng = np.random.default_rng(0)
    for i in smooth_inputs(sample):
        for _ in range(3):
            direction = rng.standard_normal(arrays[i].shape)
            up, down = list(arrays), list(arrays)
            up[i], down[i] = arrays[i] + step * direction, arrays[i] - step * direction
            numeric = (value(up) - value(down)) / (2 * step)
            np.testing.assert_allclose(
                np.sum(gradients[f"d{i}"] * direction), numeric, rtol=1e-6, atol=1e-7, err_msg=f"operand {i}"
            )


def check_decomposition(sample: Sample) -> None:
    arrays = doubles(sample)
    leaves = [Input(f"x{i}", type_of(array)) for i, array in enumerate(arrays)]
    made = sample.op.decompose(*leaves)
    results = made if isinstance(made, tuple) else (made,)
    direct = sample.op.apply(*leaves)
    values: dict[Value, Array] = dict(zip(leaves, arrays, strict=True))
    evaluate_values([*results, *direct], values, {})
    for left, right in zip(results, direct, strict=True):
        assert left.type == right.type
        np.testing.assert_allclose(values[left], values[right], rtol=1e-12, atol=1e-12)


def check_backend(function: Function, arrays: list[Array], rtol: float = 2e-5) -> None:
    """The onnx backend against the oracle."""
    backend = default_manager().backend("onnx")
    prepared = run_pipeline(function, final_passes(backend, {}), Observer(verify=True))
    executable = backend.compile(Program({function.name: prepared}), CompileOptions(device="cpu", threads=1))
    wanted, _ = run(function, arrays)
    for want, got in zip(wanted.values(), executable.run(function.name, arrays), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)
