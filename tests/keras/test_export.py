"""Exported files: names, sizes, opsets, checks; training bundles: the manifest holds, training goes on anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import kgraph
from kgraph import compiler, config, keras
from kgraph.errors import ArgumentError
from kgraph.keras import layers
from kgraph.keras.training.program import trace_predict

ROLES = {
    "init": (set(), {"state"}),
    "train_step": ({"data", "target", "state"}, {"loss", "metric", "state"}),
    "eval_step": ({"data", "target", "state"}, {"loss", "metric", "state"}),
    "predict": ({"data", "state"}, {"prediction"}),
}


def two_inputs() -> Any:
    a, b = layers.Input((None, 4), name="words"), layers.Input((3,), name="facts")
    h = layers.concatenate([layers.LSTM(5)(a), b])
    outputs = [layers.Dense(2, activation="softmax", name="kind")(h), layers.Dense(1, name="size")(h)]
    return keras.Model([a, b], outputs)


def dropout_model() -> Any:
    model = keras.Sequential(
        [layers.Dense(6, activation="relu", input_shape=(4,)), layers.Dropout(0.5), layers.Dense(3)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def batches(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.RandomState(0)
    return [
        (random.randn(8, 4).astype("float32"), random.randn(8, 3).astype("float32")) for _ in range(count)
    ]


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Runner:
    """A bundle, run by onnxruntime alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.state: dict[str, np.ndarray] = {}
        self.run("init")

    def run(self, name: str, **data: np.ndarray) -> dict[str, np.ndarray]:
        function = self.manifest["functions"][name]
        feeds = {
            i["name"]: self.state[i["state"]] if "state" in i else data[i["role"]] for i in function["inputs"]
        }
        values = session(self.folder / function["file"]).run(None, feeds)
        found = {}
        for output, value in zip(function["outputs"], values, strict=True):
            assert value.dtype.name == output["dtype"]
            if "state" in output:
                self.state[output["state"]] = value
            else:
                found[output["name"]] = value
        return found


def test_names_and_open_sizes_are_kept(tmp_path: Path) -> None:
    model = two_inputs()
    assert model.export(tmp_path / "m.onnx") == tmp_path / "m.onnx"
    proto = onnx.load(tmp_path / "m.onnx")
    assert [i.name for i in proto.graph.input] == ["words", "facts"]
    assert [o.name for o in proto.graph.output] == ["kind", "size"]
    sizes = [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    assert sizes[0] == "batch"
    assert isinstance(sizes[1], str)
    assert sizes[2] == 4
    assert "LSTM" in {node.op_type for node in proto.graph.node}
    runtime = session(tmp_path / "m.onnx")
    for batch, time in ((1, 2), (5, 9)):
        words, facts = np.random.randn(batch, time, 4), np.random.randn(batch, 3)
        feeds = {"words": words.astype("float32"), "facts": facts.astype("float32")}
        for found, wanted in zip(runtime.run(None, feeds), model.predict([words, facts]), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "opset", "ir"),
    [
        ({}, 21, 10),
        ({"opset": 15}, 15, 8),
        ({"target_ort": "1.16.3"}, 19, 9),
        ({"target_ort": "1.31"}, 21, 10),
    ],
)
def test_opset_is_what_was_asked_for(tmp_path: Path, arguments: dict[str, Any], opset: int, ir: int) -> None:
    model = keras.Sequential([layers.Conv1D(4, 3, activation="relu", input_shape=(8, 2)), layers.LSTM(3)])
    proto = onnx.load(kgraph.export(model, tmp_path / "m.onnx", **arguments))
    assert [(i.domain, i.version) for i in proto.opset_import] == [("", opset)]
    assert proto.ir_version == ir


@pytest.mark.parametrize(
    "arguments", [{"opset": 22}, {"opset": 9}, {"target_ort": "1.2"}, {"target_ort": "new"}]
)
def test_opsets_that_cannot_be_are_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    model = keras.Sequential([layers.Dense(1, input_shape=(2,))])
    with pytest.raises(ArgumentError, match="expected"):
        kgraph.export(model, tmp_path / "m.onnx", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    model = keras.Sequential([layers.Dense(1, input_shape=(2,))])
    path = kgraph.export(model, tmp_path / "m.onnx")
    before = path.read_bytes()

    def broken(emitter: Any, call: Any, operands: list[str]) -> str:
        return emitter.node("NoSuchOperator", *operands)

    from_ops = {type(call.op): broken for call in kgraph_calls(model)}
    with pytest.raises(NotImplementedError, match="NoSuchOperator"):
        kgraph.export(model, path, lowerings=from_ops)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def kgraph_calls(model: Any) -> list[Any]:
    """The calls of what would be exported."""
    return compiler.lower(trace_predict(model).function, "onnx", freeze=True)[0].calls()


def test_manifest_says_what_the_models_are(tmp_path: Path) -> None:
    folder = kgraph.export_training(dropout_model(), tmp_path / "bundle")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["format"], manifest["version"]) == ("kgraph-training", 1)
    known = {entry["name"]: entry for entry in manifest["state"]}
    assert {entry["role"] for entry in known.values()} == {"weight", "optimizer", "metric", "rng"}
    assert any("learning_rate" in name for name in known)
    assert any("iteration" in name for name in known)
    assert manifest["functions"].keys() == ROLES.keys()
    for name, function in manifest["functions"].items():
        model = onnx.load(folder / function["file"])
        onnx.checker.check_model(model)
        for described, real in (
            (function["inputs"], model.graph.input),
            (function["outputs"], model.graph.output),
        ):
            assert [entry["name"] for entry in described] == [value.name for value in real]
            for entry, value in zip(described, real, strict=True):
                dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
                assert entry["shape"] == dims
                if entry["role"] == "state":
                    assert entry["shape"] == known[entry["state"]]["shape"]
        roles = tuple({entry["role"] for entry in function[side]} for side in ("inputs", "outputs"))
        assert roles == ROLES[name]


