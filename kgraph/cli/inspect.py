"""`kgraph inspect FILE`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from kgraph.cli.files import add_model_arguments, kind_of, read_model
from kgraph.cli.report import ModelReport, OutlineReport, WeightsReport, one_line
from kgraph.errors import ArgumentError, UnsafeError, UnsupportedError
from kgraph.keras.saving import list_weights, read_outline
from kgraph.plugins.onnx.bundle_summary import read_bundle
from kgraph.plugins.onnx.summary import read_summary


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, help=".h5, .keras, .json, .yaml, .onnx or the folder of a bundle")
    add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Say what is in a file: layers, shapes, parameters, how it is trained."""
    found = _read(arguments)
    print(json.dumps(found.as_dict(), indent=1) if arguments.json else found)
    return 0


def _read(arguments: argparse.Namespace) -> Any:
    path: Path = arguments.file
    kind = kind_of(path)
    if kind == "onnx":
        return read_summary(path)
    if kind == "bundle":
        return read_bundle(path)
    if kind == "hdf5":
        weights = list_weights(path)
        if weights is not None:
            return WeightsReport(path, weights)
    try:
        return ModelReport(path, kind, read_model(path, arguments))
    except (ArgumentError, UnsupportedError, UnsafeError) as error:
        # Nothing is wrong with the file: somebody else's classes are in it, or code.
        return OutlineReport(path, kind, read_outline(path, kind, arguments.weights), one_line(error))
