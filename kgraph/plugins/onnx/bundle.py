"""Training bundles: a folder of ONNX models and a manifest that any stock onnxruntime can train with.

    init.onnx        no inputs; outputs the initial state
    train_step.onnx  data, targets and state -> loss, metrics and the next state
    eval_step.onnx   the same without learning
    predict.onnx     data and state -> predictions
    manifest.json    what the inputs and outputs of each are

The models are those that `fit` itself runs, so they arrive at the same weights, bit for bit; but where there are
convolutions `fit` may use kernels that only suit the machine it runs on (see `blocked/`), and agrees to rounding. They
may use onnxruntime's own operators (`com.microsoft`), which every onnxruntime build has.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.ir.graph import Function, Value, Variable
from kgraph.ir.op import Op
from kgraph.plugins.lowering import Lowering
from kgraph.plugins.onnx.emit import Names, Target
from kgraph.plugins.onnx.export import APART, write_model
from kgraph.plugins.onnx.lowerings import TABLE
from kgraph.plugins.onnx.model import build_model

FORMAT = "kgraph-training"
VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One function of a bundle, with the role of each input and output, in order."""

    function: Function
    input_roles: Sequence[str]
    output_roles: Sequence[str]


def write_bundle(
    folder: str | os.PathLike[str],
    entries: Mapping[str, Entry],
    lowerings: Mapping[type[Op], Lowering],
    opset: int,
    metadata: Mapping[str, Any],
    verify: Callable[[Path], None] | None = None,
) -> Path:
    """Write a bundle; the folder appears whole or not at all, and replaces an older bundle.

    `verify` is called with the folder of the draft, and may raise.
    Raises ArgumentError when the folder exists and holds something else.
    """
    target = Path(folder)
    if target.exists() and not (target / "manifest.json").exists() and any(target.iterdir()):
        raise ArgumentError(
            describe("the folder holds something else", expected="a new or empty folder", got=str(target))
        )
    variables = list(dict.fromkeys(v for entry in entries.values() for v in entry.function.variables()))
    unique = Names()
    names = {variable: unique(variable.name) for variable in variables}
    table = TABLE.override(lowerings) if lowerings else TABLE
    options = Target(opset=opset, contrib=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".kgraph-") as draft:
        inside = Path(draft) / "bundle"
        functions: dict[str, Any] = {"init": _write_init(inside, variables, names, table, options)}
        for name, entry in entries.items():
            model = build_model(entry.function, table, options, state_names=names, apart=APART)
            write_model(model, inside / f"{name}.onnx")
            functions[name] = {
                "file": f"{name}.onnx",
                "inputs": [
                    *_describe(model.inputs, entry.function.inputs, entry.input_roles),
                    *_states(model.state_inputs, names),
                ],
                "outputs": [
                    *_describe(model.outputs, list(entry.function.outputs.values()), entry.output_roles),
                    *_states(model.state_outputs, names),
                ],
            }
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            **metadata,
            "state": [{"name": names[v], **_type(v), "role": v.role} for v in variables],
            "functions": functions,
        }
        (inside / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        if verify is not None:
            verify(inside)
        _swap(inside, target)
    return target


def _write_init(
    folder: Path, variables: Sequence[Variable], names: Mapping[Variable, str], table: Any, options: Target
) -> dict[str, Any]:
    """A model without inputs whose outputs are the values that the variables have now."""
    function = Function("init", (), {names[v]: v for v in variables})
    model = build_model(
        function, table, options, frozen={v: v.storage.look() for v in variables}, apart=APART
    )
    write_model(model, folder / "init.onnx")
    outputs = zip(model.outputs, variables, strict=True)
    return {
        "file": "init.onnx",
        "inputs": [],
        "outputs": [{"name": name, **_type(v), "role": "state", "state": names[v]} for name, v in outputs],
    }


def _describe(names: Sequence[str], values: Sequence[Value], roles: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"name": name, **_type(value), "role": role}
        for name, value, role in zip(names, values, roles, strict=True)
    ]


def _states(named: Mapping[Variable, str], names: Mapping[Variable, str]) -> list[dict[str, Any]]:
    return [{"name": name, **_type(v), "role": "state", "state": names[v]} for v, name in named.items()]


def _type(value: Value) -> dict[str, Any]:
    return {"dtype": value.dtype, "shape": [d if isinstance(d, int) else str(d) for d in value.shape]}


def _swap(new: Path, target: Path) -> None:
    if target.exists():
        old = new.parent / "old"
        os.replace(target, old)
        os.replace(new, target)
        shutil.rmtree(old)
    else:
        os.replace(new, target)
