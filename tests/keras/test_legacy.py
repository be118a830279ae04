"""Keras 1 spellings: each gives the layer that the new spelling gives, and a warning that names the new one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError
from kgraph.keras import backend as K
from kgraph.keras import layers
from kgraph.keras.layers import Dense, Input, Merge, merge
from kgraph.keras.legacy import legacy
from kgraph.keras.models import Model, Sequential

# (old, new), as calls on a namespace of layers.
SPELLINGS: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda ns: ns.Dense(output_dim=3), lambda ns: ns.Dense(3)),
    (lambda ns: ns.Dense(3, init="uniform"), lambda ns: ns.Dense(3, kernel_initializer="uniform")),
    (
        lambda ns: ns.Dense(3, W_regularizer="l2", b_regularizer="l1", bias=True),
        lambda ns: ns.Dense(3, kernel_regularizer="l2", bias_regularizer="l1"),
    ),
    (
        lambda ns: ns.Dense(3, W_constraint="max_norm", b_constraint="non_neg"),
        lambda ns: ns.Dense(3, kernel_constraint="max_norm", bias_constraint="non_neg"),
    ),
    (lambda ns: ns.Dropout(p=0.3), lambda ns: ns.Dropout(0.3)),
    (lambda ns: ns.GaussianNoise(sigma=0.3), lambda ns: ns.GaussianNoise(0.3)),
    (lambda ns: ns.Convolution2D(4, 3, 2), lambda ns: ns.Conv2D(4, (3, 2))),
    (lambda ns: ns.Convolution2D(4, nb_row=3, nb_col=2), lambda ns: ns.Conv2D(4, (3, 2))),
    (lambda ns: ns.Convolution2D(4, 3, nb_col=2), lambda ns: ns.Conv2D(4, (3, 2))),
    (lambda ns: ns.Convolution2D(nb_filter=4, nb_row=3, nb_col=2), lambda ns: ns.Conv2D(4, (3, 2))),
    (
        lambda ns: ns.Convolution2D(4, 3, 3, border_mode="same", subsample=(2, 1), dim_ordering="th"),
        lambda ns: ns.Conv2D(4, 3, padding="same", strides=(2, 1), data_format="channels_first"),
    ),
    (
        lambda ns: ns.Convolution2D(4, 3, 3, dim_ordering="tf"),
        lambda ns: ns.Conv2D(4, 3, data_format="channels_last"),
    ),
    (lambda ns: ns.AtrousConvolution2D(4, 3, 3, atrous_rate=2), lambda ns: ns.Conv2D(4, 3, dilation_rate=2)),
    (lambda ns: ns.Convolution3D(4, 1, 2, 3), lambda ns: ns.Conv3D(4, (1, 2, 3))),
    (lambda ns: ns.Deconvolution2D(4, 3, 3), lambda ns: ns.Conv2DTranspose(4, 3)),
    (
        lambda ns: ns.Convolution1D(nb_filter=4, filter_length=3, subsample_length=2),
        lambda ns: ns.Conv1D(4, 3, strides=2),
    ),
    (
        lambda ns: ns.LocallyConnected1D(nb_filter=4, filter_length=3, subsample_length=2, bias=False),
        lambda ns: ns.LocallyConnected1D(4, 3, strides=2, use_bias=False),
    ),
    (
        lambda ns: ns.LocallyConnected2D(
            4, nb_row=3, nb_col=2, border_mode="valid", subsample=(2, 1), dim_ordering="th", init="uniform"
        ),
        lambda ns: ns.LocallyConnected2D(
            4, (3, 2), (2, 1), data_format="channels_first", kernel_initializer="uniform"
        ),
    ),
    (
        lambda ns: ns.MaxPooling1D(pool_length=3, stride=2, border_mode="same"),
        lambda ns: ns.MaxPooling1D(3, strides=2, padding="same"),
    ),
    (
        lambda ns: ns.AveragePooling2D(dim_ordering="th"),
        lambda ns: ns.AveragePooling2D(data_format="channels_first"),
    ),
    (
        lambda ns: ns.ZeroPadding2D(dim_ordering="th"),
        lambda ns: ns.ZeroPadding2D(data_format="channels_first"),
    ),
    (lambda ns: ns.UpSampling1D(length=3), lambda ns: ns.UpSampling1D(3)),
    (
        lambda ns: ns.BatchNormalization(beta_init="ones", gamma_init="zeros"),
        lambda ns: ns.BatchNormalization(beta_initializer="ones", gamma_initializer="zeros"),
    ),
    (
        lambda ns: ns.Embedding(5, 3, init="normal", W_regularizer="l2", W_constraint="non_neg"),
        lambda ns: ns.Embedding(5, 3, "normal", "l2", embeddings_constraint="non_neg"),
    ),
    (
        lambda ns: ns.LSTM(
            output_dim=3, init="zero", inner_init="one", inner_activation="relu", forget_bias_init="one"
        ),
        lambda ns: ns.LSTM(3, "tanh", "relu", kernel_initializer="zeros", recurrent_initializer="ones"),
    ),
    (
        lambda ns: ns.ConvLSTM2D(
            nb_filter=3,
            nb_row=2,
            nb_col=1,
            border_mode="same",
            subsample=(2, 1),
            dim_ordering="th",
            inner_init="one",
            inner_activation="relu",
            dropout_U=0.2,
            b_regularizer="l2",
        ),
        lambda ns: ns.ConvLSTM2D(
            3,
            (2, 1),
            (2, 1),
            "same",
            "channels_first",
            recurrent_initializer="ones",
            recurrent_activation="relu",
            recurrent_dropout=0.2,
            bias_regularizer="l2",
        ),
    ),
    (
        lambda ns: ns.GRU(3, dropout_W=0.2, dropout_U=0.3, U_regularizer="l2", consume_less="gpu"),
        lambda ns: ns.GRU(3, dropout=0.2, recurrent_dropout=0.3, recurrent_regularizer="l2"),
    ),
]


def config(layer: Any) -> dict[str, Any]:
    return {key: value for key, value in layer.get_config().items() if key != "name"}


@pytest.mark.parametrize(("old", "new"), SPELLINGS)
def test_an_old_spelling_means_the_new_one_and_says_so(
    old: Callable[[Any], Any], new: Callable[[Any], Any]
) -> None:
    with pytest.warns(DeprecationWarning, match="is the old spelling of") as caught:
        layer = old(layers)
    assert all(warning.filename == __file__ for warning in caught)
    assert config(layer) == config(new(layers))


def test_new_spellings_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _, new in SPELLINGS:
            new(layers)
        assert layers.Convolution2D(4, (3, 3)).kernel_size == (3, 3)
        assert layers.Convolution2D(4, 3, strides=2).kernel_size == (3, 3)


def test_two_integers_are_a_kernel_for_keras_1_and_size_and_strides_since() -> None:
    assert layers.Conv2D(4, 3, 2).strides == (2, 2)
    with pytest.warns(DeprecationWarning, match="kernel_size"):
        assert layers.Convolution2D(4, 3, 2).strides == (1, 1)


def test_both_spellings_at_once_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="output_dim"):
        Dense(units=3, output_dim=3)


def test_names_that_make_one_value_come_together() -> None:
    @legacy(size=("width", "height"))
    def area(size: tuple[int, int]) -> int:
        return size[0] * size[1]

    with pytest.warns(DeprecationWarning, match=r"area: width, height= is the old spelling of size="):
        assert area(width=2, height=3) == 6
    with pytest.raises(ArgumentTypeError, match="width with height"):
        area(width=2)


A, B = (np.random.default_rng(i).normal(size=(5, 4)).astype("float32") for i in range(2))


def cosine(a: Any, b: Any) -> Any:
    return (
        (a * b).sum(1, keepdims=True)
        / np.linalg.norm(a, axis=1, keepdims=True)
        / np.linalg.norm(b, axis=1)[:, None]
    )


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("sum", A + B),
        ("mul", A * B),
        ("ave", (A + B) / 2),
        ("max", np.maximum(A, B)),
        ("min", np.minimum(A, B)),
        ("concat", np.concatenate([A, B], 1)),
        ("dot", (A * B).sum(1, keepdims=True)),
        ("cos", cosine(A, B)),
        (lambda x: x[0] - x[1], A - B),
    ],
)
@pytest.mark.filterwarnings("ignore:Merge:DeprecationWarning")
def test_merge_joins_branches_in_front_of_a_sequential_and_tensors(mode: Any, wanted: Any) -> None:
    left, right = (Sequential([layers.Activation("linear", input_shape=(4,))]) for _ in range(2))
    model = Sequential([Merge([left, right], mode=mode)])
    np.testing.assert_allclose(model.predict([A, B]), wanted, rtol=1e-5)
    again = Sequential.from_config(model.get_config())
    np.testing.assert_allclose(again.predict([A, B]), wanted, rtol=1e-5)
    a, b = Input((4,)), Input((4,))
    np.testing.assert_allclose(Model([a, b], merge([a, b], mode=mode)).predict([A, B]), wanted, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Merge:DeprecationWarning")
def test_merge_takes_axes_and_arguments() -> None:
    a, b = Input((2, 3)), Input((2, 3))
    assert merge([a, b], mode="concat", concat_axis=1).shape == (None, 4, 3)
    assert merge([a, b], mode="dot", dot_axes=(2, 2)).shape == (None, 2, 2)
    assert merge([a, b], mode="dot", dot_axes=[[1], [1]]).shape == (None, 3, 3)
    made = merge(
        [a, b], mode=lambda x, axis: K.concatenate(x, axis), arguments={"axis": 2}, output_shape=(2, 6)
    )
    assert made.shape == (None, 2, 6)


@pytest.mark.filterwarnings("ignore:Merge:DeprecationWarning")
def test_merge_refuses_unknown_modes_and_single_branches() -> None:
    with pytest.raises(ArgumentError, match="unknown mode"):
        Merge(mode="add")
    with pytest.raises(ArgumentError, match="2 or more"):
        Sequential([Merge([Sequential([Dense(3, input_dim=2)])])])


@pytest.mark.filterwarnings("ignore:Merge:DeprecationWarning")
def test_merged_branches_train_with_the_rest() -> None:
    branches = [Sequential([Dense(3, input_dim=4)]) for _ in range(2)]
    model = Sequential([Merge(branches, mode="concat"), Dense(1)])
    assert len(model.trainable_weights) == 6
    model.compile("sgd", "mse")
    before = branches[0].get_weights()[0]
    model.train_on_batch([A, B], np.ones((5, 1)))
    assert np.abs(branches[0].get_weights()[0] - before).max() > 0
