"""Checks that tests of ops share: gradients against finite differences, and the ONNX backend against the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.dims import Dim, symbol
from kgraph.ir.graph import Constant, Function, Input, Value
from kgraph.ir.interpret import run
from kgraph.ir.types import Array, TensorType
from kgraph.ir.verify import verify
from kgraph.ops.broadcast import ReduceSum
from kgraph.ops.elementwise import add, mul
from kgraph.passes.autodiff import gradients
from kgraph.passes.pipeline import Observer

Build = Callable[..., Sequence[Value]]


def leaves_for(arrays: Sequence[Array], symbols: Sequence[Sequence[str]] | None = None) -> tuple[Input, ...]:
    """Inputs of the arrays' types; a non-empty name in `symbols` makes that axis symbolic."""
    leaves = []
    for i, array in enumerate(arrays):
        names = symbols[i] if symbols else [""] * array.ndim
        shape: list[Dim] = [
            symbol(name) if name else size for name, size in zip(names, array.shape, strict=True)
        ]
        leaves.append(Input(f"x{i}", TensorType(array.dtype.name, tuple(shape))))
    return tuple(leaves)


def total(results: Sequence[Value]) -> Value:
    """A scalar in which every element of the floating-point results has a weight of its own."""
    numbers = count(1)
    sums = []
    for value in results:
        if value.type.is_float:
            weight = Constant(np.asarray(np.cos(next(numbers)), value.dtype))
            weighted = mul(mul(value, weight), add(value, 0.5))
            sums.append(ReduceSum(tuple(range(value.rank)))(weighted))
    result = sums[0]
    for term in sums[1:]:
        result = add(result, term)
    return result


def step_function(build: Build, leaves: Sequence[Input]) -> Function:
    """The results of `build`, and the gradients of their `total` with respect to the floating-point inputs."""
    results = build(*leaves)
    wrt = [leaf for leaf in leaves if leaf.type.is_float]
    found = gradients(total(results), wrt)
    outputs = {f"y{i}": value for i, value in enumerate(results)}
    outputs |= {f"d.{leaf.name}": value for leaf, value in zip(wrt, found, strict=True)}
    return Function("f", tuple(leaves), outputs)


def assert_gradients(
    build: Build, arrays: Sequence[Array], step: float = 1e-6, tolerance: float = 1e-6
) -> None:
    """The gradients agree with central differences along a random direction, in double precision."""
    wide = [a.astype("float64") if a.dtype.kind == "f" else a for a in arrays]
    leaves = leaves_for(wide)
    function = step_function(build, leaves)
    verify(function)
    slopes, _ = run(function, wide)
    loss = Function("loss", leaves, {"loss": total(build(*leaves))})
    generator = np.random.default_rng(0)
    for i, array in enumerate(wide):
        if array.dtype.kind != "f":
            continue
        direction = generator.normal(size=array.shape)
        ends = []
        for sign in (1, -1):
            moved = [a + sign * step * direction if j == i else a for j, a in enumerate(wide)]
            ends.append(float(run(loss, moved)[0]["loss"]))
        numeric = (ends[0] - ends[1]) / (2 * step)
        exact = float(np.sum(slopes[f"d.x{i}"] * direction))
        assert abs(numeric - exact) <= tolerance * (1 + abs(exact)), f"operand {i}: {exact} != {numeric}"


def assert_backend_agrees(
    build: Build,
    arrays: Sequence[Array],
    symbols: Sequence[Sequence[str]] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> None:
    """Results and gradients on the ONNX backend are those of the oracle."""
    function = step_function(build, leaves_for(arrays, symbols))
    wanted, _ = run(function, arrays)
    with config.using(device="cpu", backend="onnx"):
        executable = compile_program([function], observer=Observer(verify=True))
    made = executable.run("f", arrays)
    for (name, want), got in zip(wanted.items(), made, strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol, err_msg=name)
