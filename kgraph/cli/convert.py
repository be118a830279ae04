"""`kgraph convert model.h5 model.onnx`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from kgraph.cli.files import add_model_arguments, read_arrays, read_model
from kgraph.errors import ArgumentError, describe
from kgraph.keras.export import export_training, exported
from kgraph.plugins.onnx.bundle_summary import read_bundle

# What only an ONNX file for inference can be asked for, by the name of the argument.
_INFERENCE_ONLY = ("batch", "inputs_as_nchw", "fp16", "fp16_io", "int8", "external_data", "samples")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, help=".h5, .keras, .json or .yaml")
    parser.add_argument("output", type=Path, help="the ONNX file, or the folder of the training bundle")
    add_model_arguments(parser)
    parser.add_argument("--opset", type=int, help="the ONNX opset to write, 13 to 21")
    parser.add_argument(
        "--target-ort", metavar="VERSION", help="what onnxruntime of this version runs, as 1.16"
    )
    parser.add_argument("--batch", type=int, metavar="N", help="fix the number of samples")
    parser.add_argument("--inputs-as-nchw", action="store_true", help="take images with their channels first")
    parser.add_argument(
        "--fp16", action="store_true", help="weights and arithmetic in float16 where it is sane"
    )
    parser.add_argument("--fp16-io", action="store_true", help="inputs and outputs in float16 as well")
    parser.add_argument(
        "--int8",
        action="store_true",
        help="weights and products in eight bits; with --samples, values between them too",
    )
    parser.add_argument(
        "--external-data",
        action="store_true",
        help="weights in a file of their own (above 2 GB they always are)",
    )
    parser.add_argument("--samples", type=Path, metavar="NPZ", help="inputs to check and calibrate with")
    parser.add_argument(
        "--training-bundle",
        action="store_true",
        help="write what trains, for a compiled model; output is a folder",
    )
    parser.add_argument("--no-check", action="store_true", help="do not compare the file with the model")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Turn a Keras model into an ONNX file, or into a training bundle, and check that it computes the same."""
    _refuse_same_file(arguments)
    summary = _bundle(arguments) if arguments.training_bundle else _inference(arguments)
    print(json.dumps(summary.as_dict(), indent=1) if arguments.json else summary)
    return 0


def _refuse_same_file(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    for read in (arguments.model, arguments.weights, arguments.samples):
        if read is not None and read.exists() and output.exists() and output.samefile(read):
            raise ArgumentError(
                describe("the output would replace what is read", expected="another name", got=str(output))
            )


def _inference(arguments: argparse.Namespace) -> Any:
    model = read_model(arguments.model, arguments, compile=False)
    samples: Any = None
    if arguments.samples is not None:
        arrays = read_arrays(arguments.samples)
        samples = list(arrays.values()) if len(arrays) == 1 else arrays
    return exported(
        model,
        arguments.output,
        arguments.opset,
        arguments.target_ort,
        check=not arguments.no_check,
        batch=arguments.batch,
        inputs_as_nchw=arguments.inputs_as_nchw,
        fp16=arguments.fp16,
        fp16_io=arguments.fp16_io,
        int8=arguments.int8,
        external_data=arguments.external_data or None,
        samples=samples,
    )


def _bundle(arguments: argparse.Namespace) -> Any:
    asked = [name for name in _INFERENCE_ONLY if getattr(arguments, name)]
    if asked:
        raise ArgumentError(
            describe("a training bundle has no such option", got="--" + asked[0].replace("_", "-"))
        )
    model = read_model(arguments.model, arguments)
    folder = export_training(
        model, arguments.output, arguments.opset, arguments.target_ort, check=not arguments.no_check
    )
    return read_bundle(folder)
