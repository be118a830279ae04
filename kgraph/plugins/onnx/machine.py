"""What the machine has for onnxruntime: providers, GPUs, and the CUDA libraries that it looks for."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path

from kgraph.plugins.onnx.device import load_driver

_SUCCESS = 0
# The version of each library that goes with a version of CUDA; the others have the number of CUDA itself.
_VERSIONS = {"cufft": {12: "11", 13: "12"}, "curand": {12: "10", 13: "10"}}
_PACKAGES = {
    "cudart": "nvidia-cuda-runtime",
    "cublas": "nvidia-cublas",
    "cublasLt": "nvidia-cublas",
    "cufft": "nvidia-cufft",
    "curand": "nvidia-curand",
    "nvrtc": "nvidia-cuda-nvrtc",
    "cudnn": "nvidia-cudnn",
}
"""The libraries, and the package that brings each; for CUDA 12 their names end in -cu12."""


@dataclass(frozen=True)
class Library:
    """A shared library: where it was found (empty: nowhere) and the package that brings it."""

    name: str
    place: str
    package: str


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU."""

    index: int
    name: str
    memory: int


def providers() -> list[str]:
    """The execution providers that this onnxruntime is built with."""
    import onnxruntime

    return list(onnxruntime.get_available_providers())


def cuda_version() -> str:
    """The CUDA version that this onnxruntime is built for; empty when it is built without."""
    import onnxruntime

    return str(getattr(onnxruntime, "cuda_version", "") or "")


def cuda_libraries() -> list[Library]:
    """The libraries that onnxruntime's CUDA provider loads, found or not."""
    major = cuda_version().partition(".")[0]
    if not major.isdecimal():
        return []
    return [_find(library, int(major)) for library in _PACKAGES]


def _find(library: str, major: int) -> Library:
    version = "9" if library == "cudnn" else _VERSIONS.get(library, {}).get(major, str(major))
    if sys.platform == "win32":
        name = f"{library}64_{version}.dll"
    else:
        name = f"lib{library}.so.{version}"
    suffix = f"-cu{major}" if major == 12 or library == "cudnn" else ""
    return Library(name, _place(name), _PACKAGES[library] + suffix)


def _place(name: str) -> str:
    """Where a library is: in a package of NVIDIA's, or where the system looks."""
    for folder in sys.path:
        for pattern in (f"nvidia/*/lib/{name}", f"nvidia/*/bin/{name}", f"nvidia/*/bin/*/{name}"):
            for path in Path(folder or ".").glob(pattern):
                return str(path)
    try:
        ctypes.CDLL(name)
    except OSError:
        return ""
    return "on the system's path"


def gpus() -> list[Gpu]:
    """The GPUs that the NVIDIA driver shows; none without a driver."""
    driver, count = load_driver(), ctypes.c_int()
    if driver is None or driver.cuInit(0) != _SUCCESS:
        return []
    if driver.cuDeviceGetCount(ctypes.byref(count)) != _SUCCESS:
        return []
    found = []
    for index in range(count.value):
        name, memory, device = ctypes.create_string_buffer(128), ctypes.c_size_t(), ctypes.c_int()
        driver.cuDeviceGet(ctypes.byref(device), index)
        driver.cuDeviceGetName(name, len(name), device)
        driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        found.append(Gpu(index, name.value.decode(errors="replace"), memory.value))
    return found


def driver_version() -> str:
    """The newest CUDA version that the driver knows, as 13.0; empty without a driver."""
    driver, number = load_driver(), ctypes.c_int()
    if driver is None:
        return ""
    driver.cuDriverGetVersion(ctypes.byref(number))
    return f"{number.value // 1000}.{number.value % 1000 // 10}"
