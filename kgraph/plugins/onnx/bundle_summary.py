"""What is in a training bundle, as data and as text."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from kgraph.errors import FileError, describe
from kgraph.plugins.onnx.bundle import FORMAT
from kgraph.plugins.onnx.summary import Port, format_size


@dataclass(frozen=True)
class BundleSummary:
    """A bundle: its functions with the inputs and outputs that are no state, and the state by role."""

    path: str
    size: int
    model: str
    version: int
    inputs: dict[str, tuple[Port, ...]]
    outputs: dict[str, tuple[Port, ...]]
    state: dict[str, int]
    parameters: int

    def as_dict(self) -> dict[str, Any]:
        """As json writes it."""
        functions = {
            name: {
                "inputs": [vars(port) for port in self.inputs[name]],
                "outputs": [vars(p) for p in outputs],
            }
            for name, outputs in self.outputs.items()
        }
        plain = {key: value for key, value in vars(self).items() if key not in ("inputs", "outputs")}
        return {"kind": "bundle", **plain, "functions": functions}

    def __str__(self) -> str:
        roles = ", ".join(f"{role} {count}" for role, count in self.state.items())
        lines = [
            f"{self.path}: training bundle of {self.model}, {format_size(self.size)}",
            f"  parameters    {self.parameters:,}",
            f"  state         {sum(self.state.values())} arrays: {roles}",
        ]
        for name, outputs in self.outputs.items():
            takes = ", ".join(map(str, self.inputs[name])) or "nothing"
            gives = ", ".join(map(str, outputs)) or "state"
            lines.append(f"  {name:<13} {takes} -> {gives}")
        return "\n".join(lines)


def read_bundle(folder: str | os.PathLike[str]) -> BundleSummary:
    """The summary of a bundle, from its manifest. Raises FileNotFoundError, FileError for another manifest."""
    path = Path(folder) / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise FileError(describe("not a training bundle", expected=FORMAT, got=manifest["format"]))
        functions = manifest["functions"]
        return BundleSummary(
            path=str(folder),
            size=sum(file.stat().st_size for file in Path(folder).iterdir() if file.is_file()),
            model=str(manifest.get("model", "")),
            version=int(manifest["version"]),
            inputs={name: _ports(function["inputs"]) for name, function in functions.items()},
            outputs={name: _ports(function["outputs"]) for name, function in functions.items()},
            state=dict(Counter(str(entry["role"]) for entry in manifest["state"])),
            parameters=sum(
                prod(_shape(entry, int))
                for entry in manifest["state"]
                if entry["role"] in ("weight", "statistic")
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(
            describe(
                "the manifest of the bundle is damaged",
                got=f"{type(error).__name__}: {error}",
                where=str(path),
            )
        ) from error


def _ports(entries: list[dict[str, Any]]) -> tuple[Port, ...]:
    """Inputs or outputs that are no state."""
    return tuple(
        Port(str(e["name"]), str(e["dtype"]), _shape(e, int, str)) for e in entries if "state" not in e
    )


def _shape(entry: dict[str, Any], *kinds: type) -> tuple[Any, ...]:
    """The sizes of an input, output or state. Raises ValueError for what is none."""
    sizes = entry["shape"]
    if not isinstance(sizes, list) or not all(isinstance(size, kinds) for size in sizes):
        raise ValueError(f"{sizes!r:.200} is no shape")
    return tuple(sizes)
