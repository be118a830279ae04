"""`kgraph passes`, and `kgraph passes model.h5`: what each did to that model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kgraph import compiler, config
from kgraph.cli.files import add_model_arguments, read_model
from kgraph.errors import ArgumentError, describe
from kgraph.ir.graph import Function
from kgraph.ir.printer import format_function
from kgraph.keras.export import step_function
from kgraph.keras.training.program import trace_predict
from kgraph.passes.base import Pass, registry
from kgraph.passes.pipeline import Observer
from kgraph.plugins.builtin import default_manager


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, nargs="?", help="a Keras model: say what each pass does to it")
    add_model_arguments(parser)
    parser.add_argument("--training", action="store_true", help="its training step, not its predictions")
    parser.add_argument("--show", metavar="PASS", help="print the graph before and after this pass")
    parser.add_argument(
        "--dump", type=Path, metavar="FOLDER", help="write the graph before and after each pass"
    )


def run(arguments: argparse.Namespace) -> int:
    """List the passes in the order in which they run, or what each of them did to a model."""
    if arguments.model is None:
        return _list()
    if arguments.show is not None and arguments.show not in registry():
        raise ArgumentError(
            describe("no such pass", expected=", ".join(sorted(registry())), got=arguments.show)
        )
    model = read_model(arguments.model, arguments, compile=arguments.training)
    watcher = _Watcher(measure=True, dump=arguments.dump, wanted=arguments.show or "")
    with compiler.observed(watcher):
        if arguments.training:
            compiler.lower(step_function(model), "onnx")
        else:
            compiler.lower(trace_predict(model._require_graph()).function, "onnx", freeze=True)
    print(watcher.table())
    total = sum(record.seconds for record in watcher.records)
    first, last = watcher.records[0], watcher.records[-1]
    print(f"{first.calls_before} calls became {last.calls_after} in {total * 1e3:.0f} ms")
    return 0


@dataclass
class _Watcher(Observer):
    """An observer that prints the function around each run of the pass `wanted` that changed something."""

    wanted: str = ""
    _text: str = ""

    def write(self, function: Function, label: str) -> None:
        super().write(function, label)
        if not self.wanted:
            return
        before, self._text = self._text, format_function(function)
        if label == self.wanted:
            print(f"-- before {label}\n{before}\n\n-- after {label}\n{self._text}\n")


def _list() -> int:
    backend = default_manager().backend(config.get().backend)
    stages: dict[str, Sequence[Pass | type[Pass]]] = {
        "forward": compiler.forward_passes(training=True),
        "final": compiler.final_passes(backend, {}),
    }
    listed = {step.name for steps in stages.values() for step in steps}
    # Weights that rest, the processor, and the size of a batch each bring passes of their own.
    stages["where they help"] = [step for name, step in registry().items() if name not in listed]
    for stage, steps in stages.items():
        print(f"{stage}:")
        for step in steps:
            first, *_ = (step.__doc__ or "").strip().splitlines() or [""]
            print(f"  {step.name:<24} {first}")
    return 0
