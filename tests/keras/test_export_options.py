"""What export can be asked for: sizes, layouts, half precision, data beside the file, lowerings of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import kgraph
from kgraph import keras
from kgraph.errors import ArgumentError, BackendError
from kgraph.keras import backend as K
from kgraph.keras import layers
from kgraph.keras.export import exported
from kgraph.ops.activations import Relu
from kgraph.plugins.onnx import export as writing


def images() -> Any:
    stack = [layers.Conv2D(8, 3, activation="relu", input_shape=(8, 8, 3)), layers.BatchNormalization()]
    stack += [layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3, activation="softmax", name="kind")]
    return keras.Sequential(stack)


def dense() -> Any:
    model = keras.Sequential([layers.Dense(64, activation="relu", input_shape=(32,)), layers.Dense(4)])
    random = np.random.RandomState(0)
    model.set_weights([random.randn(*w.shape) for w in model.get_weights()])
    return model


def run(path: Path, *arrays: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [leaf.name for leaf in session.get_inputs()]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def pictures(count: int) -> np.ndarray:
    return np.random.RandomState(0).rand(count, 8, 8, 3).astype("float32")


def test_a_summary_says_what_was_written(tmp_path: Path) -> None:
    model = dense()
    summary = exported(model, tmp_path / "m.onnx")
    assert summary.parameters == model.count_params()
    assert summary.ops["Relu"] == 1
    assert summary.nodes == sum(summary.ops.values())
    assert [str(port) for port in summary.inputs] == [f"{model.input_names[0]}: float32[batch, 32]"]
    assert [port.shape for port in summary.outputs] == [("batch", 4)]
    assert summary.size == (tmp_path / "m.onnx").stat().st_size
    assert summary.metadata["model_parameters"] == str(model.count_params())
    assert "2,372" in str(summary)


def test_a_fixed_batch_leaves_no_open_size(tmp_path: Path) -> None:
    model = images()
    summary = exported(model, tmp_path / "m.onnx", batch=2)
    assert [port.shape for port in (*summary.inputs, *summary.outputs)] == [(2, 8, 8, 3), (2, 3)]
    np.testing.assert_allclose(
        run(tmp_path / "m.onnx", pictures(2))[0], model.predict(pictures(2)), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("batch", [0, -1, 2.0, True])
def test_a_batch_is_a_number_of_samples(tmp_path: Path, batch: Any) -> None:
    with pytest.raises(ArgumentError, match="batch"):
        kgraph.export(dense(), tmp_path / "m.onnx", batch=batch)


def test_a_batch_that_the_model_does_not_take_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([layers.Dense(2, batch_input_shape=(4, 3))])
    with pytest.raises(ArgumentError, match="size"):
        kgraph.export(model, tmp_path / "m.onnx", batch=2)
    assert exported(model, tmp_path / "m.onnx", batch=4).inputs[0].shape == (4, 3)


@pytest.mark.parametrize("asked", [True, ["image"], "image"])
def test_images_with_their_channels_first_need_no_transpose(tmp_path: Path, asked: Any) -> None:
    image, number = layers.Input((8, 8, 3), name="image"), layers.Input((2,), name="number")
    trunk = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    model = keras.Model([image, number], layers.Dense(2)(layers.concatenate([trunk, number])))
    summary = exported(model, tmp_path / "m.onnx", inputs_as_nchw=asked)
    assert summary.inputs[0].shape == ("batch", 3, 8, 8)
    assert "Transpose" not in summary.ops
    x, n = pictures(3), np.ones((3, 2), "float32")
    found = run(tmp_path / "m.onnx", x.transpose(0, 3, 1, 2), n)[0]
    np.testing.assert_allclose(found, model.predict([x, n]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("asked", [True, ["other"]])
def test_channels_first_is_refused_where_there_are_none(tmp_path: Path, asked: Any) -> None:
    with pytest.raises(ArgumentError, match="channels first"):
        kgraph.export(dense(), tmp_path / "m.onnx", inputs_as_nchw=asked)


def test_half_precision_halves_the_file_and_keeps_the_ends(tmp_path: Path) -> None:
    model = images()
    whole, half = (exported(model, tmp_path / f"{name}.onnx", fp16=name == "half") for name in ("w", "half"))
    assert half.dtypes == {"float16": whole.parameters}
    assert [port.dtype for port in (*half.inputs, *half.outputs)] == ["float32", "float32"]
    found = run(tmp_path / "half.onnx", pictures(3))[0]
    np.testing.assert_allclose(found, model.predict(pictures(3)), atol=5e-3)


def test_half_precision_at_the_ends_when_asked_for(tmp_path: Path) -> None:
    summary = exported(images(), tmp_path / "m.onnx", fp16_io=True)
    assert [port.dtype for port in (*summary.inputs, *summary.outputs)] == ["float16", "float16"]
    assert run(tmp_path / "m.onnx", pictures(2).astype("float16"))[0].dtype == "float16"


def test_what_overflows_on_the_samples_stays_in_single_precision(tmp_path: Path) -> None:
    model = keras.Sequential([layers.Dense(64, activation="tanh", input_shape=(32,)), layers.Dense(4)])
    model.layers[0].set_weights([w * 1000 for w in model.layers[0].get_weights()])
    x = np.full((2, 32), 300, "float32")
    x[:, ::2] = -100
    summary = exported(model, tmp_path / "m.onnx", fp16=True, samples=x)
    assert summary.dtypes.keys() == {"float16", "float32"}
    np.testing.assert_allclose(run(tmp_path / "m.onnx", x)[0], model.predict(x), rtol=1e-2)


def test_all_samples_are_looked_at_whatever_the_batch(tmp_path: Path) -> None:
    model = keras.Sequential([layers.Dense(64, activation="tanh", input_shape=(32,)), layers.Dense(4)])
    x = np.ones((70, 32), "float32")
    x[40] = 60000  # only one of them is large
    for batch in (None, 1, 4):
        summary = exported(model, tmp_path / "m.onnx", fp16=True, batch=batch, samples=x, check=batch != 4)
        assert summary.dtypes.keys() == {"float16", "float32"}
    with pytest.raises(ValueError, match="does not fit"):
        kgraph.export(model, tmp_path / "m.onnx", samples=x[:, :3])


def test_large_weights_lie_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_LARGEST_MESSAGE", 4096)
    model = dense()
    summary = exported(model, tmp_path / "m.onnx")
    assert summary.external == ("m.onnx.data",)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    assert summary.size == sum(p.stat().st_size for p in tmp_path.iterdir())
    assert (tmp_path / "m.onnx").stat().st_size < 4096 < (tmp_path / "m.onnx.data").stat().st_size
    x = np.random.rand(3, 32).astype("float32")
    np.testing.assert_allclose(run(tmp_path / "m.onnx", x)[0], model.predict(x), rtol=1e-5, atol=1e-6)


def test_the_old_model_keeps_its_data_until_the_new_one_is_there(tmp_path: Path) -> None:
    old, new, path = dense(), dense(), tmp_path / "m.onnx"
    x = np.random.rand(3, 32).astype("float32")
    kgraph.export(old, path, external_data=True)

    def broken(emitter: Any, call: Any, operands: list[str]) -> str:
        return emitter.node("Neg", *operands)

    with pytest.raises(BackendError, match="disagrees"):
        kgraph.export(new, path, external_data=True, lowerings={Relu: broken})
    np.testing.assert_allclose(run(path, x)[0], old.predict(x), rtol=1e-5, atol=1e-6)
    for external, files in (
        (True, ["m.onnx", "m.onnx.1.data"]),
        (True, ["m.onnx", "m.onnx.data"]),
        (None, ["m.onnx"]),
    ):
        kgraph.export(new, path, external_data=external)
        assert sorted(p.name for p in tmp_path.iterdir()) == files
        np.testing.assert_allclose(run(path, x)[0], new.predict(x), rtol=1e-5, atol=1e-6)


def test_a_model_that_needs_large_images_is_checked_on_large_ones(tmp_path: Path) -> None:
    stack: list[Any] = [layers.Conv2D(2, 3, input_shape=(None, None, 1))]
    for _ in range(4):
        stack += [layers.MaxPooling2D(2), layers.Conv2D(2, 3)]
    summary = exported(keras.Sequential(stack), tmp_path / "m.onnx")
    assert summary.inputs[0].shape[0] == "batch"


def test_the_arguments_of_keras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, path = images(), tmp_path / "m.onnx"
    model.export(path)
    assert capsys.readouterr().out == ""
    signature = [keras.layers.InputSpec(shape=(None, 8, 8, 3), dtype="float32")]
    model.export(str(path), format="onnx", verbose=True, input_signature=signature, opset_version=17)
    assert "ONNX opset 17" in capsys.readouterr().out
    named = SimpleNamespace(shape=(5, 8, 8, 3), dtype=np.dtype("float32"), name="picture")
    model.export(path, input_signature=[named])
    (leaf,) = onnx.load(path).graph.input
    assert leaf.name == "picture"
    assert [d.dim_value for d in leaf.type.tensor_type.shape.dim] == [5, 8, 8, 3]


@pytest.mark.parametrize(
    "signature",
    [
        [SimpleNamespace(shape=(None, 8, 8, 4), dtype="float32")],
        [SimpleNamespace(shape=(None, None, 8, 3), dtype="float32")],
        [SimpleNamespace(shape=(None, 8, 8, 3), dtype="int32")],
        [SimpleNamespace(shape=(None, 3), dtype="float32")],
        [],
        "image",
    ],
)
def test_a_signature_that_contradicts_the_model_is_refused(tmp_path: Path, signature: Any) -> None:
    with pytest.raises(ArgumentError, match="input"):
        images().export(tmp_path / "m.onnx", input_signature=signature)
    assert not list(tmp_path.iterdir())


# -- lowerings of one's own


class Clip(layers.Layer):
    """Bounds its input smoothly; has an argument, and a weight that its body uses."""

    def __init__(self, limit: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return self.limit * K.tanh(inputs / self.limit) * self.scale


def lower_clip(emitter: Any, call: Any, operands: list[str]) -> str:
    x, scale = operands
    limit = emitter.constant(call.op.layer.limit, "float32")
    bounded = emitter.node("Mul", emitter.node("Tanh", emitter.node("Div", x, limit)), limit)
    return emitter.node("Mul", bounded, scale, name="clipped")


def sequence() -> Any:
    return keras.Sequential([layers.Dense(3, input_shape=(4,)), Clip(2.0, name="clip"), layers.Dense(1)])


def nested() -> Any:
    inner = keras.Sequential([Clip(2.0, input_shape=(4,)), layers.Dense(2)])
    x = layers.Input((4,))
    return keras.Model(x, layers.add([inner(x), inner(layers.Dense(4)(x))]))


def over_time() -> Any:
    return keras.Sequential([layers.TimeDistributed(Clip(2.0), input_shape=(5, 4))])


class Subclassed(keras.Model):
    """A model written as a class."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(4), Clip(2.0)

    def call(self, inputs: Any) -> Any:
        return self.second(self.first(inputs))


