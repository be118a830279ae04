"""Exported graphs hold what is needed and nothing else: of every layer, and of whole networks."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import onnx
import pytest

from benchmarks.convert.zoo import SPECIMENS, scatter
from kgraph import keras
from kgraph.keras import layers
from kgraph.keras.export import export
from kgraph.keras.layers.nodes import flatten
from kgraph.keras.models import Model, Sequential
from tests.exported import complaints
from tests.laws.layer_sample import Sample
from tests.laws.layer_samples import SAMPLES

# ONNX's recurrent ops know eight activations and one cell, and no images.
LOOPS = ("selu", "RNN(stack)", "ConvLSTM")
SMALL = [name for name in SPECIMENS if name != "resnet50"]


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_graph_of_a_layer(sample: Sample, tmp_path: Path) -> None:
    leaves = [
        layers.Input(batch_shape=(sample.batch, *array.shape[1:]), dtype=array.dtype.name)
        for array in [*sample.inputs, *flatten(list(sample.call.values()))]
    ]
    inputs, rest = leaves[: len(sample.inputs)], iter(leaves[len(sample.inputs) :])
    given = {
        key: [next(rest) for _ in value] if isinstance(value, list) else next(rest)
        for key, value in sample.call.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        outputs = sample.apply(sample.make(layers), inputs, given)
    path = export(Model(leaves, flatten(outputs)), tmp_path / "model.onnx", check=False)
    assert not complaints(path, loops=any(name in str(sample) for name in LOOPS))


@pytest.mark.parametrize("name", SMALL)
def test_the_graph_of_a_network(name: str, tmp_path: Path) -> None:
    model = scatter(SPECIMENS[name].build(keras))
    path = export(model, tmp_path / "model.onnx", check=False)
    assert not complaints(path)
    assert operators(path)["Transpose"] <= 2
    assert not operators(path)["BatchNormalization"] + operators(path)["Pad"]


def test_the_complaints_find_what_they_are_for(tmp_path: Path) -> None:
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("MaxPool", ["x"], ["a"], kernel_shape=[2, 2], name="pool"),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 1, 3, 2], name="turn"),
        helper.make_node("Transpose", ["b"], ["c"], perm=[0, 1, 3, 2], name="back"),
        helper.make_node("Cast", ["c"], ["d"], to=floats, name="cast"),
        helper.make_node("Identity", ["d"], ["e"], name="copy"),
        helper.make_node("MaxPool", ["e"], ["y"], kernel_shape=[2, 2], name="again"),
    ]
    x, y = (
        helper.make_tensor_value_info(name, floats, [1, 1, size, size]) for name, size in (("x", 6), ("y", 4))
    )
    opset = [helper.make_opsetid("", 21)]
    onnx.save(
        helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=opset), tmp_path / "m.onnx"
    )
    assert complaints(tmp_path / "m.onnx") == [
        "follows another Transpose: Transpose back",
        "changes nothing: Cast cast",
        "a copy: Identity copy",
        "between convolutions: back",
        "between convolutions: turn",
    ]


def test_masked_layers_need_no_loop_however_they_are_stacked(tmp_path: Path) -> None:
    model = Sequential(
        [
            keras.Input((9,), dtype="int32"),
            layers.Embedding(20, 4, mask_zero=True),
            layers.Bidirectional(layers.GRU(3, return_sequences=True)),
            layers.Dropout(0.5),
            layers.LSTM(3, return_sequences=True, zero_output_for_mask=True),
            layers.SimpleRNN(3, go_backwards=True),
        ]
    )
    path = export(scatter(model), tmp_path / "model.onnx")  # which runs the file and compares
    assert not complaints(path)
    found = operators(path)
    assert [found[name] for name in ("GRU", "LSTM", "RNN")] == [2, 1, 1]
