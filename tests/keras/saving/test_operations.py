"""Operations of Keras 3 between layers mean what they mean there; bare operators are written as such operations."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import kgraph
from kgraph.errors import KgraphError, UnsupportedError
from kgraph.keras import backend as K
from kgraph.keras import layers, models
from kgraph.keras.layers.operation_tables import MODULES
from tests import oracle
from tests.keras.saving.operation_cases import CASES
from tests.keras.saving.operation_cases.ways import data

NAMES = sorted(name for table in MODULES.values() for name in table)


def test_there_is_a_case_for_each() -> None:
    assert sorted(CASES) == NAMES


def model_of(keras: Any, name: str) -> Any:
    inputs = [keras.Input((3, 4), dtype=dtype, name=dtype) for dtype in ("float32", "int32", "bool")]
    outputs = CASES[name](keras.ops, *inputs)
    # A model uses all of its inputs.
    used = keras.ops.sum(inputs[0], axis=(1, 2)) + sum(
        keras.ops.sum(keras.ops.cast(x, "float32"), (1, 2)) for x in inputs
    )
    return keras.Model(inputs, [*outputs, used])


def same(found: Any, expected: Any, where: str) -> None:
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        theirs = oracle.keras_value(theirs)
        tolerance = 2e-6 if theirs.dtype.kind == "f" else 0
        np.testing.assert_allclose(ours, theirs, tolerance, tolerance, err_msg=f"{where}, output {number}")


@oracle.needs_keras
@oracle.its_own_warnings
@pytest.mark.parametrize("name", NAMES)
def test_it_means_what_it_means_in_keras(name: str, tmp_path: Path) -> None:
    real = model_of(oracle.keras(), name)
    real.save(tmp_path / "model.keras")
    ours = models.load_model(tmp_path / "model.keras")
    assert [(t.dtype, t.shape) for t in ours.outputs] == [(t.dtype, tuple(t.shape)) for t in real.outputs]
    expected = real(data())
    same(ours.predict(data(), verbose=0), expected, name)
    ours.save(tmp_path / "again.keras")
    again = oracle.keras().models.load_model(tmp_path / "again.keras")
    same([oracle.keras_value(x) for x in again(data())], expected, f"{name}, back in Keras")


def bare() -> Any:
    """A model that computes with operators, indices and functions of K between its layers."""
    x, words = layers.Input((None, 4)), layers.Input((5,), dtype="int32")
    y = layers.Dense(4)(x)
    mixed = 1 - y * 2 + x / (K.abs(y) + 1)
    last = x[:, -1] + y[:, 0] ** 2
    where = K.switch(x > 0, y, -x)
    averages = K.mean(where, axis=1) + K.max(mixed[:, 1:], axis=1) - K.sum(y[:, :-1], axis=1)
    joined = K.concatenate([last, K.softmax(averages), np.float32(2) * K.sqrt(K.square(last))])
    wide = K.expand_dims(x, -1) * K.expand_dims(y, 2)
    product = K.batch_dot(y, K.permute_dimensions(x, (0, 2, 1)))
    share = K.mean(K.cast(K.not_equal(words, 0), "float32"), axis=-1, keepdims=True)
    array = np.arange(4, dtype="float32") * y
    row = K.gather(K.clip(y % 0.7, 0.1, 0.5)[0], words - words + 1) + K.sum(K.one_hot(words, 3))
    sums = (
        K.cumsum(K.temporal_padding(K.log_softmax(y), (1, 2)), axis=1)
        + K.clip(K.tile(x[:, :1], (1, 2, 1)), 0, None)[:, 1:]
    )
    outputs = [mixed, joined, layers.Dense(2)(averages), wide, product, share, array, row, sums]
    return models.Model([x, words], outputs)


def bare_data() -> list[np.ndarray[Any, Any]]:
    random = np.random.default_rng(2)
    return [random.normal(size=(3, 6, 4)).astype("float32"), random.integers(0, 3, (3, 5)).astype("int32")]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_bare_operators_are_written(suffix: str, tmp_path: Path) -> None:
    model = bare()
    expected = model.predict(bare_data(), verbose=0)
    for number in range(2):
        model.save(tmp_path / f"{number}.{suffix}")
        model = models.load_model(tmp_path / f"{number}.{suffix}", compile=False)
        for ours, before in zip(model.predict(bare_data(), verbose=0), expected, strict=True):
            np.testing.assert_allclose(ours, before, 1e-6, 1e-6)


@oracle.needs_keras
@oracle.its_own_warnings
def test_keras_reads_bare_operators(tmp_path: Path) -> None:
    model = bare()
    model.save(tmp_path / "model.keras")
    real = oracle.keras().models.load_model(tmp_path / "model.keras")
    same(model.predict(bare_data(), verbose=0), real(bare_data()), "bare operators")


@oracle.needs_keras
@oracle.its_own_warnings
@pytest.mark.parametrize("steps", [7, 3, 1])
def test_slices_of_short_sequences_end_where_these_do(steps: int, tmp_path: Path) -> None:
    real = oracle.keras()
    x = real.Input((None, 3))
    whole = real.Model(x, [x[:, :5], x[:, -1], x[:, -5:], x[:, -2:], x[:, :-2], x[:, 1:]])
    whole.save(tmp_path / "model.keras")
    values = np.random.default_rng(1).normal(size=(2, steps, 3)).astype("float32")
    ours = models.load_model(tmp_path / "model.keras")
    same(ours.predict(values, verbose=0), whole(values), f"{steps} steps")
    y = layers.Input((None, 3))
    model = models.Model(y, [y[:, -1], y[:, -5:], y[:, :-2]])
    model.save(tmp_path / "bare.keras")
    expected = [values[:, -1], values[:, -5:], values[:, :-2]]
    same(models.load_model(tmp_path / "bare.keras").predict(values, verbose=0), expected, "bare operators")


def test_a_copy_of_a_model_has_the_operators() -> None:
    model = bare()
    copy = models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    for ours, before in zip(
        copy.predict(bare_data(), verbose=0), model.predict(bare_data(), verbose=0), strict=True
    ):
        np.testing.assert_allclose(ours, before, 1e-6, 1e-6)


def test_what_has_no_name_in_files_is_refused(tmp_path: Path) -> None:
    x = layers.Input((3,))
    for made in (K.hard_sigmoid(x), x * K.variable(2.0)):
        with pytest.raises(UnsupportedError, match=r"operators? between layers"):
            models.Model(x, made).save(tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


# -- masks


def masked(keras: Any) -> Any:
    words, steps = keras.Input((5,), dtype="int32"), keras.Input((5, 3))
    x = keras.layers.Embedding(7, 3, mask_zero=True)(words)
    y = keras.layers.Masking()(steps)
    x = keras.layers.LSTM(4, return_sequences=True)(x)
    y = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True))(y)
    ends = [keras.layers.GlobalAveragePooling1D()(x), keras.layers.SimpleRNN(3)(y), keras.layers.LSTM(2)(x)]
    return keras.Model([words, steps], keras.layers.Concatenate()(ends))


def masked_data() -> list[np.ndarray[Any, Any]]:
    random = np.random.default_rng(4)
    words = random.integers(1, 7, (4, 5)).astype("int32")
    steps = random.normal(size=(4, 5, 3)).astype("float32")
    for row, length in enumerate((5, 3, 1, 4)):
        words[row, length:] = 0
        steps[row, length:] = 0
    return [words, steps]


@oracle.needs_keras
@oracle.its_own_warnings
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_masks_that_keras_writes_as_operations_are_applied(suffix: str, tmp_path: Path) -> None:
    real = masked(oracle.keras())
    real.save(tmp_path / f"model.{suffix}")
    expected = oracle.keras_value(real(masked_data()))
    ours = models.load_model(tmp_path / f"model.{suffix}", compile=False)
    np.testing.assert_allclose(ours.predict(masked_data(), verbose=0), expected, 1e-5, 1e-6)
    ours.save(tmp_path / "again.keras")
    for again in (models.load_model(tmp_path / "again.keras"), models.Model(ours.inputs, ours(ours.inputs))):
        np.testing.assert_allclose(again.predict(masked_data(), verbose=0), expected, 1e-5, 1e-6)


@oracle.needs_keras
@oracle.its_own_warnings
def test_such_masks_cost_no_more_than_those_that_follow_from_the_inputs(tmp_path: Path) -> None:
    masked(oracle.keras()).save(tmp_path / "model.keras")
    exported = []
    for model in (models.load_model(tmp_path / "model.keras"), masked(kgraph.keras)):
        model.export(tmp_path / "model.onnx")
        exported.append(Counter(node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node))
    assert exported[0] == exported[1]
    assert exported[0]["LSTM"] == 2
    assert not exported[0]["Scan"] + exported[0]["Loop"]


MASKABLE = {
    "LSTM": lambda: layers.LSTM(2),
    "GlobalAveragePooling1D": layers.GlobalAveragePooling1D,
    "Bidirectional": lambda: layers.Bidirectional(layers.GRU(2)),
    "Softmax": lambda: layers.Softmax(axis=-1),
}


@pytest.mark.parametrize("name", MASKABLE)
def test_a_mask_of_numbers_is_a_mask(name: str) -> None:
    layer = MASKABLE[name]()
    x, flags = layers.Input((5,) if name == "Softmax" else (5, 3)), layers.Input((5,))
    model = models.Model([x, flags], [layer(x, mask=flags), layer(x, mask=K.cast(flags, "bool"))])
    words, steps = masked_data()
    given = steps[..., 0] if name == "Softmax" else steps
    np.testing.assert_array_equal(*model.predict([given, (words != 0).astype("float32")], verbose=0))


# -- files with something else in them

TENSOR = {
    "class_name": "__keras_tensor__",
    "config": {"shape": [None, 3], "dtype": "float32", "keras_history": ["x", 0, 0]},
}


def described(
    operation: Any, settings: Any, args: Any, kwargs: Any = None, module: str = "keras.src.ops.numpy"
) -> Any:
    step = {
        "module": module, "class_name": operation, "registered_name": operation, "name": "step",
        "config": {"name": "step", **settings}, "inbound_nodes": [{"args": args, "kwargs": kwargs or {}}],
    }  # fmt: skip
    x = {
        "module": "keras.layers", "class_name": "InputLayer", "registered_name": None, "name": "x",
        "config": {"batch_shape": [None, 3], "dtype": "float32", "name": "x"}, "inbound_nodes": [],
    }  # fmt: skip
    config = {
        "name": "m",
        "layers": [x, step],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["step", 0, 0]],
    }
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


SLICE = {"class_name": "__slice__", "config": {"start": "0", "stop": None, "step": None}}
HOSTILE = {
    "no such operation": ("Eval", {}, [TENSOR]),
    "a private function": ("_reduction", {}, [TENSOR]),
    "a dunder": ("__init__", {}, [TENSOR]),
    "a module of the system": ("system", {}, ["id"], None, "keras.src.ops.os"),
    "no operand": ("Add", {}, []),
    "too many": ("Add", {}, [TENSOR] * 3),
    "a text": ("Add", {}, [TENSOR, "text"]),
    "a dict": ("Add", {}, [TENSOR, {"a": 1}]),
    "nothing": ("Add", {}, [TENSOR, None]),
    "an axis that is no number": ("Sum", {"axis": "batch"}, [TENSOR]),
    "an axis that is not there": ("Sum", {"axis": 5}, [TENSOR]),
    "an axis twice": ("Sum", {"axis": [1, 1]}, [TENSOR]),
    "another setting": ("Sum", {"axis": 1, "where": [True]}, [TENSOR]),
    "a start": ("Sum", {"axis": 1, "initial": 4.0}, [TENSOR]),
    "a size that is negative": ("Repeat", {"repeats": -1, "axis": 1}, [TENSOR]),
    "sizes that are no list": ("BroadcastTo", {"shape": 3}, [TENSOR]),
    "no sections": ("Split", {"indices_or_sections": 0, "axis": 1}, [TENSOR]),
    "unequal sections": ("Split", {"indices_or_sections": 2, "axis": 1}, [TENSOR]),
    "sections of a batch": ("Split", {"indices_or_sections": 2, "axis": 0}, [TENSOR]),
    "a pad of three": ("Pad", {"pad_width": [1, 2, 3]}, [TENSOR]),
    "a pad that never ends": ("Pad", {"pad_width": [[0, 0], [0, 1 << 60]], "mode": "reflect"}, [TENSOR]),
    "a pad of another kind": ("Pad", {"pad_width": 1, "mode": "wrap"}, [TENSOR]),
    "a pad with two fillings": ("Pad", {"pad_width": 1, "mode": "edge"}, [TENSOR], {"constant_values": 1}),
    "an axis moved twice": ("Moveaxis", {"source": [0, 0], "destination": [0, 1]}, [TENSOR]),
    "an axis moved nowhere": ("Moveaxis", {"source": [0, 1], "destination": 0}, [TENSOR]),
    "a sum with too many dots": ("Einsum", {"subscripts": "....i->..."}, [TENSOR]),
    "a sum over a diagonal": ("Einsum", {"subscripts": "ii->i"}, [TENSOR]),
    "a sum of something else": ("Einsum", {"subscripts": "ij->ik"}, [TENSOR]),
    "a sum of too many": ("Einsum", {"subscripts": "ij,jk->ik"}, [TENSOR]),
    "no sum": ("Einsum", {}, [TENSOR]),
    "a product over no axis": ("Tensordot", {"axes": [[1], []]}, [TENSOR, TENSOR]),
    "a product over many axes": ("Tensordot", {"axes": 7}, [TENSOR, TENSOR]),
    "positions that are none": ("Take", {"axis": 1}, [TENSOR, TENSOR]),
    "positions of another rank": ("TakeAlongAxis", {"axis": 1}, [TENSOR, [0]]),
    "more than there are": ("TopK", {"k": 4}, [TENSOR]),
    "a norm of matrices": ("Norm", {"ord": 2, "axis": [0, 1]}, [TENSOR], None, "keras.src.ops.linalg"),
    "a parameter that does not fit": ("LayerNorm", {"axis": 1}, [TENSOR, [1.0, 2.0]]),
    "a keyword that is a method's": ("Add", {}, [TENSOR, 1], {"inputs": 1}),
    "a keyword that is the operand": ("Add", {}, [TENSOR, 1], {"x1": 1}),
    "a keyword": ("Add", {}, [TENSOR, 1], {"_function": 1}),
    "a keyword twice": ("Sum", {"axis": 1}, [TENSOR], {"axis": 1}),
    "a list as dtype": ("Cast", {"dtype": ["int32"]}, [TENSOR]),
    "no dtype": ("Cast", {"dtype": "object"}, [TENSOR]),
    "a shape of shapes": ("Reshape", {"newshape": [[1], -1]}, [TENSOR]),
    "a shape of two unknowns": ("Reshape", {"newshape": [-1, -1]}, [TENSOR]),
    "an index that is not there": ("GetItem", {}, [TENSOR, [SLICE["config"]]]),
    "a damaged slice": ("GetItem", {}, [TENSOR, [SLICE]]),
    "a text as index": ("GetItem", {}, [TENSOR, "shape"]),
    "too many indices": ("GetItem", {}, [TENSOR, [0, 0, 0, 0]]),
    "a huge number": ("Add", {}, [TENSOR, 10**400]),
    "no list": ("Concatenate", {"axis": 1}, [TENSOR]),
    "an empty list": ("Concatenate", {"axis": 1}, [[]]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_operation_is_one_error(case: str) -> None:
    with pytest.raises(KgraphError):
        models.model_from_json(json.dumps(described(*HOSTILE[case])))


OURS = {
    "no settings": {"operation": "Sum", "settings": "axis"},
    "no operation": {"operation": ["Sum"], "settings": {}},
    "an operand": {"operation": "Sum", "settings": {"x": 1}},
    "no name of one": {"operation": "__class__", "settings": {}},
}


@pytest.mark.parametrize("case", OURS)
def test_a_damaged_operation_in_our_form_is_one_error(case: str) -> None:
    with pytest.raises(KgraphError):
        models.model_from_json(
            json.dumps(described("Operation", OURS[case], [TENSOR], module="kgraph.keras.layers"))
        )


@oracle.needs_keras
@oracle.its_own_warnings
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_an_operation_that_is_missing_is_called_one(suffix: str, tmp_path: Path) -> None:
    real = oracle.keras()
    x = real.Input((3, 4))
    real.Model(x, real.layers.Dense(2)(real.ops.sort(x, axis=1))).save(tmp_path / f"model.{suffix}")
    with pytest.raises(KgraphError, match=r"an operation of Keras 3 that kgraph does not have[\s\S]*Sort"):
        models.load_model(tmp_path / f"model.{suffix}", compile=False)


@pytest.mark.parametrize("order", [None, 1, 2])
def test_norms_along_an_axis(order: int | None) -> None:
    """Keras on NumPy cannot run them: it hands the axis on as a list."""
    settings = {"ord": order, "axis": -1, "keepdims": True}
    model = models.model_from_json(
        json.dumps(described("Norm", settings, [TENSOR], None, "keras.src.ops.linalg"))
    )
    x = np.array([[3.0, -4.0, 0.0], [1.0, 2.0, -2.0]], "float32")
    expected = np.linalg.norm(x, order, -1, keepdims=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, 1e-6)


def test_models_with_operations_learn() -> None:
    model = models.model_from_json(json.dumps(described("Multiply", {}, [TENSOR, 2])))
    x = layers.Input((3,))
    trained = models.Model(x, layers.Dense(1, kernel_initializer="zeros")(model(x)[0][:, :2] - 1))
    trained.compile("sgd", "mse")
    losses = trained.fit(np.eye(3), np.ones((3, 1)), epochs=60, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