def subclassed() -> Any:
    model = Subclassed()
    model.predict(np.ones((1, 4), "float32"))
    return model


@pytest.mark.parametrize(("make", "calls"), [(sequence, 1), (nested, 2), (over_time, 1), (subclassed, 1)])
def test_a_layer_is_lowered_as_a_whole(tmp_path: Path, make: Callable[[], Any], calls: int) -> None:
    model, seen = make(), []

    def lowering(emitter: Any, call: Any, operands: list[str]) -> str:
        seen.append(call)
        return lower_clip(emitter, call, operands)

    path = kgraph.export(model, tmp_path / "m.onnx", lowerings={Clip: lowering})
    assert len(seen) == calls
    names = [node.name for node in onnx.load(path).graph.node]
    assert sum("clipped" in name for name in names) == calls
    x = np.random.RandomState(0).randn(2, *model.inputs[0].shape[1:]).astype("float32")
    np.testing.assert_allclose(run(path, x)[0], model.predict(x), rtol=1e-5, atol=1e-6)


def test_a_lowering_may_give_the_body_back(tmp_path: Path) -> None:
    kgraph.export(
        sequence(), tmp_path / "m.onnx", lowerings={Clip: lambda emitter, call, _: emitter.expand(call)}
    )


def test_a_wrong_lowering_of_a_layer_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="disagrees"):
        kgraph.export(sequence(), tmp_path / "m.onnx", lowerings={Clip: lambda e, c, x: e.node("Neg", x[0])})
    assert not list(tmp_path.iterdir())


