"""The command line says what is there and what is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kgraph import config
from kgraph.cli import main
from kgraph.cli.report import one_line
from kgraph.errors import ArgumentError, describe
from kgraph.passes.base import registry
from kgraph.plugins.onnx import machine
from tests.cli.command import fails, run, saved
from tests.house.layout import ROOT


def test_doctor_names_versions_providers_and_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    with config.using(device="cpu"):
        assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for part in ("onnx ", "providers: ", "CPUExecutionProvider", "NVIDIA driver: ", "graphs run on: cpu"):
        assert part in text


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("12.8", {"libcublas.so.12": "nvidia-cublas-cu12", "libcudnn.so.9": "nvidia-cudnn-cu12"}),
        ("13.0", {"libcufft.so.12": "nvidia-cufft", "libcudnn.so.9": "nvidia-cudnn-cu13"}),
    ],
)
def test_each_missing_library_comes_with_its_package(
    monkeypatch: pytest.MonkeyPatch, version: str, names: dict[str, str]
) -> None:
    monkeypatch.setattr(machine, "cuda_version", lambda: version)
    monkeypatch.setattr(machine.sys, "platform", "linux")
    found = {library.name: library.package for library in machine.cuda_libraries()}
    assert names.items() <= found.items()


def test_libraries_are_found_in_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia" / "cublas" / "lib").mkdir(parents=True)
    (tmp_path / "nvidia" / "cublas" / "lib" / "libcublas.so.12").touch()
    monkeypatch.setattr(machine, "cuda_version", lambda: "12.8")
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.syspath_prepend(tmp_path)
    places = {library.name: library.place for library in machine.cuda_libraries()}
    assert places["libcublas.so.12"] == str(tmp_path / "nvidia" / "cublas" / "lib" / "libcublas.so.12")


def test_a_runtime_without_cuda_needs_no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cuda_version", lambda: "")
    assert machine.cuda_libraries() == []


def test_plugins_lists_the_built_in_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    assert "backends: onnx, reference" in capsys.readouterr().out


def test_passes_lists_the_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["passes"]) == 0
    text = capsys.readouterr().out
    assert (
        text.index("forward:")
        < text.index("specialise_phase")
        < text.index("final:")
        < text.index("decompose")
        < text.index("where they help:")
        < text.index("tile_images")
    )
    assert all(f"  {name} " in text for name in registry()), "each can be switched off, so each is listed"


def test_passes_says_what_each_did_to_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, path = saved(tmp_path)
    text = run(capsys, "passes", path, "--show", "layout", "--dump", tmp_path / "dump").out
    before, after = text.index("-- before layout"), text.index("-- after layout")
    table = text.index("function       pass")
    assert before < after < table
    assert text[before:after].count("transpose(") > text[after:table].count("transpose(")
    assert "calls became" in text
    assert list((tmp_path / "dump").glob("*.layout.txt"))
    assert "train_step" in run(capsys, "passes", path, "--training").out
    assert "no such pass" in fails(capsys, "passes", path, "--show", "nothing")


def test_an_error_is_one_message_and_status_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kgraph.plugins.onnx.device._DRIVER", "no-such-driver.so")
    with config.using(device="cuda"):
        assert main(["doctor"]) == 1
    assert "CUDA cannot be used" in capsys.readouterr().err


def test_an_exception_becomes_one_line() -> None:
    error = ArgumentError(describe("bad thing", expected="a good one", got="this", where="there"))
    error.add_note("in layer x")
    assert one_line(error) == "bad thing; expected: a good one; got: this; in there; in layer x"
    assert one_line(MemoryError()) == "MemoryError"
    assert one_line(FileNotFoundError(2, "No such file", "m.h5")) == "No such file: m.h5"


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kgraph", "inspect", "nothing.h5"]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "kgraph inspect: No such file or directory: nothing.h5\n"


def test_the_package_runs_as_a_module() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "kgraph", "plugins"], capture_output=True, text=True, check=True
    )
    assert "backends: " in made.stdout
