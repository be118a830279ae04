"""Models to files for other runtimes: ONNX for inference, bundles for training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kgraph import compiler
from kgraph.errors import BackendError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import evaluate_shape, symbol_name
from kgraph.ir.interpret import run
from kgraph.keras.training.program import Traced, trace_predict
from kgraph.plugins.onnx.bundle import Entry, write_bundle
from kgraph.plugins.onnx.check import run_model
from kgraph.plugins.onnx.export import choose_opset, inference_model, write_model

# Sizes given to symbolic dimensions by the self-check: distinct, so that a mix-up of axes shows.
_CHECK_SIZES = (3, 7, 5, 11, 13)


def export(
    model: Any,
    path: str | os.PathLike[str],
    opset: int | None = None,
    target_ort: str | None = None,
    lowerings: Any = None,
    check: bool = True,
) -> Path:
    """Write a model for inference as one ONNX file, made of standard operators only.

    Inputs and outputs keep their names; None sizes stay symbolic. `opset` (default 21) or `target_ort`, a
    version such as "1.16", choose what the file may use. `lowerings` maps op classes to lowerings that replace
    the built-in ones. With `check`, the file is run and compared with the NumPy meaning of the model. Raises
    ArgumentError for an opset that cannot be written, BackendError when the check fails.
    """
    chosen = choose_opset(opset, target_ort)
    traced = trace_predict(model)
    function, rows = compiler.lower(traced.function, "onnx", lowerings, freeze=True)
    metadata = {"producer": "kgraph", "model": model.name, "parameters": str(model.count_params())}
    made = inference_model(function, chosen, rows, doc=f"{model.name}, exported by kgraph", metadata=metadata)
    write_model(made.proto, path)
    if check:
        _check(traced.function, str(path))
    return Path(path)


def export_training(
    model: Any,
    folder: str | os.PathLike[str],
    opset: int | None = None,
    target_ort: str | None = None,
    sample_weight: bool = False,
) -> Path:
    """Write a compiled model as a training bundle: see `kgraph.plugins.onnx.bundle` for what is in it.

    With `sample_weight` the steps take one weight per sample and output.
    Raises NotCompiledError before compile.
    """
    training = model._prepare()
    weighted = frozenset(o.name for o in training.trained) if sample_weight else frozenset()
    predict = trace_predict(model, training.rng)
    entries: dict[str, Entry] = {}
    rows: Any = {}
    for name in ("train_step", "eval_step"):
        traced = training.step(name, weighted, {})
        function, rows = compiler.lower(traced.reported, "onnx")
        entries[name] = Entry(function, _input_roles(traced), _output_roles(function))
    function, rows = compiler.lower(predict.function, "onnx")
    entries["predict"] = Entry(function, _input_roles(predict), ["prediction"] * len(function.outputs))
    metadata = {"model": model.name, "producer": "kgraph"}
    return write_bundle(folder, entries, rows, choose_opset(opset, target_ort), metadata)


def _input_roles(traced: Traced) -> list[str]:
    counts = {"data": traced.inputs, "target": traced.targets, "sample_weight": traced.weights}
    return [role for role, names in counts.items() for _ in names]


def _output_roles(function: ir.Function) -> list[str]:
    return ["loss" if name == "loss" else "metric" for name in function.outputs]


def _check(function: ir.Function, path: str) -> None:
    """Run the file on random inputs and compare. Raises BackendError naming the output that differs."""
    generator = np.random.RandomState(0)
    names = list(dict.fromkeys(s for leaf in function.inputs for d in leaf.shape if (s := symbol_name(d))))
    env = dict(zip(names, _CHECK_SIZES * len(names), strict=False))
    arrays = []
    for leaf in function.inputs:
        shape = evaluate_shape(leaf.shape, env)
        random = generator.random_sample(shape) if leaf.type.is_float else generator.randint(0, 2, shape)
        arrays.append(random.astype(leaf.dtype))
    state = {v: v.storage.read() for v in function.updates}
    wanted, _ = run(function, arrays)
    found = run_model(path, arrays, list(state.values()))
    for (name, expected), got in zip(wanted.items(), found, strict=False):
        scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
        if got.shape != expected.shape or not np.allclose(
            got, expected, rtol=1e-3, atol=1e-4 * scale, equal_nan=True
        ):
            raise BackendError(
                describe(
                    f"the exported file disagrees with the model on output {name!r}",
                    expected=expected,
                    got=got,
                )
            )
