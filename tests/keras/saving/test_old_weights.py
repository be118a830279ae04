"""The weights of older Keras: each layout that Keras 2 converted, and how the file tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import FileError, UnsupportedError
from kgraph.ir.types import Array
from kgraph.keras import layers as L
from kgraph.keras.saving.layer_weights import Made, Origin, match

OLD = Origin(1, None)


def built(layer: Any, shape: Sequence[int]) -> Any:
    """The layer, with weights that differ from each other."""
    keras.Sequential([keras.Input(tuple(shape)), layer])
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=w.shape).astype("float32") for w in layer.get_weights()])
    return layer


def converted(layer: Any, arrays: Sequence[Array], origin: Origin) -> list[Array]:
    sources = [Made(array.shape, lambda array=array: array) for array in arrays]
    found = match(layer, [f"old_{i}" for i in range(len(arrays))], sources, origin)
    values = {variable: source.read() for variable, source in found}
    for variable, source in found:
        assert source.shape == variable.shape == values[variable].shape
    return [values[variable] for variable in layer.weights]


def assert_converts(layer: Any, arrays: Sequence[Array], origin: Origin = OLD) -> None:
    for new, wanted in zip(converted(layer, arrays, origin), layer.get_weights(), strict=True):
        np.testing.assert_array_equal(new, wanted)


def by_gate(weights: Sequence[Array], order: Sequence[int]) -> list[Array]:
    """W, U, b of each gate."""
    parts = [np.split(w, len(order), axis=-1) for w in weights]
    return [kind[gate] for gate in order for kind in parts]


def test_lstm_of_keras_1_has_its_gates_apart() -> None:
    layer = built(L.LSTM(4), (5, 3))
    assert_converts(layer, by_gate(layer.get_weights(), (0, 2, 1, 3)))  # i, c, f, o
    assert_converts(layer, layer.get_weights())  # consume_less="gpu"


def test_gru_of_keras_1_has_its_gates_apart() -> None:
    layer = built(L.GRU(4, reset_after=False), (5, 3))
    assert_converts(layer, by_gate(layer.get_weights(), (0, 1, 2)))


def test_convolutional_lstm_of_keras_1_has_its_gates_apart_too() -> None:
    last = built(L.ConvLSTM2D(4, (3, 1)), (5, 6, 7, 2))
    first = built(L.ConvLSTM2D(4, (3, 1), data_format="channels_first"), (5, 2, 6, 7))
    apart = by_gate(last.get_weights(), (0, 2, 1, 3))  # i, c, f, o
    assert_converts(last, apart)
    assert_converts(last, last.get_weights())
    assert_converts(last, [w[::-1, ::-1] if w.ndim == 4 else w for w in apart], Origin(1, "theano"))
    apart = by_gate(first.get_weights(), (0, 2, 1, 3))
    assert_converts(first, [w.transpose(3, 2, 0, 1) if w.ndim == 4 else w for w in apart])
    assert_converts(first, first.get_weights(), Origin(2, "tensorflow"))
    even = built(L.ConvLSTM2D(4, 2), (5, 6, 7, 2))
    with pytest.raises(UnsupportedError, match="other places"):
        converted(even, even.get_weights(), Origin(2, "theano"))


def test_layers_inside_of_others_convert_too() -> None:
    both = built(L.Bidirectional(L.LSTM(2)), (5, 3))
    weights = both.get_weights()
    assert_converts(both, by_gate(weights[:3], (0, 2, 1, 3)) + by_gate(weights[3:], (0, 2, 1, 3)))
    inner = keras.Sequential(
        [L.GRU(2, reset_after=False, input_shape=(5, 3)), L.BatchNormalization(), L.Dense(4)]
    )
    built(inner, (5, 3))
    gru, (gamma, beta, mean, variance), dense = (layer.get_weights() for layer in inner.layers)
    # What trains comes first.
    assert_converts(inner, [*by_gate(gru, (0, 1, 2)), gamma, beta, *dense, mean, variance])


def test_kernels_of_keras_1() -> None:
    one = built(L.Conv1D(4, 3), (7, 2))
    kernel, bias = one.get_weights()
    assert_converts(one, [kernel[:, None], bias])
    assert_converts(one, [kernel.transpose(2, 1, 0)[..., None], bias])
    for layer, shape, axes in (
        (L.Conv2D(4, (3, 2), data_format="channels_first"), (2, 7, 8), (3, 2, 0, 1)),
        (L.Conv3D(4, (3, 2, 1), data_format="channels_first"), (2, 7, 8, 9), (4, 3, 0, 1, 2)),
        (L.Conv2DTranspose(4, (3, 2), data_format="channels_first"), (2, 7, 8), (2, 3, 0, 1)),
        (L.Conv2DTranspose(4, (3, 2)), (7, 8, 2), (0, 1, 3, 2)),
    ):
        kernel, bias = built(layer, shape).get_weights()
        assert_converts(layer, [kernel.transpose(axes), bias])
        assert_converts(layer, [kernel, bias], Origin(2, "tensorflow"))


def test_kernels_from_theano_are_turned_around() -> None:
    layer = built(L.Conv2D(4, (3, 2)), (7, 8, 2))
    kernel, bias = layer.get_weights()
    assert_converts(layer, [kernel[::-1, ::-1], bias], Origin(2, "theano"))
    assert_converts(layer, [kernel, bias], Origin(2, "cntk"))
    dense = built(L.Dense(3), (3,))
    assert_converts(dense, dense.get_weights(), Origin(2, "theano"))


@pytest.mark.parametrize("options", [{"kernel_size": (3, 2)}, {"kernel_size": 3, "strides": 2}], ids=str)
def test_kernels_that_theano_pads_otherwise_are_refused(options: dict[str, Any]) -> None:
    layer = built(L.Conv2D(4, padding="same", **options), (7, 8, 2))
    with pytest.raises(UnsupportedError, match="other places"):
        converted(layer, layer.get_weights(), Origin(2, "theano"))
    assert_converts(layer, layer.get_weights(), Origin(2, "tensorflow"))


@pytest.mark.parametrize(
    ("size", "strides", "same"),
    [(2, 2, False), (3, 2, False), (5, 1, False), (3, 1, True), ((3, 1), 1, True)],
)
def test_pools_that_theano_pads_otherwise_are_refused(
    tmp_path: Path, size: Any, strides: int, same: bool
) -> None:
    path = tmp_path / "m.h5"
    inner = keras.Sequential([L.AveragePooling2D(size, strides, padding="same", input_shape=(6, 6, 2))])
    model = keras.Sequential([inner, L.Flatten(), L.Dense(1)])
    model.save(path)
    keras.models.load_model(path, compile=False)
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["backend"] = "theano"
    if same:
        keras.models.load_model(path, compile=False)
    else:
        with pytest.raises(UnsupportedError, match="other places"):
            keras.models.load_model(path, compile=False)


@pytest.mark.parametrize(("kind", "gates"), [(L.LSTM, 4), (L.GRU, 3)])
def test_fused_layers_have_transposed_gates_and_two_biases(kind: Any, gates: int) -> None:
    layer = built(kind(5), (4, 3))
    kernel, recurrent, bias = layer.get_weights()
    fused = np.hstack([k.ravel(order="F").reshape(k.shape) for k in np.split(kernel, gates, 1)])
    turned = np.hstack([k.T for k in np.split(recurrent, gates, 1)])
    two = np.concatenate([bias * 0.25, bias * 0.75]) if kind is L.LSTM else bias.ravel()
    for new, wanted in zip(
        converted(layer, [fused, turned, two], Origin(2, "tensorflow")), layer.get_weights(), strict=True
    ):
        np.testing.assert_allclose(new, wanted, rtol=1e-6)


def test_other_numbers_of_arrays_are_refused() -> None:
    layer = built(L.LSTM(4), (5, 3))
    for origin in (OLD, Origin(2, "tensorflow")):
        with pytest.raises(FileError, match="number of weights"):
            converted(layer, layer.get_weights() * 3, origin)
    with pytest.raises(FileError, match="number of weights"):
        converted(layer, by_gate(layer.get_weights(), (0, 2, 1, 3)), Origin(2, "tensorflow"))


@pytest.mark.parametrize(("suffix", "turned"), [("", True), (":0", False)])
def test_the_names_in_a_file_of_keras_1_tell_theano(tmp_path: Path, suffix: str, turned: bool) -> None:
    model = keras.Sequential([L.Conv2D(2, 3, input_shape=(4, 4, 1), name="conv")])
    kernel, bias = (
        np.random.default_rng(0).normal(size=w.shape).astype("float32") for w in model.get_weights()
    )
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"convolution2d_1"]
        group = file.create_group("convolution2d_1")
        names = [f"convolution2d_1_{name}{suffix}" for name in ("W", "b")]
        group.attrs["weight_names"] = [name.encode() for name in names]
        group.create_dataset(names[0], data=kernel)
        group.create_dataset(names[1], data=bias)
    model.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(model.get_weights()[0], kernel[::-1, ::-1] if turned else kernel)
