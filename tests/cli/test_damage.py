"""Damaged ONNX files and bundles: a command does what it can, or says in one line what is wrong."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

import kgraph
from kgraph.keras.export import export_training
from kgraph.plugins.onnx.summary import read_summary
from tests.cli.command import fails, pictures, run, trained
from tests.keras.saving.fuzz.variants import tree_variant, variant

COUNT = 200


def one_line_or_none(capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
    done = run(capsys, *arguments)
    assert (done.status, done.err.count("\n")) in {(0, 0), (1, 1)}


def test_damaged_onnx_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, path = kgraph.export(trained(), tmp_path / "m.onnx").read_bytes(), tmp_path / "variant.onnx"
    for number in range(COUNT):
        path.write_bytes(variant(whole, random.Random(number)))
        one_line_or_none(capsys, "inspect", path, *(["--json"] if number % 2 else []))


def test_damaged_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = export_training(trained(), tmp_path / "bundle")
    whole = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for number in range(COUNT):
        text = json.dumps(tree_variant(whole, random.Random(number)))
        (folder / "manifest.json").write_text(text, encoding="utf-8")
        one_line_or_none(capsys, "inspect", folder, *(["--json"] if number % 2 else []))


@pytest.mark.parametrize("shape", [["a"], "abc", [1.5], [[2]], {"a": 1}, None, 7])
def test_a_shape_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: object) -> None:
    folder = export_training(trained(), tmp_path / "bundle")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["state"][0]["shape"] = shape
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "manifest" in fails(capsys, "inspect", folder)


def test_names_that_are_no_text_and_types_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = kgraph.export(trained(), tmp_path / "m.onnx", batch=2)
    name = read_summary(path).inputs[0].name.encode()
    data = path.read_bytes()
    path.write_bytes(data.replace(name, b"\xff" * len(name)))
    assert r"\xff\xff" in run(capsys, "inspect", path).out
    np.savez(tmp_path / "in.npz", x=pictures(2))
    fails(capsys, "run", path, "--npz", tmp_path / "in.npz", "--device", "cpu")

    import onnx

    proto = onnx.load_model_from_string(data)
    proto.graph.input[0].type.tensor_type.elem_type = 99
    path.write_bytes(proto.SerializeToString())
    assert "type 99[2, 8, 8, 3]" in run(capsys, "inspect", path).out
    fails(capsys, "run", path, "--npz", tmp_path / "in.npz", "--device", "cpu")
