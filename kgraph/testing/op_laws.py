"""The laws of an op, checked on its samples.

types          what `infer` says is what `evaluate` returns, for sizes that are known and for symbols
decomposition  `decompose` gives what `evaluate` gives
gradient       `vjp` agrees with central differences along random directions, in float64, and so does its own gradient
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kgraph.errors import ShapeError
from kgraph.ir.dims import Dim, evaluate_shape, symbol
from kgraph.ir.graph import Constant, Function, Input, Value
from kgraph.ir.interpret import run
from kgraph.ir.op import Op, Sample, registry
from kgraph.ir.types import Array, TensorType, type_of
from kgraph.ops.broadcast import ReduceSum
from kgraph.ops.elementwise import add, mul
from kgraph.ops.pullback import pullback
from kgraph.plugins.builtin import default_manager

STEP = 1e-6
"""How far central differences go: the error of rounding, eps / step, is about that of curvature, step^2."""


def op_samples(ops: Iterable[type[Op]] | None = None) -> dict[str, Sample]:
    """The samples of ops (default: kgraph's and those that plug-ins contribute), by names such as "conv-3"."""
    if ops is None:
        own = [op for op in registry().values() if op.__module__.startswith("kgraph.")]
        ops = dict.fromkeys([*own, *default_manager().ops()])
    return {f"{op.name}-{i}": sample for op in ops for i, sample in enumerate(op.samples())}


def sample_function(sample: Sample, arrays: Sequence[Array] | None = None) -> Function:
    """The op applied to inputs x0, x1, ... with the types of the sample's arrays, or of others."""
    return _function(sample, [type_of(a) for a in (sample.inputs if arrays is None else arrays)])


def symbolic_function(sample: Sample) -> Function:
    """The same with symbols for sizes above 1, equal ones for equal sizes.

    Every size that the op does not insist on knowing: all of them, or else the first axis of the first input.
    """
    types = [type_of(array) for array in sample.inputs]
    try:
        return _function(sample, [_symbolic(type, type.rank) for type in types])
    except ShapeError:
        return _function(sample, [_symbolic(types[0], 1), *types[1:]])


def gradient_function(sample: Sample, arrays: Sequence[Array] | None = None) -> Function | None:
    """The gradients of the smooth inputs for irregular cotangents; None when there is nothing to differentiate."""
    forward = sample_function(sample, arrays)
    smooth, loss = smooth_inputs(sample), _loss(forward)
    if not smooth or loss is None:
        return None
    made = _gradients(loss, [forward.inputs[i] for i in smooth])
    return Function("gradient", forward.inputs, {f"d{i}": dx for i, dx in zip(smooth, made, strict=True)})


def smooth_inputs(sample: Sample) -> tuple[int, ...]:
    """The inputs that the gradient law applies to."""
    if sample.smooth is not None:
        return sample.smooth
    return tuple(i for i, array in enumerate(sample.inputs) if array.dtype.kind == "f")


def check_types(sample: Sample) -> None:
    """`evaluate` returns exactly the types that `infer` says, and symbols bound to sizes give the same types."""
    function, symbolic = sample_function(sample), symbolic_function(sample)
    if sample.op.evaluates():
        with np.errstate(all="ignore"):
            made = sample.op.evaluate(*sample.inputs)
        arrays = made if isinstance(made, tuple) else (made,)
    else:
        arrays = tuple(run(function, sample.inputs)[0].values())
    sizes = {f"n{size}": size for array in sample.inputs for size in array.shape}
    for value, general, array in zip(
        function.outputs.values(), symbolic.outputs.values(), arrays, strict=True
    ):
        assert type_of(np.asarray(array)) == value.type
        assert general.dtype == value.dtype
        assert evaluate_shape(general.shape, sizes) == value.shape


def check_decomposition(sample: Sample) -> None:
    """In float64, where they must agree but for the last digits. Nothing to check for an op with one form."""
    op = sample.op
    if not op.is_composite():
        return
    arrays = _doubles(sample)
    function = sample_function(sample, arrays)
    made = op.decompose(*function.inputs)
    parts = made if isinstance(made, tuple) else (made,)
    for part, whole in zip(parts, function.outputs.values(), strict=True):
        assert part.type == whole.type
    if op.evaluates():
        outputs = {f"y{i}": part for i, part in enumerate(parts)}
        _assert_equal(run(Function("parts", function.inputs, outputs), arrays)[0], run(function, arrays)[0])


def check_gradient(sample: Sample, tolerance: float = 1e-6) -> None:
    """First order. An op whose results are floating-point has a gradient, or its samples say where it is smooth."""
    arrays = _doubles(sample)
    forward = sample_function(sample, arrays)
    loss = _loss(forward)
    if loss is not None and smooth_inputs(sample):
        _check_slopes(forward.inputs, loss, smooth_inputs(sample), arrays, tolerance)


def check_second_order(sample: Sample, tolerance: float = 1e-6) -> None:
    """The gradient of the gradient's product with a fixed direction."""
    arrays = _doubles(sample)
    forward = sample_function(sample, arrays)
    loss, smooth = _loss(forward), smooth_inputs(sample)
    if loss is None or not smooth:
        return
    slopes = _gradients(loss, [forward.inputs[i] for i in smooth])
    directed = _weighted(slopes, seed=1)
    assert directed is not None
    _check_slopes(forward.inputs, directed, smooth, arrays, tolerance)


def _function(sample: Sample, types: Sequence[TensorType]) -> Function:
    leaves = tuple(Input(f"x{i}", type) for i, type in enumerate(types))
    results = sample.op.apply(*leaves)
    return Function(sample.op.name, leaves, {f"y{i}": result for i, result in enumerate(results)})


def _symbolic(type: TensorType, axes: int) -> TensorType:
    dims: list[Dim] = [
        symbol(f"n{size}") if axis < axes and size != 1 else size for axis, size in enumerate(type.shape)
    ]
    return type.with_shape(dims)


def _doubles(sample: Sample) -> list[Array]:
    return [a.astype("float64") if a.dtype.kind == "f" else a for a in sample.inputs]


def _loss(function: Function) -> Value | None:
    return _weighted([value for value in function.outputs.values() if value.type.is_float], seed=0)


def _weighted(values: Sequence[Value], seed: int) -> Value | None:
    """The sum of all elements of all values, each with a random weight."""
    rng = np.random.default_rng(seed)
    total: Value | None = None
    for value in values:
        weights = Constant(rng.standard_normal(value.type.static_shape).astype(value.dtype))
        term = ReduceSum(tuple(range(value.rank)))(mul(value, weights))
        total = term if total is None else add(total, term)
    return total


def _gradients(loss: Value, wrt: Sequence[Value]) -> list[Value]:
    found = pullback([loss], [Constant(np.ones((), loss.dtype))], wrt)
    return [
        Constant(np.zeros(x.type.static_shape, x.dtype)) if dx is None else dx
        for x, dx in zip(wrt, found, strict=True)
    ]


def _check_slopes(
    leaves: tuple[Input, ...], loss: Value, smooth: Sequence[int], arrays: list[Array], tolerance: float
) -> None:
    """The derivative of `loss` along random directions, by gradient and by central differences."""
    function = Function("loss", leaves, {"loss": loss})
    slopes = _gradients(loss, [leaves[i] for i in smooth])
    outputs = {str(i): slope for i, slope in zip(smooth, slopes, strict=True)}
    gradients, _ = run(Function("gradient", leaves, outputs), arrays)
    rng = np.random.default_rng(2)
    for i in smooth:
        assert gradients[str(i)].shape == arrays[i].shape
        for _ in range(2):
            direction = rng.standard_normal(arrays[i].shape)
            ends = [_run_at(function, arrays, i, arrays[i] + sign * STEP * direction) for sign in (1, -1)]
            numeric = (ends[0] - ends[1]) / (2 * STEP)
            analytic = float(np.sum(gradients[str(i)] * direction))
            np.testing.assert_allclose(analytic, numeric, tolerance, tolerance, err_msg=f"input {i}")


def _run_at(function: Function, arrays: Sequence[Array], index: int, array: Array) -> float:
    moved = [array if i == index else other for i, other in enumerate(arrays)]
    return float(run(function, moved)[0]["loss"])


def _assert_equal(a: Mapping[str, Array], b: Mapping[str, Array]) -> None:
    for name in b:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-12, atol=1e-12, err_msg=name)
