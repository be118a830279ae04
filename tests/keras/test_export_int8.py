"""Files in eight bits: what they hold, which kernels run them, how near they stay to the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime import quantization

import kgraph
from kgraph import keras
from kgraph.errors import ArgumentError, BackendError, UnsupportedError
from kgraph.keras import layers
from kgraph.keras.export import exported
from kgraph.ops.activations import Relu


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    (x, y), _ = keras.datasets.digits.load_data()
    return x[..., None].astype("float32") / 16, y


@pytest.fixture(scope="module")
def trained(images: tuple[np.ndarray, np.ndarray]) -> Any:
    keras.utils.set_random_seed(0)
    stack: list[Any] = [
        layers.Conv2D(16, 3, activation="relu", input_shape=(8, 8, 1)),
        layers.BatchNormalization(),
    ]
    stack += [
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Flatten(),
    ]
    stack += [layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax", name="digit")]
    model = keras.Sequential(stack, name="digits")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*images, epochs=4, verbose=0)
    return model


def run(path: Path, x: np.ndarray, **options: str) -> np.ndarray:
    settings = onnxruntime.SessionOptions()
    for name, value in options.items():
        setattr(settings, name, value)
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("calibrated", [True, False])
def test_eight_bits_keep_the_accuracy_in_a_third_of_the_size(
    tmp_path: Path, images: tuple[np.ndarray, np.ndarray], trained: Any, calibrated: bool
) -> None:
    x, y = images
    whole = exported(trained, tmp_path / "whole.onnx")
    small = exported(trained, tmp_path / "small.onnx", int8=True, samples=x[:256] if calibrated else None)
    assert small.size < 0.4 * whole.size
    weights = sum(w.size for w in trained.get_weights() if w.ndim > 1)
    assert small.dtypes["int8"] == weights
    assert (small.inputs, small.outputs, small.opset) == (whole.inputs, whole.outputs, whole.opset)
    assert small.metadata == whole.metadata
    wanted, found = trained.predict(x, verbose=0), run(tmp_path / "small.onnx", x)
    np.testing.assert_allclose(found, wanted, atol=0.1)
    assert np.mean(found.argmax(1) == y) > np.mean(wanted.argmax(1) == y) - 0.01


def test_a_calibrated_file_runs_on_integer_kernels(
    tmp_path: Path, images: tuple[np.ndarray, np.ndarray], trained: Any
) -> None:
    x, _ = images
    exported(trained, tmp_path / "m.onnx", int8=True, samples=x[:64])
    run(tmp_path / "m.onnx", x, optimized_model_filepath=str(tmp_path / "run.onnx"))
    kinds = [node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node]
    assert kinds.count("QLinearConv") == 2
    assert "Conv" not in kinds
    assert kinds.count("QGemm") == 2
    assert "Gemm" not in kinds


@pytest.mark.parametrize("calibrated", [True, False])
def test_tables_and_dense_layers_around_a_recurrence(tmp_path: Path, calibrated: bool) -> None:
    words = np.random.RandomState(0).randint(0, 50, (64, 7))
    model = keras.Sequential([layers.Embedding(50, 16, input_length=7), layers.LSTM(8), layers.Dense(4)])
    summary = exported(model, tmp_path / "m.onnx", int8=True, samples=words if calibrated else None)
    assert sum(count for kind, count in summary.dtypes.items() if "int8" in kind) == 50 * 16 + 8 * 4
    assert summary.ops["LSTM"] == 1
    assert not any("::" in kind for kind in summary.ops), "operators of one runtime alone"
    wanted = model.predict(words, verbose=0)
    found = run(tmp_path / "m.onnx", words.astype("int32"))
    np.testing.assert_allclose(found, wanted, atol=0.05 * np.abs(wanted).max())


def test_weights_in_eight_bits_beside_the_file(tmp_path: Path, trained: Any) -> None:
    summary = exported(trained, tmp_path / "m.onnx", int8=True, external_data=True)
    assert summary.external == ("m.onnx.data",)
    assert (tmp_path / "m.onnx").stat().st_size < 0.4 * summary.size


def test_a_file_has_one_precision(tmp_path: Path, trained: Any) -> None:
    with pytest.raises(ArgumentError, match="fp16 or int8"):
        kgraph.export(trained, tmp_path / "m.onnx", int8=True, fp16=True)


def test_a_file_that_computes_something_else_is_found(tmp_path: Path, trained: Any) -> None:
    def wrong(emitter: Any, call: Any, operands: Any) -> Any:
        return emitter.node("Neg", *operands)

    with pytest.raises(BackendError, match="digit"):
        kgraph.export(trained, tmp_path / "m.onnx", int8=True, lowerings={Relu: wrong})
    assert not list(tmp_path.iterdir())


def test_what_the_tools_refuse_leaves_the_old_file(
    tmp_path: Path, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no such tensor")

    (tmp_path / "m.onnx").write_bytes(b"old")
    monkeypatch.setattr(quantization, "quantize_dynamic", fail)
    with pytest.raises(UnsupportedError, match="no such tensor"):
        kgraph.export(trained, tmp_path / "m.onnx", int8=True)
    assert (tmp_path / "m.onnx").read_bytes() == b"old"
