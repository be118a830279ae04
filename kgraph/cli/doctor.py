"""`kgraph doctor`."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

from kgraph import config
from kgraph.plugins.onnx.device import choose_device, cuda_problem
from kgraph.plugins.onnx.machine import cuda_libraries, cuda_version, driver_version, gpus, providers
from kgraph.plugins.onnx.summary import format_size

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
    "tensorboard",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """There are no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Say what is installed and where graphs will run; what is missing, and how to get it."""
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in _PACKAGES:
        print(f"  {package:<16} {_version_of(package)}")
    settings = config.get()
    print(f"settings: device {settings.device!r}, backend {settings.backend!r}, strict {settings.strict}")
    print(f"providers: {', '.join(providers())}")
    problem = _cuda(settings.device_index)
    print(f"CUDA: {problem or 'works'}")
    print(f"graphs run on: {choose_device(settings.device, settings.strict)}")
    return 0


def _cuda(index: int) -> str:
    """Print what there is of CUDA; what keeps it from working, and what to install."""
    driver = driver_version()
    print(f"NVIDIA driver: {f'for CUDA up to {driver}' if driver else 'none'}")
    for gpu in gpus():
        print(f"  GPU {gpu.index}: {gpu.name}, {format_size(gpu.memory)}")
    libraries = cuda_libraries()
    if libraries:
        print(f"libraries that onnxruntime needs for CUDA {cuda_version()}:")
    for library in libraries:
        print(f"  {library.name:<18} {library.place or f'missing: pip install {library.package}'}")
    problem, wanted = cuda_problem(index), cuda_version()
    if problem and driver and wanted and _numbers(driver) < _numbers(wanted):
        return f"the driver is too old: install one for CUDA {wanted.partition('.')[0]} or newer ({problem})"
    return problem


def _numbers(text: str) -> list[int]:
    """A version as numbers; the driver of a major version of CUDA serves all of its minor ones."""
    return [int(part) for part in text.split(".")[:1] if part.isdecimal()]


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
