"""Choosing the device: CUDA when it works, the CPU otherwise, or exactly what was asked for."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, BackendError, describe

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


@dataclass(frozen=True)
class Device:
    """Where sessions run and state lives."""

    kind: str = "cpu"
    index: int = 0

    def providers(self) -> list[Any]:
        """The provider list of an onnxruntime session."""
        if self.kind == "cpu":
            return ["CPUExecutionProvider"]
        # HEURISTIC: the exhaustive search would tune again for every new shape, such as the last batch.
        cuda = {"device_id": str(self.index), "cudnn_conv_algo_search": "HEURISTIC"}
        return [("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"


def choose_device(wanted: str, strict: bool) -> Device:
    """The device for a setting: "auto", "cpu", "cuda" or "cuda:1".

    Raises ArgumentError for another text, BackendError (saying what is missing) when CUDA was asked for by name and
    cannot be had, or when `strict` forbids "auto" to settle for the CPU on a machine that has a GPU.
    """
    match = re.fullmatch(r"(auto|cpu|cuda)(?::(\d+))?", wanted)
    if match is None or (match[1] != "cuda" and match[2]):
        raise ArgumentError(
            describe("unknown device", expected="auto, cpu, cuda or cuda:N", got=repr(wanted))
        )
    if match[1] == "cpu":
        return Device()
    index = int(match[2] or 0)
    missing = cuda_problem(index)
    if not missing:
        return Device("cuda", index)
    if match[1] == "cuda" or (strict and has_driver()):
        raise BackendError(describe("CUDA cannot be used", expected=f"a working {wanted!r}", got=missing))
    return Device()


def load_driver() -> ctypes.CDLL | None:
    """The NVIDIA driver, if the machine has one."""
    try:
        return ctypes.CDLL(_DRIVER)
    except OSError:
        return None


def has_driver() -> bool:
    """Whether the machine has an NVIDIA driver at all."""
    return load_driver() is not None


@cache
def cuda_problem(index: int) -> str:
    """What keeps onnxruntime from running on this GPU, and what to do; empty when nothing does."""
    if not has_driver():
        return f"no NVIDIA driver ({_DRIVER} does not load): install the driver, or use device 'cpu'"
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this onnxruntime is built without CUDA: pip install 'onnxruntime-gpu[cuda,cudnn]'"
    onnxruntime.preload_dlls()
    try:
        active = _tiny_session(Device("cuda", index)).get_providers()
    except Exception as error:  # noqa: BLE001 - onnxruntime raises its own types, which differ between builds
        return f"onnxruntime cannot open GPU {index}: {error}"
    if "CUDAExecutionProvider" not in active:
        return (
            "onnxruntime cannot load its CUDA libraries (CUDA 13 and cuDNN 9): "
            "pip install 'onnxruntime-gpu[cuda,cudnn]'"
        )
    return ""


@cache
def convolution_block() -> int:
    """How many channels the CPU's direct convolution kernels take as one block; 0 when there are none.

    Asked of the runtime by looking where the second pixel of the first channel goes.
    """
    domain, channels = "com.microsoft.nchwc", 64
    pixels = np.arange(2 * channels, dtype="float32").reshape(1, channels, 1, 2)
    try:
        session = _tiny_session(Device(), "ReorderInput", domain, pixels.shape)
        blocked = session.run(None, {"x": pixels})[0]
    except Exception:  # noqa: BLE001 - onnxruntime raises its own types; whatever it is, the kernels cannot be used
        return 0
    return int(np.flatnonzero(blocked.reshape(-1) == 1)[0])


def _tiny_session(device: Device, op_type: str = "Neg", domain: str = "", shape: Sequence[int] = (1,)) -> Any:
    import onnxruntime
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        [helper.make_node(op_type, ["x"], ["y"], domain=domain)], "probe", [info], [out]
    )
    opsets = [helper.make_opsetid("", 17)]
    opsets += [helper.make_opsetid(domain, 1)] if domain else []
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry(
        "session.set_denormal_as_zero", "1"
    )  # as in session.py: the first decides
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=device.providers())