def test_a_lowering_may_use_a_runtime_of_ones_own(tmp_path: Path) -> None:
    def custom(emitter: Any, call: Any, operands: list[str]) -> str:
        return emitter.node("Clip", *operands, domain="my.ops", limit=call.op.layer.limit)

    with pytest.raises(BackendError, match="check=False"):
        kgraph.export(sequence(), tmp_path / "m.onnx", lowerings={Clip: custom})
    summary = exported(sequence(), tmp_path / "m.onnx", lowerings={Clip: custom}, check=False)
    assert summary.ops["my.ops::Clip"] == 1


def test_the_model_is_as_before_after_an_export(tmp_path: Path) -> None:
    model = keras.Sequential([layers.LSTM(3, stateful=True, batch_input_shape=(2, 4, 3)), Clip()])
    before = len(model.state_updates), len(model.layers[1]._inbound_nodes), len(model.losses)
    kgraph.export(model, tmp_path / "m.onnx", lowerings={Clip: lower_clip})
    assert before == (len(model.state_updates), len(model.layers[1]._inbound_nodes), len(model.losses))


@pytest.mark.parametrize("key", [layers.Conv2D, int, "Clip"])
def test_lowerings_are_for_ops_and_for_layers_of_the_model(tmp_path: Path, key: Any) -> None:
    with pytest.raises((ArgumentError, TypeError), match=r"lower"):
        kgraph.export(sequence(), tmp_path / "m.onnx", lowerings={key: lower_clip})
