"""The command line says what is there and what is not."""

from __future__ import annotations

import pytest

from kgraph import config
from kgraph.cli import main


def test_doctor_names_versions_and_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    with config.using(device="cpu"):
        assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "onnx " in text
    assert "graphs run on: cpu" in text


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
    )


def test_an_error_is_one_message_and_status_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kgraph.plugins.onnx.device._DRIVER", "no-such-driver.so")
    with config.using(device="cuda"):
        assert main(["doctor"]) == 1
    assert "CUDA cannot be used" in capsys.readouterr().err
