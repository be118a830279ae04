"""The law of backends: every op, and random functions through the whole pipeline, against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.interpret import run
from kgraph.ir.op import Sample
from kgraph.passes.pipeline import Observer
from kgraph.plugins.builtin import BUILTINS
from kgraph.plugins.onnx.device import cuda_problem
from kgraph.testing import assert_agrees, check_sample, random_arrays, random_function
from kgraph.testing.conformance import backend_test, sample_params

BACKENDS = sorted(BUILTINS)
NO_CUDA = cuda_problem(0)

test_reference = backend_test("reference")
test_onnx = backend_test("onnx")


# One skip, not one for each sample.
ON_CUDA = [pytest.param(None, marks=pytest.mark.skip(NO_CUDA))] if NO_CUDA else sample_params()


@pytest.mark.parametrize("sample", ON_CUDA)
def test_onnx_on_cuda(sample: Sample) -> None:
    check_sample(sample, "onnx", "cuda")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(25))
def test_a_random_function_means_the_same_compiled(seed: int, backend: str) -> None:
    """In single precision, so relative to the largest element, as sums are taken in another order."""
    function = random_function(seed, dtype="float32")
    arrays = random_arrays(function)
    wanted, updates = run(function, arrays)
    with config.using(backend=backend, device="cpu", threads=1):
        executable = compile_program([function], observer=Observer(verify=True))
    made = dict(zip(wanted, executable.run(function.name, arrays), strict=True))
    for name, want in wanted.items():
        assert_agrees(made[name], want, name, 1e-4, 1e-5 * float(np.abs(want).max(initial=1.0)))
    for variable, want in updates.items():
        assert_agrees(variable.storage.read(), want, variable.name, 1e-4, 1e-5)
