"""`kgraph run model.onnx --npz in.npz`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from kgraph import config
from kgraph.cli.files import kind_of, read_arrays
from kgraph.errors import FileError, describe
from kgraph.ir.types import Array
from kgraph.plugins.onnx.check import run_by_name
from kgraph.plugins.onnx.device import choose_device


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, help="an ONNX file")
    parser.add_argument("--npz", type=Path, required=True, help="the inputs, as arrays of these names")
    parser.add_argument("--output", type=Path, metavar="NPZ", help="write the outputs here")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N; by default what KGRAPH_DEVICE says")


def run(arguments: argparse.Namespace) -> int:
    """Run an ONNX file on arrays, and print or keep what comes out."""
    kind = kind_of(arguments.model)
    if kind != "onnx":
        raise FileError(
            describe("this is no ONNX file", expected=".onnx", got=kind, where=str(arguments.model))
        )
    arrays = read_arrays(arguments.npz)
    settings = config.get()
    device = choose_device(arguments.device or settings.device, settings.strict)
    start = time.perf_counter()
    outputs = run_by_name(str(arguments.model), arrays, device)
    seconds = time.perf_counter() - start
    for name, array in outputs.items():
        print(f"{name}: {array.dtype}{list(array.shape)}{_range(array)}")
        if arguments.output is None:
            print(np.array2string(array, threshold=60, edgeitems=2, prefix="  "))
    if arguments.output is not None:
        with arguments.output.open("wb") as file:
            np.savez(file, **outputs)  # type: ignore[arg-type]  # numpy's stubs: names could be allow_pickle
    print(f"loaded and run on {device} in {seconds:.3f} s")
    return 0


def _range(array: Array) -> str:
    if not array.size or array.dtype.kind not in "fiu":
        return ""
    return f", from {array.min():.6g} to {array.max():.6g}, mean {array.mean(dtype='float64'):.6g}"
