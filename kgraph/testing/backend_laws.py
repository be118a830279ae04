"""The law of a backend: what it computes is what the oracle, the NumPy interpreter, computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.graph import Function
from kgraph.ir.interpret import run
from kgraph.ir.op import Op, Sample
from kgraph.ir.types import Array, type_of
from kgraph.passes.decompose import Decompose
from kgraph.passes.pipeline import Observer, run_pipeline
from kgraph.plugins.backend import CompileOptions, Executable, Program
from kgraph.plugins.builtin import default_manager
from kgraph.testing.op_laws import gradient_function, sample_function, symbolic_function

RTOL = 1e-5
"""How far single precision may stray from the oracle."""


def check_sample(sample: Sample, backend: str, device: str = "cpu") -> None:
    """Results and gradients of an op's sample, with known and with symbolic sizes.

    The function reaches the backend as it is, but for ops that the backend has decomposed: no simplification hides a
    lowering from the test.
    """
    rtol = max(RTOL, sample.tolerance)
    gradient = gradient_function(sample)
    for function in (sample_function(sample), symbolic_function(sample), *([gradient] if gradient else [])):
        check_function(function, sample.inputs, backend, device, rtol)


def check_function(
    function: Function,
    arrays: Sequence[Array],
    backend: str,
    device: str = "cpu",
    rtol: float = RTOL,
    optimise: bool = False,
) -> None:
    """Outputs and updates of a function, compiled as it is or, with `optimise`, after all passes."""
    wanted, updates = run(function, arrays)
    if optimise:
        with config.using(backend=backend, device=device, threads=1):
            executable = compile_program([function], observer=Observer(verify=True))
    else:
        executable = compile_as_is(function, backend, device)
    made = executable.run(function.name, arrays)
    for (name, want), got in zip(wanted.items(), made, strict=True):
        assert_agrees(got, want, name, rtol)
    for variable, want in updates.items():
        assert_agrees(variable.storage.read(), want, variable.name, rtol)


def compile_as_is(function: Function, backend: str, device: str = "cpu") -> Executable:
    """Compile with the backend's own passes and decomposition only."""
    chosen = default_manager().backend(backend)
    rows = default_manager().lowerings(backend)

    def supported(op: Op) -> bool:
        return type(op) in rows or chosen.supports(op)

    options = CompileOptions(device, threads=1, lowerings=rows)
    passes = [*chosen.passes(options), Decompose(supported, f"backend {backend!r}")]
    prepared = run_pipeline(function, passes, Observer(verify=True))
    return chosen.compile(Program({function.name: prepared}), options)


def assert_agrees(
    got: Array, want: Array, name: str = "", rtol: float = RTOL, atol: float | None = None
) -> None:
    """Same type, and equal: floats within the tolerance (NaN equals NaN), all else exactly.

    The absolute tolerance is a tenth of the relative one if it is not given.
    """
    assert type_of(got) == type_of(want), f"{name}: {type_of(got)} where {type_of(want)} was expected"
    if want.dtype.kind == "f":
        np.testing.assert_allclose(got, want, rtol, rtol / 10 if atol is None else atol, err_msg=name)
    else:
        np.testing.assert_array_equal(got, want, err_msg=name)
