"""`TensorBoard`: what it writes, read by TensorBoard itself."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import ArgumentError, LibraryError
from kgraph.keras import layers as L
from kgraph.keras.callbacks import TensorBoard
from kgraph.keras.callbacks.tensorboard import weight_pictures
from tests.keras.training.small import LABELS, X, Y, regression

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None,
    reason='TensorBoard is not installed (extra "tensorboard")',
)


def events(folder: Path) -> Any:
    """A run, as TensorBoard reads it, with every event kept."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def series(folder: Path, tag: str) -> tuple[list[int], list[Any]]:
    """The steps and the values of a tag."""
    from tensorboard.util.tensor_util import make_ndarray

    found = events(folder).Tensors(tag)
    return [event.step for event in found], [make_ndarray(event.tensor_proto) for event in found]


def tags(folder: Path) -> set[str]:
    return set(events(folder).Tags()["tensors"])


def plugin(folder: Path, tag: str) -> str:
    return str(events(folder).SummaryMetadata(tag).plugin_data.plugin_name)


def test_epochs_and_evaluations(tmp_path: Path) -> None:
    model = regression(metrics=["mae"])
    history = model.fit(
        X,
        Y,
        batch_size=15,
        epochs=3,
        validation_data=(X[:9], Y[:9]),
        verbose=0,
        callbacks=TensorBoard(tmp_path),
    )
    train, validation = tmp_path / "train", tmp_path / "validation"
    assert tags(train) == {"keras", "epoch_loss", "epoch_mae", "epoch_learning_rate"}
    assert tags(validation) == {
        "epoch_loss",
        "epoch_mae",
        "evaluation_loss_vs_iterations",
        "evaluation_mae_vs_iterations",
    }
    for name in ("loss", "mae"):
        steps, values = series(train, f"epoch_{name}")
        assert steps == [0, 1, 2]
        np.testing.assert_array_equal(values, np.float32(history.history[name]))
        for tag, at in ((f"epoch_{name}", [0, 1, 2]), (f"evaluation_{name}_vs_iterations", [2, 4, 6])):
            steps, values = series(validation, tag)
            assert steps == at
            np.testing.assert_array_equal(values, np.float32(history.history[f"val_{name}"]))
    np.testing.assert_array_equal(series(train, "epoch_learning_rate")[1], np.float32([0.1] * 3))
    assert plugin(train, "epoch_loss") == "scalars"


