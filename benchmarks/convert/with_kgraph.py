"""kgraph as a converter: as `kgraph convert` does it, with the check of the file it has written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.convert.zoo import Specimen, scatter
from kgraph import export, keras
from kgraph.keras.models import load_model


def load(source: Path) -> Any:
    """The model of a file."""
    return load_model(source, compile=False)


def convert(model: Any, target: Path) -> None:
    """Writes the ONNX file."""
    export(model, target)


def make(specimen: Specimen, targets: Iterable[Path]) -> None:
    """Writes the model that is to be converted."""
    model = scatter(specimen.build(keras))
    for target in targets:
        model.save(target)
