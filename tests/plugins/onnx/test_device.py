"""The choice of a device, with and without what CUDA needs, on any machine."""

from __future__ import annotations

import onnxruntime
import pytest

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.errors import ArgumentError, BackendError
from kgraph.ir.graph import Function, Input
from kgraph.ir.types import TensorType
from kgraph.ops.elementwise import neg
from kgraph.plugins.onnx import device
from kgraph.plugins.onnx.device import Device, choose_device, cuda_problem


@pytest.fixture
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with (driver, what is wrong with CUDA)."""
    driver, problem = request.param
    monkeypatch.setattr(device, "has_driver", lambda: driver)
    monkeypatch.setattr(device, "cuda_problem", lambda index: problem)


without_gpu = pytest.mark.parametrize("machine", [(False, "no driver")], indirect=True)
broken_gpu = pytest.mark.parametrize("machine", [(True, "no libraries")], indirect=True)
good_gpu = pytest.mark.parametrize("machine", [(True, "")], indirect=True)
strictness = pytest.mark.parametrize("strict", [False, True])


@without_gpu
@strictness
def test_auto_takes_the_cpu_where_there_is_no_gpu(machine: None, strict: bool) -> None:
    assert choose_device("auto", strict) == Device("cpu")


@without_gpu
@strictness
def test_cuda_by_name_says_what_is_missing(machine: None, strict: bool) -> None:
    with pytest.raises(BackendError, match="no driver") as caught:
        choose_device("cuda", strict)
    assert "a working 'cuda'" in str(caught.value)


@broken_gpu
def test_auto_settles_for_the_cpu_unless_strict(machine: None) -> None:
    assert choose_device("auto", strict=False) == Device("cpu")
    with pytest.raises(BackendError, match="no libraries"):
        choose_device("auto", strict=True)


@good_gpu
@strictness
def test_a_gpu_is_taken(machine: None, strict: bool) -> None:
    assert choose_device("auto", strict) == choose_device("cuda", strict) == Device("cuda", 0)
    assert choose_device("cuda:1", strict) == Device("cuda", 1)
    assert choose_device("cpu", strict) == Device("cpu")


@pytest.mark.parametrize("text", ["gpu", "cpu:1", "auto:0", "cuda:", "cuda:x", "", "CUDA"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="auto, cpu, cuda or cuda:N"):
        choose_device(text, strict=False)


def test_providers_fall_back_to_the_cpu_and_tune_once() -> None:
    assert Device().providers() == ["CPUExecutionProvider"]
    (name, options), last = Device("cuda", 2).providers()
    assert (name, last) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options["device_id"] == "2"
    assert options["cudnn_conv_algo_search"] == "HEURISTIC"
    assert [str(Device()), str(Device("cuda", 2))] == ["cpu", "cuda:2"]


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_DRIVER", "libnothing_of_this_name.so")
    assert not device.has_driver()
    assert "libnothing_of_this_name.so does not load" in cuda_problem.__wrapped__(0)


def test_a_runtime_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "has_driver", lambda: True)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in cuda_problem.__wrapped__(0)


class Session:
    """Of a runtime whose CUDA libraries did not load: it quietly runs on the CPU."""

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_libraries_that_do_not_load_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(device, "has_driver", lambda: True)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(device, "_tiny_session", lambda chosen: Session())
    assert "cannot load its CUDA libraries" in cuda_problem.__wrapped__(0)

    def refuse(chosen: Device) -> None:
        raise RuntimeError("invalid device ordinal")

    monkeypatch.setattr(device, "_tiny_session", refuse)
    assert "cannot open GPU 7: invalid device ordinal" in cuda_problem.__wrapped__(7)


def test_the_probe_runs_on_the_cpu() -> None:
    assert device._tiny_session(Device()).get_providers() == ["CPUExecutionProvider"]


@without_gpu
def test_compiling_for_cuda_says_what_is_missing(machine: None) -> None:
    x = Input("x", TensorType("float32", (2,)))
    with config.using(device="cuda"), pytest.raises(BackendError, match="CUDA cannot be used"):
        compile_program([Function("f", (x,), {"y": neg(x)})])


def test_the_reference_backend_has_the_cpu_only() -> None:
    x = Input("x", TensorType("float32", (2,)))
    with config.using(backend="reference", device="cuda", strict=True), pytest.raises(BackendError):
        compile_program([Function("f", (x,), {"y": neg(x)})])
