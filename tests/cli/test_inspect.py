"""`kgraph inspect` and `kgraph run`: what is in a file, and what it computes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

import kgraph
from kgraph.keras.saving import list_weights
from tests.cli.command import fails, pictures, run, saved, trained


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_model_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    model, path = saved(tmp_path, suffix)
    text = run(capsys, "inspect", path).out
    for part in ("conv2d", "(None, 6, 6, 4)", "Total params: 239", "kind: float32[batch, 3]", "Adam"):
        assert part in text
    found = json.loads(run(capsys, "inspect", path, "--json").out)
    assert (found["parameters"], found["trainable_parameters"]) == (239, 231)
    assert [layer["name"] for layer in found["layers"]] == [layer.name for layer in model.layers]
    assert found["layers"][0]["output_shape"] == [None, 6, 6, 4]
    assert found["training"]["loss"] == "sparse_categorical_crossentropy"
    assert found["size"] == path.stat().st_size


def test_an_architecture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.json").write_text(trained().to_json(), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        found = json.loads(run(capsys, "inspect", tmp_path / "m.json", "--json").out)
    assert (found["kind"], found["training"]) == ("json", None)


@pytest.mark.parametrize("name", ["w.h5", "m.weights.h5"])
def test_weights_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    model = trained()
    model.save_weights(tmp_path / name)
    assert "weights alone" in run(capsys, "inspect", tmp_path / name).out
    found = json.loads(run(capsys, "inspect", tmp_path / name, "--json").out)
    shapes = {tuple(entry["shape"]) for entry in found["weights"]}
    assert {w.shape for w in model.weights} <= shapes


def test_weights_are_listed_as_people_count(tmp_path: Path) -> None:
    model = trained()
    model.save_weights(tmp_path / "m.weights.h5")
    names = [array.name for array in list_weights(tmp_path / "m.weights.h5") or []]
    slots = [int(name.rpartition("/")[2]) for name in names if name.startswith("optimizer/")]
    assert slots == sorted(slots)
    model.save(tmp_path / "m.h5")
    assert list_weights(tmp_path / "m.h5") is None


def test_an_onnx_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = kgraph.export(trained(), tmp_path / "m.onnx")
    text = run(capsys, "inspect", path).out
    for part in ("opset 21", "Conv 1", "kind: float32[batch, 3]", "pictures"):
        assert part in text
    found = json.loads(run(capsys, "inspect", path, "--json").out)
    assert found["nodes"] == len(onnx.load(path).graph.node)


def test_a_file_of_somebody_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Subgraphs count, sizes may be unknown, and there may be sequences."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    inner = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["z"])], "inner", [], [helper.make_tensor_value_info("z", kind, None)]
    )
    choose = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    inputs = [
        helper.make_tensor_value_info("x", kind, [None, "n"]),
        helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, []),
    ]
    graph = helper.make_graph([choose], "g", inputs, [helper.make_tensor_value_info("y", kind, None)])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    found = json.loads(run(capsys, "inspect", tmp_path / "m.onnx", "--json").out)
    assert found["ops"] == {"Neg": 2, "If": 1}
    assert found["inputs"][0]["shape"] == ["", "n"]


def test_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = kgraph.export_training(trained(), tmp_path / "bundle")
    text = run(capsys, "inspect", folder).out
    assert "training bundle of pictures" in text
    found = json.loads(run(capsys, "inspect", folder, "--json").out)
    assert found["parameters"] == 239
    assert found["functions"]["predict"]["outputs"][0]["name"] == "kind"
    (folder / "manifest.json").write_text('{"format": "kgraph-training"}', encoding="utf-8")
    assert "damaged" in fails(capsys, "inspect", folder)
    (folder / "manifest.json").write_text('{"format": "other"}', encoding="utf-8")
    assert "other" in fails(capsys, "inspect", folder)


def test_what_is_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no protobuf at all")
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name in ("x.onnx", "empty.onnx"):
        assert "not an ONNX model" in fails(capsys, "inspect", tmp_path / name)
    assert "bundle" in fails(capsys, "inspect", tmp_path)
    assert "No such file" in fails(capsys, "inspect", tmp_path / "nothing")


def test_run_prints_or_keeps_the_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = trained()
    path, data, kept = kgraph.export(model, tmp_path / "m.onnx"), tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(data, anything=pictures(2).astype("float64"))
    assert "kind: float32[2, 3]" in run(capsys, "run", path, "--npz", data, "--device", "cpu").out
    run(capsys, "run", path, "--npz", data, "--output", kept, "--device", "cpu")
    with np.load(kept) as found:
        np.testing.assert_allclose(found["kind"], model.predict(pictures(2)), rtol=1e-5, atol=1e-6)


def test_run_says_what_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = kgraph.export(trained(), tmp_path / "m.onnx")
    np.savez(tmp_path / "wrong.npz", x=pictures(2)[..., :2])
    np.savez(tmp_path / "two.npz", a=pictures(2), b=pictures(2))
    np.savez(tmp_path / "text.npz", a=np.array(["a"]))
    np.save(tmp_path / "bare.npy", pictures(2))
    for name, problem in {
        "wrong.npz": "does not fit",
        "two.npz": "not the inputs",
        "text.npz": "does not fit",
        "bare.npy": "no file of arrays",
        "m.onnx": "no file of arrays",
    }.items():
        assert problem in fails(capsys, "run", path, "--npz", tmp_path / name, "--device", "cpu")
    _, keras_file = saved(tmp_path)
    assert "no ONNX file" in fails(capsys, "run", keras_file, "--npz", tmp_path / "two.npz")
