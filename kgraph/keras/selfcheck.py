"""Whether a written file computes what the model means."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, BackendError, KgraphError, describe
from kgraph.ir.dims import evaluate_shape, symbol_name
from kgraph.ir.graph import Function
from kgraph.ir.interpret import bind_inputs, run
from kgraph.ir.types import Array
from kgraph.plugins.onnx.check import run_model

# Sizes given to symbolic dimensions: distinct, so that a mix-up of axes shows.
_SIZES = (3, 7, 5, 11, 13)
# Where these are too small for what the model does, such as several poolings in a row, larger ones are tried.
_SCALES = (1, 8, 48)
# So many samples are worked on at a time where the model takes any number.
_BATCH = 32

Closeness = Callable[[Array, Array], bool]
"""Whether the numbers got are as close to those expected as they should be; shapes are the same."""


def _within(relative: float, of_largest: float) -> Closeness:
    """Every number, up to so much of itself and so much of the largest one."""

    def close(expected: Array, got: Array) -> bool:
        allowed = of_largest * max(1.0, _largest(expected))
        return np.allclose(got, expected, rtol=relative, atol=allowed, equal_nan=True)

    return close


def _on_average(share: float) -> Closeness:
    """All numbers together: the mean square of what they are off by, against their own."""

    def close(expected: Array, got: Array) -> bool:
        off = np.subtract(got, expected, dtype="float64")
        return bool(np.sum(off**2) <= share**2 * np.sum(np.square(expected, dtype="float64")))

    return close


SINGLE = _within(1e-3, 1e-4)
HALF = _within(5e-2, 2e-2)
"""Half precision has 11 bits, of which sums lose a few."""
EIGHT_BITS = _on_average(0.2)
"""One number may be far off where it hangs by a hair; a file that computes something else is off by 1.4 on average."""


def check_batches(function: Function, samples: Any = None) -> list[list[Array]]:
    """Batches of inputs for a function: of those given, by name or in order, or else one of random numbers.

    Raises ArgumentError for samples that do not fit, and where no sizes are found that the model can work on.
    """
    if samples is not None:
        return _batches(function, _given(function, samples))
    if _size_names(function).keys() <= {"batch"}:
        return [_random_inputs(function, 1)]  # nothing to try: any batch will do
    problem: Exception | None = None
    for scale in _SCALES:
        arrays = _random_inputs(function, scale)
        try:
            outputs, _ = run(function, arrays)
        except (KgraphError, ValueError, IndexError, ZeroDivisionError) as error:
            problem = error
            continue
        if all(array.size for array in outputs.values()):
            return [arrays]
    raise ArgumentError(
        describe("no sizes were found to try the model on", expected="samples to check with", got=problem)
    )


def check_file(
    path: str, function: Function, inputs: Sequence[Array], feeds: Sequence[Array], close: Closeness
) -> None:
    """Run a file on `feeds`, and the NumPy meaning of the model on `inputs`; raise BackendError where they differ."""
    state = [variable.storage.read() for variable in function.updates]
    _compare(run(function, inputs)[0], _run(path, [*feeds, *state]), close)


def check_bundle(folder: Path, function: Function) -> None:
    """Run `predict.onnx` of a bundle on the state that `init.onnx` gives; raise BackendError where it differs.

    The training steps are the models that `fit` runs, and are held to it by the suite.
    """
    (inputs,) = check_batches(function)
    functions = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["functions"]
    made = _run(str(folder / "init.onnx"), [])
    state = {entry["state"]: array for entry, array in zip(functions["init"]["outputs"], made, strict=True)}
    wanted = [state[entry["state"]] for entry in functions["predict"]["inputs"] if "state" in entry]
    _compare(run(function, inputs)[0], _run(str(folder / "predict.onnx"), [*inputs, *wanted]), SINGLE)


def _run(path: str, feeds: Sequence[Array]) -> list[Array]:
    try:
        return run_model(path, feeds)
    except KgraphError as error:
        raise BackendError(
            describe("the self-check cannot run the file (check=False leaves it out)", got=error)
        ) from error


def _compare(wanted: Mapping[str, Array], found: Sequence[Array], close: Closeness) -> None:
    """Raise BackendError naming the first output that differs, and by how much."""
    for (name, expected), got in zip(wanted.items(), found, strict=False):
        if got.shape != expected.shape:
            problem = f"shape {got.shape} instead of {expected.shape}"
        elif close(expected, got):
            continue
        else:
            with np.errstate(all="ignore"):
                off = np.nanmax(np.abs(np.subtract(got, expected, dtype="float64")), initial=0.0)
            problem = f"off by up to {off:.3g} where values reach {_largest(expected):.3g}"
        raise BackendError(
            describe(f"the exported file disagrees with the model on output {name!r}", got=problem)
        )


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))


def _size_names(function: Function) -> dict[str, None]:
    """The symbols in the shapes of the inputs, in their order."""
    return dict.fromkeys(s for leaf in function.inputs for d in leaf.shape if (s := symbol_name(d)))


def _random_inputs(function: Function, scale: int) -> list[Array]:
    generator = np.random.RandomState(0)
    names = list(_size_names(function))
    sizes = {name: size * scale for name, size in zip(names, _SIZES * len(names), strict=False)}
    sizes |= {name: _SIZES[0] for name in names if name == "batch"}
    arrays = []
    for leaf in function.inputs:
        shape = evaluate_shape(leaf.shape, sizes)
        random = generator.random_sample(shape) if leaf.type.is_float else generator.randint(0, 2, shape)
        arrays.append(random.astype(leaf.dtype))
    return arrays


def _given(function: Function, samples: Any) -> list[Array]:
    names = [leaf.name for leaf in function.inputs]
    if isinstance(samples, Mapping):
        entries = [samples[name] for name in names if name in samples]
        got = ", ".join(map(str, samples))
    else:
        entries = list(samples) if isinstance(samples, list | tuple) else [samples]
        got = f"{len(entries)} arrays"
    if len(entries) != len(names):
        raise ArgumentError(describe("samples are not the inputs", expected=", ".join(names), got=got))
    arrays = [
        np.asarray(entry).astype(leaf.dtype) for entry, leaf in zip(entries, function.inputs, strict=True)
    ]
    return arrays


def _batches(function: Function, arrays: list[Array]) -> list[list[Array]]:
    """Samples in batches of the size that the function takes; too few for the last one are left out.

    Raises DataError where they do not fit the inputs.
    """
    sizes = {leaf.shape[0] for leaf in function.inputs if leaf.rank}
    counts = {len(array) for array in arrays if array.ndim}
    batch = next((size for size in sizes if isinstance(size, int)), _BATCH)
    if len(sizes) == len(counts) == 1 and (count := counts.pop()) > batch:
        starts = range(0, count - batch + 1, batch)
        chunks = [[array[i : i + batch] if array.ndim else array for array in arrays] for i in starts]
    else:
        chunks = [arrays]
    for chunk in chunks:
        bind_inputs(function, chunk)
    return chunks
