"""Models to files for other runtimes: ONNX for inference, bundles for training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kgraph import compiler
from kgraph.errors import ArgumentError, ArgumentTypeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.op import Op
from kgraph.ir.types import Array
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.whole import call_kinds, with_sublayers
from kgraph.keras.selfcheck import EIGHT_BITS, HALF, SINGLE, check_batches, check_bundle, check_file
from kgraph.keras.signature import read_signature
from kgraph.keras.training.program import Traced, trace_predict
from kgraph.passes.adapt import channels_first, fix_sizes, image_inputs, rename_inputs
from kgraph.passes.half import halve, measure
from kgraph.plugins.lowering import Lowering
from kgraph.plugins.onnx.bundle import Entry, write_bundle
from kgraph.plugins.onnx.export import APART, choose_opset, inference_model, write_model
from kgraph.plugins.onnx.quantize import quantize
from kgraph.plugins.onnx.summary import Summary

Lowerings = Mapping[type, Lowering]


def export(model: Any, path: str | os.PathLike[str], *args: Any, **options: Any) -> Path:
    """Write a model for inference as one ONNX file; the path. The arguments are those of `exported`."""
    return Path(exported(model, path, *args, **options).path)


def exported(
    model: Any,
    path: str | os.PathLike[str],
    opset: int | None = None,
    target_ort: str | None = None,
    lowerings: Lowerings | None = None,
    check: bool = True,
    *,
    batch: int | None = None,
    inputs_as_nchw: bool | Sequence[str] = False,
    fp16: bool = False,
    fp16_io: bool = False,
    int8: bool = False,
    external_data: bool | None = None,
    samples: Any = None,
    input_signature: Any = None,
) -> Summary:
    """Write a model for inference as one ONNX file, made of standard operators only; what is in it.

    Inputs and outputs keep their names; None sizes stay symbolic. The file that was there stays until the new one is
    written and found good.

    opset, target_ort  what the file may use: opset 13 to 21 (default), or what a version such as "1.16" runs
    lowerings          lowerings by op class or layer class, instead of the built-in ones; a layer is one call then
    check              run the file and compare it with the NumPy meaning of the model
    batch              the number of samples, if it is to be fixed
    inputs_as_nchw     images come with their channels first: True where that saves transposes, or their names
    fp16               weights and arithmetic in float16, except what float16 cannot hold; inputs and outputs stay
    fp16_io            inputs and outputs in float16 too
    int8               weights and products in eight bits; with `samples`, values between them too
    external_data      weights in a file beside it; by default where they are more than an ONNX file can hold (2 GB)
    samples            inputs to check with, and to find out what float16 cannot hold, or which range values have in
                       eight bits; by default random numbers to check with
    input_signature    shapes, dtypes and names of the inputs, as Keras 3 takes them

    Raises ArgumentError for an opset that cannot be written and for options that do not fit the model, BackendError
    when the check fails.
    """
    chosen = choose_opset(opset, target_ort)
    layers, rows = _by_kind(model, lowerings or {})
    model._require_graph()
    function = trace_predict(model, whole=layers).function
    signature = read_signature(function, batch, input_signature)
    function = fix_sizes(function, signature.sizes)
    half = fp16 or fp16_io
    if half and int8:
        raise ArgumentError(describe("a file has one precision", expected="fp16 or int8", got="both"))
    calibrated = int8 and samples is not None
    batches = check_batches(function, samples) if check or half or calibrated else []
    turned = _turned(function, inputs_as_nchw)
    adapted = rename_inputs(channels_first(function, turned), signature.names)
    feeds = [_as_fed(function, arrays, turned) for arrays in batches]
    lowered, rows = compiler.lower(adapted, "onnx", rows, freeze=True)
    if half:
        lowered = halve(lowered, measure(lowered, feeds), fp16_io, fp16_io)
    metadata = {"model": model.name, "model_parameters": str(model.count_params())}
    made = inference_model(lowered, chosen, rows, doc=f"{model.name}, exported by kgraph", metadata=metadata)
    if int8:
        made = quantize(made, feeds if calibrated else [], APART)
    close = HALF if half else EIGHT_BITS if int8 else SINGLE

    def verify(draft: str) -> None:
        fed = [array.astype(leaf.dtype) for leaf, array in zip(lowered.inputs, feeds[0], strict=True)]
        check_file(draft, function, batches[0], fed, close)

    return write_model(made, path, external_data, verify if check else None)


def export_training(
    model: Any,
    folder: str | os.PathLike[str],
    opset: int | None = None,
    target_ort: str | None = None,
    sample_weight: bool = False,
    check: bool = True,
) -> Path:
    """Write a compiled model as a training bundle: see `kgraph.plugins.onnx.bundle` for what is in it.

    With `sample_weight` the steps take one weight per sample and output. With `check`, its predictions are compared
    with the NumPy meaning of the model.
    Raises NotCompiledError before compile, BackendError when the check fails.
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

    def verify(draft: Path) -> None:
        check_bundle(draft, predict.function)

    return write_bundle(
        folder, entries, rows, choose_opset(opset, target_ort), metadata, verify if check else None
    )


def step_function(model: Any) -> ir.Function:
    """The training step of a compiled model, before it is lowered. Raises NotCompiledError before compile."""
    return model._prepare().step("train_step", frozenset(), {}).reported


def _input_roles(traced: Traced) -> list[str]:
    counts = {"data": traced.inputs, "target": traced.targets, "sample_weight": traced.weights}
    return [role for role, names in counts.items() for _ in names]


def _output_roles(function: ir.Function) -> list[str]:
    return ["loss" if name == "loss" else "metric" for name in function.outputs]


def _by_kind(model: Any, lowerings: Lowerings) -> tuple[Any, dict[type[Op], Lowering]]:
    """Lowerings of layers as op classes by layer class, and all lowerings by op class."""
    classes = [cls for cls in lowerings if isinstance(cls, type) and issubclass(cls, Layer)]
    strange = [cls for cls in lowerings if not (isinstance(cls, type) and issubclass(cls, Layer | Op))]
    if strange:
        raise ArgumentTypeError(
            describe("lowerings", expected="op classes and layer classes", got=repr(strange[0]))
        )
    present = {type(layer) for layer in with_sublayers(model)}
    absent = [cls.__name__ for cls in classes if cls not in present]
    if absent:
        raise ArgumentError(
            describe("the model has no such layer to lower", got=", ".join(absent), where=model.name)
        )
    kinds = call_kinds(classes)
    return kinds, {kinds.get(cls, cls): lowering for cls, lowering in lowerings.items()}


def _turned(function: ir.Function, asked: bool | Sequence[str]) -> list[str]:
    """The names of the inputs that are to come with their channels first."""
    if not asked:
        return []
    found = image_inputs(function) if asked is True else [asked] if isinstance(asked, str) else list(asked)
    if not found:
        raise ArgumentError(
            describe(
                "no input is better given with channels first",
                expected="images [N, H, W, C] that go into convolutions",
                got=", ".join(f"{leaf.name}: {leaf.type}" for leaf in function.inputs),
            )
        )
    return found


def _as_fed(function: ir.Function, arrays: Sequence[Array], turned: Sequence[str]) -> list[Array]:
    """Inputs of the model as the file takes them."""
    return [
        np.ascontiguousarray(np.moveaxis(array, -1, 1)) if leaf.name in turned else array
        for leaf, array in zip(function.inputs, arrays, strict=True)
    ]