def test_a_bundle_with_random_layers_trains_as_fit_does_and_resumes(tmp_path: Path) -> None:
    model = dropout_model()
    folder = kgraph.export_training(model, tmp_path / "bundle")
    whole, first = Runner(folder), Runner(folder)
    for x, y in batches(6):
        whole.run("train_step", data=x, target=y)
        model.train_on_batch(x, y, reset_metrics=False)
    for x, y in batches(6)[:3]:
        first.run("train_step", data=x, target=y)
    second = Runner(folder)
    second.state = {name: value.copy() for name, value in first.state.items()}
    for x, y in batches(6)[3:]:
        second.run("train_step", data=x, target=y)
    assert all(np.array_equal(second.state[name], value) for name, value in whole.state.items())
    for variable in model.weights:
        assert np.array_equal(whole.state[variable.path], variable.numpy()), variable.path
    x, y = batches(1)[0]
    np.testing.assert_array_equal(next(iter(whole.run("predict", data=x).values())), model.predict(x))
    model.reset_metrics()
    fresh = Runner(folder)
    reset = {e["name"] for e in fresh.manifest["state"] if e["role"] == "metric"}
    whole.state |= {name: fresh.state[name] for name in reset}
    found = whole.run("eval_step", data=x, target=y)
    wanted = dict(zip(model.metrics_names, model.evaluate(x, y, batch_size=8, verbose=0), strict=True))
    assert found["mean_loss"] == pytest.approx(wanted["loss"], rel=1e-6)
    assert found["mae"] == pytest.approx(wanted["mae"], rel=1e-6)


@pytest.mark.parametrize("width", [256, 3072])
@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_a_bundle_of_wide_layers_agrees_to_the_bit(tmp_path: Path, optimizer: str, width: int) -> None:
    """`fit` updates such weights in place, and the larger ones in tiles; files have nodes that every runtime knows."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Dense(256, activation="relu", input_shape=(width,)), layers.Dense(2)])
    model.compile(optimizer, "mse")
    runner = Runner(kgraph.export_training(model, tmp_path / "bundle"))
    random = np.random.RandomState(0)
    for _ in range(3):
        x, y = random.randn(16, width).astype("float32"), random.randn(16, 2).astype("float32")
        runner.run("train_step", data=x, target=y)
        model.train_on_batch(x, y)
    for variable in model.weights:
        assert np.array_equal(runner.state[variable.path], variable.numpy()), variable.path


@pytest.mark.parametrize(("passes", "tolerance"), [("-block_channels", 0.0), ("", 2e-5)])
def test_a_bundle_with_convolutions_agrees(tmp_path: Path, passes: str, tolerance: float) -> None:
    keras.utils.set_random_seed(0)
    stack = [layers.Conv2D(16, 3, activation="relu", input_shape=(8, 8, 3)), layers.MaxPooling2D(2)]
    stack += [layers.Conv2D(16, 2), layers.Flatten(), layers.Dense(2)]
    with config.using(passes=passes):
        model = keras.Sequential(stack)
        model.compile("sgd", "mse")
        runner = Runner(kgraph.export_training(model, tmp_path / "bundle"))
        random = np.random.RandomState(0)
        for _ in range(3):
            x, y = random.randn(4, 8, 8, 3).astype("float32"), random.randn(4, 2).astype("float32")
            runner.run("train_step", data=x, target=y)
            model.train_on_batch(x, y)
    for variable in model.weights:
        np.testing.assert_allclose(
            runner.state[variable.path], variable.numpy(), rtol=tolerance, atol=tolerance
        )


def test_a_bundle_can_take_sample_weights(tmp_path: Path) -> None:
    model = dropout_model()
    folder = kgraph.export_training(model, tmp_path / "bundle", sample_weight=True)
    runner = Runner(folder)
    (x, y), weights = batches(1)[0], np.linspace(0, 1, 8, dtype="float32")
    runner.run("train_step", data=x, target=y, sample_weight=weights)
    model.train_on_batch(x, y, sample_weight=weights)
    for variable in model.weights:
        assert np.array_equal(runner.state[variable.path], variable.numpy())


def test_a_bundle_does_not_replace_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.txt").write_text("do not delete")
    with pytest.raises(ArgumentError, match="something else"):
        kgraph.export_training(dropout_model(), tmp_path / "bundle")
    assert (tmp_path / "bundle" / "thesis.txt").read_text() == "do not delete"
    kgraph.export_training(dropout_model(), tmp_path / "other")
    kgraph.export_training(dropout_model(), tmp_path / "other")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "other"]


def test_a_bundle_needs_a_compiled_model(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="compile"):
        kgraph.export_training(keras.Sequential([layers.Dense(1, input_shape=(2,))]), tmp_path / "bundle")


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="onnx"):
        dropout_model().export(tmp_path / "m", format="tf_saved_model")