def test_the_data_provider_finds_the_runs(tmp_path: Path) -> None:
    """The same through what TensorBoard's server asks, which also sorts tags by dashboard."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext

    regression().fit(
        X,
        Y,
        validation_data=(X, Y),
        verbose=0,
        callbacks=TensorBoard(tmp_path, histogram_freq=1, write_images=True),
    )
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider, context = MultiplexerDataProvider(multiplexer, str(tmp_path)), RequestContext()

    def found(method: str, plugin_name: str) -> dict[str, set[str]]:
        listed = getattr(provider, method)(context, experiment_id="", plugin_name=plugin_name)
        return {run: set(by_tag) for run, by_tag in listed.items()}

    assert found("list_scalars", "scalars") == {
        "train": {"epoch_loss", "epoch_learning_rate"},
        "validation": {"epoch_loss", "evaluation_loss_vs_iterations"},
    }
    assert found("list_tensors", "histograms") == {"train": {"out/kernel/histogram", "out/bias/histogram"}}
    assert found("list_blob_sequences", "images") == {"train": {"out/kernel/image", "out/bias/image"}}
    assert found("list_blob_sequences", "graphs") == {"train": {"__run_graph__"}}
    assert found("list_blob_sequences", "graph_keras_model") == {"train": {"keras"}}


@pytest.mark.parametrize(
    ("freq", "expected"), [("batch", [1, 2, 3, 4, 5, 6]), (1, [1, 2, 3, 4, 5, 6]), (4, [4])]
)
def test_batches(tmp_path: Path, freq: Any, expected: list[int]) -> None:
    seen: list[float] = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    board = TensorBoard(tmp_path, update_freq=freq, write_steps_per_second=True)
    regression().fit(X, Y, batch_size=10, epochs=2, verbose=0, callbacks=[board, watch])
    steps, values = series(tmp_path / "train", "batch_loss")
    assert steps == expected
    np.testing.assert_array_equal(values, np.float32([seen[step - 1] for step in expected]))
    assert series(tmp_path / "train", "batch_steps_per_second")[0] == expected
    assert all(rate > 0 for rate in series(tmp_path / "train", "epoch_steps_per_second")[1])
    assert not {"batch_size", "batch_batch"} & tags(tmp_path / "train")


def test_steps_have_no_hooks_for_epochs() -> None:
    hooks = keras.callbacks.CallbackList([TensorBoard("logs")])
    assert hooks.batch_begin("train") is None
    assert hooks.batch_end("train") is None


def test_another_fit_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    model, board = regression(), TensorBoard(tmp_path, update_freq="batch")
    for _ in range(2):
        model.fit(X, Y, batch_size=15, verbose=0, callbacks=board)
    assert series(tmp_path / "train", "batch_loss")[0] == [1, 2, 3, 4]


def test_evaluate_alone(tmp_path: Path) -> None:
    model = regression()
    loss = model.evaluate(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert series(tmp_path / "validation", "evaluation_loss_vs_iterations") == ([0], [np.float32(loss)])
    assert not (tmp_path / "train").exists()


def test_histograms_are_those_of_the_weights(tmp_path: Path) -> None:
    model = keras.Sequential([L.Dense(50, input_shape=(4,), name="wide")])
    model.compile("sgd", "mse")
    board = TensorBoard(tmp_path, histogram_freq=2)
    model.fit(X, np.ones((len(X), 50)), epochs=3, verbose=0, callbacks=board)
    steps, values = series(tmp_path / "train", "wide/kernel/histogram")
    assert steps == [0, 2]
    counts, edges = np.histogram(model.get_weights()[0].astype("float64"), 30)
    np.testing.assert_allclose(values[-1][:, 0], edges[:-1], rtol=1e-12)
    np.testing.assert_allclose(values[-1][:, 1], edges[1:], rtol=1e-12)
    assert values[-1][:, 2].sum() == 200
    np.testing.assert_array_equal(values[-1][:, 2], counts)


def test_weights_that_are_not_finite_do_not_stop_the_histograms(tmp_path: Path) -> None:
    model = regression()
    model.set_weights([np.float32([[np.nan], [np.inf], [1.0], [2.0]]), np.float32([0.0])])
    model.fit(
        X, np.zeros_like(Y), verbose=0, callbacks=TensorBoard(tmp_path, histogram_freq=1, write_images=True)
    )
    assert series(tmp_path / "train", "out/kernel/histogram")[1][0].shape[1] == 3


def test_images_are_those_of_the_weights(tmp_path: Path) -> None:
    from PIL import Image

    model = keras.Sequential([L.Dense(3, input_shape=(4,), use_bias=False, name="out")])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    kernel = np.float32([[-2, 1, 0], [0, 0.5, -1], [1, 2, 0], [0, 0, 0]])
    model.set_weights([kernel])
    board = TensorBoard(tmp_path, histogram_freq=1, write_images=True)
    model.fit(X, np.zeros((len(X), 3)), verbose=0, callbacks=board)
    width, height, png = series(tmp_path / "train", "out/kernel/image")[1][0]
    assert (width, height) == (b"4", b"3")
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(png))), np.round(127 + 127 * kernel.T / 2).astype("uint8")
    )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5,), (1, 1, 5, 1)),
        ((7, 2), (1, 2, 7, 1)),
        ((2, 7), (1, 2, 7, 1)),
        ((3, 5, 1, 8), (8, 3, 5, 1)),
        ((3, 5, 3, 8), (8, 3, 5, 3)),
        ((3, 4, 6), (6, 3, 4, 1)),
        ((), (1, 1, 1, 1)),
    ],
)
def test_weights_as_images(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    pictures = weight_pictures(np.arange(np.prod(shape)).reshape(shape))
    assert pictures is not None
    assert pictures.shape == expected


def test_weights_with_more_axes_are_no_images() -> None:
    assert weight_pictures(np.zeros((3, 3, 4, 8))) is None


def two_branches() -> Any:
    """A functional model with a nested one, a layer that is used twice, and a sum."""
    inner = keras.Sequential(
        [L.Dense(3, input_shape=(4,), name="first"), L.Dense(3, name="second")], name="inner"
    )
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    both = L.Add(name="sum")([inner(a), L.Dense(3, name="other")(b)])
    model = keras.Model([a, b], L.Dense(1, name="head")(both), name="outer")
    model.compile("sgd", "mse")
    return model


def test_the_graph_of_layers(tmp_path: Path) -> None:
    from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def

    two_branches().fit([X, X], Y, verbose=0, callbacks=TensorBoard(tmp_path))
    assert plugin(tmp_path / "train", "keras") == "graph_keras_model"
    (text,) = series(tmp_path / "train", "keras")[1]
    nodes = {node.name: node for node in keras_model_to_graph_def(json.loads(text.item())).node}
    wires = {name: sorted(node.input) for name, node in nodes.items()}
    assert wires["outer/sum"] == ["outer/inner/second", "outer/other"]
    assert wires["outer/head"] == ["outer/sum"]
    assert wires["outer/other"] == ["outer/b"]
    assert wires["outer/inner/second"] == ["outer/inner/first"]
    assert nodes["outer/head"].attr["keras_class"].s == b"Dense"


def test_the_graph_of_ops(tmp_path: Path) -> None:
    two_branches().fit([X, X], Y, verbose=0, callbacks=TensorBoard(tmp_path))
    nodes = {node.name: node for node in events(tmp_path / "train").Graph().node}
    known = set(nodes)
    for node in nodes.values():
        assert {source.partition(":")[0] for source in node.input} <= known
    assert list(nodes["head/matmul"].input) == ["sum/add", "head/kernel"]
    assert nodes["head/matmul"].op == "matmul"
    assert nodes["head/kernel"].attr["type"].s == b"float32[3, 1]"
    assert nodes["updates/head/kernel"].input[0] == "head/kernel"


def test_graphs_are_written_once_for_each_model(tmp_path: Path) -> None:
    board, first = TensorBoard(tmp_path), regression()
    for model in (first, first, two_branches()):
        inputs = [X] * len(model.inputs)
        model.fit(inputs, Y, epochs=2, verbose=0, callbacks=board)
    texts = [json.loads(text.item()) for text in series(tmp_path / "train", "keras")[1]]
    assert [text["config"]["name"] for text in texts] == [first.name, "outer"]
    assert any(node.name == "head/matmul" for node in events(tmp_path / "train").Graph().node)


def test_a_subclassed_model_has_a_graph_of_ops_alone(tmp_path: Path) -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = L.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    model = Own()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0, callbacks=TensorBoard(tmp_path))
    assert "keras" not in tags(tmp_path / "train")
    assert any(node.op == "matmul" for node in events(tmp_path / "train").Graph().node)


def test_layers_that_cannot_be_written_down_have_no_graph(tmp_path: Path) -> None:
    class Secretive(L.Layer):
        def __init__(self, what: object) -> None:
            super().__init__()

    model = keras.Sequential([Secretive(object()), L.Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="no graph of the layers"):
        model.fit(X, Y, verbose=0, callbacks=TensorBoard(tmp_path))
    assert tags(tmp_path / "train") == {"epoch_loss", "epoch_learning_rate"}


def test_no_graph_where_none_is_wanted(tmp_path: Path) -> None:
    regression().fit(X, Y, verbose=0, callbacks=TensorBoard(tmp_path, write_graph=False))
    assert not events(tmp_path / "train").Tags()["graph"]
    assert "keras" not in tags(tmp_path / "train")


def projected(folder: Path) -> dict[str, tuple[Any, str]]:
    """What the projector shows: vectors and path of metadata by name."""
    from google.protobuf.text_format import Parse
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
    from tensorboard.plugins.projector.projector_plugin import _read_tensor_tsv_file

    config = Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    for entry in config.embeddings:
        assert list(entry.tensor_shape) == list(_read_tensor_tsv_file(str(folder / entry.tensor_path)).shape)
    return {
        entry.tensor_name: (_read_tensor_tsv_file(str(folder / entry.tensor_path)), entry.metadata_path)
        for entry in config.embeddings
    }


def words() -> tuple[Any, Any]:
    ids = np.arange(60).reshape(30, 2) % 7
    model = keras.Sequential(
        [
            L.Embedding(7, 3, input_length=2, name="words"),
            L.Flatten(),
            L.Dense(3, activation="softmax", name="out"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model, ids


def test_embeddings_are_the_weights_of_embedding_layers(tmp_path: Path) -> None:
    model, ids = words()
    board = TensorBoard(tmp_path, embeddings_freq=2, embeddings_metadata={"words": "words.tsv"})
    model.fit(ids, LABELS, epochs=3, verbose=0, callbacks=board)
    ((vectors, metadata),) = projected(tmp_path).values()
    np.testing.assert_array_equal(vectors, model.layers[0].get_weights()[0])
    assert metadata == "words.tsv"


def test_the_projector_serves_them(tmp_path: Path) -> None:
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
    from werkzeug.test import Client

    model, ids = words()
    (tmp_path / "words.tsv").write_text("".join(f"word {number}\n" for number in range(7)))
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata="words.tsv")
    model.fit(ids, LABELS, verbose=0, callbacks=board)
    serve = ProjectorPlugin(TBContext(logdir=str(tmp_path))).get_plugin_apps()
    assert Client(serve["/runs"]).get("/").json == ["."]
    vectors = Client(serve["/tensor"]).get("/?run=.&name=words").data
    np.testing.assert_array_equal(
        np.frombuffer(vectors, "float32").reshape(7, 3), model.layers[0].get_weights()[0]
    )
    assert Client(serve["/metadata"]).get("/?run=.&name=words").text.splitlines()[6] == "word 6"


def test_embeddings_of_data_are_outputs_of_layers(tmp_path: Path) -> None:
    model, ids = words()
    board = TensorBoard(
        tmp_path,
        embeddings_freq=1,
        embeddings_layer_names=["words", "out"],
        embeddings_data=ids,
        embeddings_metadata="labels.tsv",
        batch_size=7,
    )
    model.fit(ids, LABELS, verbose=0, callbacks=board)
    found = projected(tmp_path)
    np.testing.assert_array_equal(found["words"][0], model.layers[0].get_weights()[0][ids].reshape(30, 6))
    np.testing.assert_allclose(found["out"][0], model.predict(ids), rtol=1e-6)
    assert {path for _, path in found.values()} == {"labels.tsv"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embeddings_metadata": {"word": "w.tsv"}}, r"metadata(.|\n)*expected: words(.|\n)*got: word"),
        ({"embeddings_layer_names": ["out"]}, r"embeddings_data(.|\n)*Dense out"),
        ({"embeddings_layer_names": ["nobody"]}, "nobody"),
    ],
)
def test_bad_embeddings_are_told_before_training(tmp_path: Path, arguments: Any, message: str) -> None:
    model, ids = words()
    with pytest.raises(ArgumentError, match=message):
        model.fit(ids, LABELS, verbose=0, callbacks=TensorBoard(tmp_path, embeddings_freq=1, **arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        {"update_freq": "often"},
        {"update_freq": 0},
        {"histogram_freq": -1},
        {"embeddings_freq": 1.5},
        {"profile_batch": "2,1"},
        {"profile_batch": -1},
        {"profile_batch": (1, 2, 3)},
        {"profile_batch": "soon"},
        {"profile_batch": 2.5},
        {"profile_batch": None},
    ],
)
def test_bad_arguments(arguments: Any) -> None:
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        TensorBoard("logs", **arguments)


@pytest.mark.parametrize("profile", [2, "10,20", (1, 3), [4, 4]])
def test_profiles_are_taken_with_a_warning(profile: Any) -> None:
    with pytest.warns(UserWarning, match="no profile"):
        TensorBoard("logs", profile_batch=profile)


def test_gradients_are_taken_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="gradients"):
        TensorBoard("logs", write_grads=True)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    with pytest.raises(LibraryError, match=r"pip install 'kgraph\[tensorboard\]'"):
        TensorBoard("logs")


def test_tensorflow_is_not_asked_for(tmp_path: Path) -> None:
    """A package of that name in front of all others would be found, and must not be imported."""
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('tensorflow was imported')")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from tests.keras.training.small import X, Y, regression\n"
        "from kgraph.keras.callbacks import TensorBoard\n"
        f"board = TensorBoard({str(tmp_path / 'logs')!r}, histogram_freq=1, write_images=True)\n"
        "regression().fit(X, Y, verbose=0, callbacks=board)\n"
        "assert 'tensorflow' not in sys.modules and 'grpc' not in sys.modules\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert tags(tmp_path / "logs" / "train") >= {"epoch_loss", "out/kernel/histogram", "out/kernel/image"}
