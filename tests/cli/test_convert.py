"""`kgraph convert`: every kind of model file, every option, and one line when it cannot be."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from kgraph import keras
from kgraph.keras import layers
from kgraph.plugins.onnx.summary import read_summary
from tests.cli.command import fails, pictures, run, saved, trained

CUSTOM = """
from kgraph.keras.layers import Layer
from kgraph.keras.utils import register_keras_serializable

@register_keras_serializable("house")
class Twice(Layer):
    def call(self, inputs):
        return inputs * 2.0
"""


def predictions(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: x})[0]
    return found


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".keras"])
def test_a_model_file_becomes_onnx(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    model, path = saved(tmp_path, suffix)
    done = run(capsys, "convert", path, tmp_path / "m.onnx")
    assert (done.status, done.err) == (0, "")
    assert "239" in done.out
    assert "kind: float32[batch, 3]" in done.out
    found = predictions(tmp_path / "m.onnx", pictures(3))
    np.testing.assert_allclose(found, model.predict(pictures(3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_an_architecture_and_its_weights_become_onnx(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    model, path = trained(), tmp_path / f"model.{suffix}"
    path.write_text(model.to_json() if suffix == "json" else model.to_yaml(), encoding="utf-8")
    model.save_weights(tmp_path / "weights.h5")
    out = tmp_path / "m.onnx"
    done = run(capsys, "convert", path, out, "--weights", tmp_path / "weights.h5")
    assert (done.status, done.err) == (0, "")
    np.testing.assert_allclose(
        predictions(out, pictures(3)), model.predict(pictures(3)), rtol=1e-5, atol=1e-6
    )


def test_an_architecture_without_weights_is_converted_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.json").write_text(trained().to_json(), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = run(capsys, "convert", tmp_path / "model.json", tmp_path / "m.onnx")
    assert done.status == 0
    assert done.err.startswith("kgraph: warning: ")
    assert "new ones" in done.err
    assert done.err.count("\n") == 1


def test_the_options_reach_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, path = saved(tmp_path)
    np.savez(tmp_path / "x.npz", x=pictures(2))
    options = ["--batch", 2, "--inputs-as-nchw", "--fp16", "--target-ort", "1.16", "--json"]
    done = run(capsys, "convert", path, tmp_path / "m.onnx", *options, "--samples", tmp_path / "x.npz")
    summary = json.loads(done.out)
    assert summary == json.loads(json.dumps(read_summary(tmp_path / "m.onnx").as_dict()))
    assert summary["inputs"][0]["shape"] == [2, 3, 8, 8]
    assert summary["dtypes"].keys() == {"float16"}
    assert summary["opset"] == 19
    run(capsys, "convert", path, tmp_path / "m.onnx", "--fp16-io", "--external-data", "--opset", 15)
    again = read_summary(tmp_path / "m.onnx")
    assert again.inputs[0].dtype == "float16"
    assert again.opset == 15


def test_a_training_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, path = saved(tmp_path)
    done = run(capsys, "convert", path, tmp_path / "bundle", "--training-bundle")
    assert (done.status, done.err) == (0, "")
    assert "training bundle of pictures" in done.out
    assert (tmp_path / "bundle" / "train_step.onnx").is_file()
    line = fails(capsys, "convert", path, tmp_path / "bundle", "--training-bundle", "--fp16")
    assert "--fp16" in line


def test_custom_layers_come_from_a_module_of_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "house_layers.py").write_text(CUSTOM, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("house_layers")
    model = keras.Sequential([layers.Dense(2, input_shape=(3,)), module.Twice()])
    model.save(tmp_path / "m.h5")
    keras.utils.get_custom_objects().clear()
    del sys.modules["house_layers"]
    assert "Twice" in fails(capsys, "convert", tmp_path / "m.h5", tmp_path / "m.onnx")
    done = run(capsys, "convert", tmp_path / "m.h5", tmp_path / "m.onnx", "--import", "house_layers")
    assert done.status == 0
    assert "no_such_module" in fails(
        capsys, "convert", tmp_path / "m.h5", tmp_path / "m.onnx", "--import", "no_such_module"
    )
    keras.utils.get_custom_objects().clear()


def test_classes_of_an_imported_module_need_not_be_registered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = CUSTOM.replace('@register_keras_serializable("house")', "")
    (tmp_path / "bare_layers.py").write_text(bare, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("bare_layers")
    model = keras.Sequential([layers.Dense(2, input_shape=(3,)), module.Twice()])
    for name in ("m.h5", "m.keras", "m.json"):
        path = tmp_path / name
        path.write_text(model.to_json(), encoding="utf-8") if name == "m.json" else model.save(path)
        given = ["--weights", tmp_path / "m.h5"] if name == "m.json" else []
        assert "--import" in fails(capsys, "convert", path, tmp_path / "m.onnx", *given)
        done = run(capsys, "convert", path, tmp_path / "m.onnx", "--import", "bare_layers", *given)
        assert (done.status, done.err) == (0, "")


@pytest.mark.parametrize("given", ["model.h5", "w.h5", "in.npz"])
def test_what_is_read_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str) -> None:
    model, path = saved(tmp_path)
    (tmp_path / "m.json").write_text(model.to_json(), encoding="utf-8")
    model.save_weights(tmp_path / "w.h5")
    np.savez(tmp_path / "in.npz", x=pictures(2))
    before = (tmp_path / given).read_bytes()
    others = ["--weights", tmp_path / "w.h5", "--samples", tmp_path / "in.npz"]
    read = [path] if given == "model.h5" else [tmp_path / "m.json", *others]
    line = fails(capsys, "convert", read[0], tmp_path / "." / given, *read[1:])
    assert "would replace" in line
    assert (tmp_path / given).read_bytes() == before


def test_code_in_a_file_runs_only_when_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = keras.Sequential([layers.Dense(2, input_shape=(3,)), layers.Lambda(lambda x: x * 2.0)])
    model.save(tmp_path / "m.h5")
    assert "--unsafe" in fails(capsys, "convert", tmp_path / "m.h5", tmp_path / "m.onnx")
    done = run(capsys, "convert", tmp_path / "m.h5", tmp_path / "m.onnx", "--unsafe")
    assert done.status == 0


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, path = saved(tmp_path)
    out = tmp_path / "m.onnx"
    model.save_weights(tmp_path / "w.h5")
    (tmp_path / "text.txt").write_text("no model", encoding="utf-8")
    (tmp_path / "empty.h5").write_bytes(b"")
    (tmp_path / "cut.keras").write_bytes(saved(tmp_path, ".keras")[1].read_bytes()[:5000])
    model.save_weights(tmp_path / "m.weights.h5")
    (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:5000])
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    for name, problem in {
        "nothing.h5": "No such file",
        "w.h5": "no architecture",
        "text.txt": "no Keras model",
        "empty.h5": "no Keras model",
        "m.weights.h5": "weights alone",
        "cut.h5": "cut.h5",
        "cut.keras": "cut.keras",
        "broken.json": "broken.json",
        "binary.yaml": "YAML",
    }.items():
        assert problem in fails(capsys, "convert", tmp_path / name, out)
    assert "opset" in fails(capsys, "convert", path, out, "--opset", 30)
    assert "target_ort" in fails(capsys, "convert", path, out, "--target-ort", "new")
    assert "batch" in fails(capsys, "convert", path, out, "--batch", 0)
    assert "--weights" in fails(capsys, "convert", path, out, "--weights", tmp_path / "w.h5")
    assert f"Is a directory: {tmp_path}" in fails(capsys, "convert", path, tmp_path)
    assert not out.exists()


def test_a_failed_self_check_is_one_line_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = saved(tmp_path)
    monkeypatch.setattr("kgraph.keras.selfcheck.run_model", lambda *_: [np.zeros((3, 3), "float32")])
    line = fails(capsys, "convert", path, tmp_path / "m.onnx")
    assert "disagrees with the model on output 'kind'" in line
    assert not (tmp_path / "m.onnx").exists()
    assert run(capsys, "convert", path, tmp_path / "m.onnx", "--no-check").status == 0


def test_a_wrong_call_has_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(capsys, "convert", "model.h5")
    assert stopped.value.code == 2


def test_a_traceback_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError):
        run(capsys, "--traceback", "convert", "nothing.h5", "m.onnx")
