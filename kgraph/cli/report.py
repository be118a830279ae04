"""What `kgraph inspect` says of Keras's files, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from kgraph.errors import NotBuiltError
from kgraph.keras.saving.dialects import KERAS3, write_training
from kgraph.keras.saving.listing import Array
from kgraph.keras.saving.outline import Outline, Part, count
from kgraph.plugins.onnx.summary import Port, format_size

_NAMES = {"hdf5": "HDF5", "keras": "archive of Keras 3", "json": "JSON", "yaml": "YAML"}


@dataclass(frozen=True)
class ModelReport:
    """A model, the file it was read from, and what kind of file that is."""

    path: Path
    kind: str
    model: Any

    def as_dict(self) -> dict[str, Any]:
        """As json writes it."""
        model = self.model
        return {
            "kind": self.kind,
            "path": str(self.path),
            "size": self.path.stat().st_size,
            "name": model.name,
            "class_name": type(model).__name__,
            "parameters": _count(model.weights),
            "trainable_parameters": _count(model.trainable_weights),
            "inputs": [vars(port) for port in _ports(model.input_names, model.inputs)],
            "outputs": [vars(port) for port in _ports(model.output_names, model.outputs)],
            "layers": [_layer(layer) for layer in model.layers],
            "training": training_of(model),
        }

    def __str__(self) -> str:
        model, lines = self.model, list[str]()
        size = format_size(self.path.stat().st_size)
        lines.append(f"{self.path}: Keras model, {_NAMES[self.kind]}, {size}")
        if model.built:
            model.summary(print_fn=lines.append)
        lines += [f"input     {port}" for port in _ports(model.input_names, model.inputs)]
        lines += [f"output    {port}" for port in _ports(model.output_names, model.outputs)]
        return "\n".join([*lines, *_training_lines(training_of(model))])


@dataclass(frozen=True)
class OutlineReport:
    """What a file says of a model that could not be made of it, and why it could not."""

    path: Path
    kind: str
    outline: Outline
    problem: str

    def as_dict(self) -> dict[str, Any]:
        """As json writes it: what `ModelReport` has, as far as the file says it, and what is only here."""
        outline = self.outline
        return {
            "kind": self.kind,
            "path": str(self.path),
            "size": self.path.stat().st_size,
            "name": outline.name,
            "class_name": outline.class_name,
            "not_built": self.problem,
            "parameters": outline.parameters,
            "layers": [_part(part) for part in outline.layers],
            "other_weights": [vars(array) for array in outline.others],
            "training": outline.training,
        }

    def __str__(self) -> str:
        outline = self.outline
        size = format_size(self.path.stat().st_size)
        lines = [
            f"{self.path}: Keras model, {_NAMES[self.kind]}, {size}",
            f"not built: {self.problem}",
            "model     " + f"{outline.name} ({outline.class_name})".lstrip(),
        ]
        lines += _columns([_row(part) for part in outline.layers])
        lines += [f"  {array}" for array in outline.others]
        if outline.parameters is not None:
            lines.append(f"{outline.parameters:,} parameters")
        return "\n".join([*lines, *_training_lines(outline.training)])


@dataclass(frozen=True)
class WeightsReport:
    """A file of weights alone."""

    path: Path
    arrays: list[Array]

    def as_dict(self) -> dict[str, Any]:
        """As json writes it."""
        return {
            "kind": "weights",
            "path": str(self.path),
            "size": self.path.stat().st_size,
            "parameters": count(self.arrays),
            "weights": [vars(array) for array in self.arrays],
        }

    def __str__(self) -> str:
        size = format_size(self.path.stat().st_size)
        return "\n".join(
            [
                f"{self.path}: weights alone, HDF5, {size}",
                *(f"  {array}" for array in self.arrays),
                f"{len(self.arrays)} arrays, {count(self.arrays):,} numbers",
            ]
        )


def training_of(model: Any) -> dict[str, Any] | None:
    """How a model is trained, as Keras 3 writes it; None when it is not compiled."""
    return write_training(model, KERAS3) if model.optimizer is not None else None


def one_line(error: BaseException) -> str:
    """The message of an exception on one line: its first line, then what was expected, what came and where."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.strerror}: {error.filename}"
    lines = [line.strip() for line in [*text.splitlines(), *getattr(error, "__notes__", ())]]
    return "; ".join(line for line in lines if line)


def _training_lines(training: Mapping[str, Any] | None) -> list[str]:
    if training is None:
        return ["training  not compiled"]
    said = {
        key.removesuffix("_config"): value for key, value in training.items() if value not in (None, [], {})
    }
    return [f"{key:<9} {_brief(value)}" for key, value in said.items()]


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "class_name": part.class_name,
        "parameters": part.parameters,
        "weights": None if part.weights is None else [vars(array) for array in part.weights],
    }


def _row(part: Part) -> tuple[str, str, str, str]:
    parameters = "" if part.parameters is None else f"{part.parameters:,}"
    return part.name, part.class_name, parameters, ", ".join(map(str, part.weights or ()))


def _columns(rows: list[tuple[str, str, str, str]]) -> list[str]:
    names, classes, numbers = (max((len(row[i]) for row in rows), default=0) for i in range(3))
    return [f"  {n:<{names}}  {c:<{classes}}  {p:>{numbers}}  {w}".rstrip() for n, c, p, w in rows]


def _layer(layer: Any) -> dict[str, Any]:
    return {
        "name": layer.name,
        "class_name": type(layer).__name__,
        "output_shape": _shape(layer),
        "parameters": _count(layer.weights) if layer.built else None,
        "trainable": bool(layer.trainable),
    }


def _shape(layer: Any) -> Any:
    try:
        return layer.output_shape
    except NotBuiltError:
        return None


def _ports(names: list[str], tensors: list[Any]) -> list[Port]:
    shapes = [tuple(d if isinstance(d, int) else str(d) for d in t.dims) for t in tensors]
    return [Port(n, t.dtype, s) for n, t, s in zip(names, tensors, shapes, strict=True)]


def _count(weights: list[Any]) -> int:
    return sum(prod(weight.shape) for weight in weights)


def _brief(value: Any) -> str:
    """Configurations on one line: Adam(learning_rate=0.001, …)."""
    if isinstance(value, dict) and "class_name" in value:
        config = value.get("config")
        inner = config if isinstance(config, dict) else {}
        return f"{value['class_name']}({', '.join(f'{k}={_brief(v)}' for k, v in inner.items() if v is not None)})"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_brief(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_brief, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
