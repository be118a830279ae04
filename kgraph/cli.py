"""The command line: `kgraph doctor`, `kgraph plugins`, `kgraph passes`."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from kgraph import config
from kgraph.compiler import final_passes, forward_passes
from kgraph.errors import KgraphError
from kgraph.plugins.builtin import default_manager
from kgraph.plugins.onnx.device import choose_device, cuda_problem

_PACKAGES = (
    "kgraph",
    "numpy",
    "onnx",
    "onnxruntime-gpu",
    "onnxruntime",
    "h5py",
    "pyyaml",
    "pluggy",
    "matplotlib",
)


def doctor() -> int:
    """Say what is installed and where graphs will run; what is missing, and how to get it."""
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in _PACKAGES:
        print(f"  {package:<16} {_version_of(package)}")
    settings = config.get()
    print(f"settings: device {settings.device!r}, backend {settings.backend!r}, strict {settings.strict}")
    problem = cuda_problem(settings.device_index)
    print(f"CUDA: {problem or 'works'}")
    print(f"graphs run on: {choose_device(settings.device, settings.strict)}")
    return 0


def plugins() -> int:
    """List the plug-ins and what each contributes; 1 when one of them is broken."""
    manager = default_manager()
    backends, ops, layers = manager.backends(), manager.ops(), manager.layers()
    for info in manager.infos():
        print(f"{info.name:<20} {info.source}" + (f"\n  problem: {info.problem}" if info.problem else ""))
    print(f"backends: {', '.join(sorted(backends))}")
    print(f"ops of plug-ins: {', '.join(sorted(op.name for op in ops)) or 'none'}")
    print(f"layers of plug-ins: {', '.join(sorted(layers)) or 'none'}")
    return int(any(info.problem for info in manager.infos()))


def list_passes() -> int:
    """List the passes in the order in which they run, with the first line of what each does."""
    backend = default_manager().backend(config.get().backend)
    stages = {"forward": forward_passes(training=True), "final": final_passes(backend, {})}
    for stage, steps in stages.items():
        print(f"{stage}:")
        for step in steps:
            print(f"  {step.name:<24} {(step.__doc__ or '').strip().splitlines()[0]}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status. An error is one clear message on standard error and status 1."""
    parser = argparse.ArgumentParser(prog="kgraph", description="A model compiler with a Keras front door.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in {"doctor": doctor, "plugins": plugins, "passes": list_passes}.items():
        text = (function.__doc__ or "").splitlines()[0]
        commands.add_parser(name, help=text, description=text).set_defaults(run=function)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run())
    except KgraphError as error:
        print(f"kgraph {chosen.command}: {error}", file=sys.stderr)
        return 1


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
