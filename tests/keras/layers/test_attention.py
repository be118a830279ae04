"""Attention beyond its laws: implicit masks, causality, training, files of Keras, any batch and any length."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from kgraph import keras
from kgraph.errors import ArgumentError, ArgumentTypeError, NotBuiltError, ShapeError, UnsupportedError
from kgraph.keras import layers
from kgraph.keras.export import export
from kgraph.keras.layers import (
    AdditiveAttention,
    Attention,
    Dense,
    EinsumDense,
    Embedding,
    Input,
    LayerNormalization,
    MultiHeadAttention,
)
from kgraph.keras.models import Model, Sequential, load_model
from tests.oracle import its_own_warnings, keras_value, needs_keras
from tests.oracle import keras as real_keras

RANDOM = np.random.default_rng(0)
WORDS = np.array([[3, 1, 4, 0, 0], [2, 5, 0, 0, 0], [1, 2, 3, 4, 5]], "int32")
SENTENCES = RANDOM.normal(size=(3, 5, 4)).astype("float32")


def transformer(api: Any, **heads: Any) -> Any:
    """Words -> a class: embedded, attended to, and passed on with what it was, twice; padding is masked."""
    x = api.Input((None,), dtype="int32")
    y = api.layers.Embedding(6, 8, mask_zero=True)(x)
    for number in range(2):
        attended = api.layers.MultiHeadAttention(2, 4, name=f"heads_{number}", **heads)(
            y, y, use_causal_mask=bool(number)
        )
        y = api.layers.LayerNormalization()(api.layers.Add()([y, attended]))
        inner = api.layers.Dense(6, activation="gelu")(y)
        y = api.layers.LayerNormalization()(api.layers.Add()([y, api.layers.Dense(8)(inner)]))
    return api.Model(x, api.layers.Dense(3)(api.layers.GlobalAveragePooling1D()(y)))


def in_general_position(model: Any) -> Any:
    random = np.random.default_rng(3)
    model.set_weights([random.uniform(-0.7, 0.9, weight.shape) for weight in model.get_weights()])
    return model


@needs_keras
@its_own_warnings
@pytest.mark.parametrize("heads", [{}, {"dropout": 0.2}, {"use_gate": True, "sliding_window": 3}], ids=str)
def test_transformers_in_archives_go_both_ways(heads: dict[str, Any], tmp_path: Path) -> None:
    real = real_keras()
    theirs = in_general_position(transformer(real, **heads))
    wanted = keras_value(theirs(WORDS))
    theirs.save(tmp_path / "theirs.keras")
    ours = load_model(tmp_path / "theirs.keras", compile=False)
    np.testing.assert_allclose(ours.predict(WORDS), wanted, rtol=1e-5, atol=1e-5)
    ours.save(tmp_path / "ours.keras")
    again = real.models.load_model(tmp_path / "ours.keras", compile=False)
    np.testing.assert_allclose(keras_value(again(WORDS)), wanted, rtol=1e-5, atol=1e-5)


@needs_keras
@its_own_warnings
def test_attention_over_two_inputs_comes_from_an_archive(tmp_path: Path) -> None:
    def model(api: Any) -> Any:
        a, b = api.Input((None,), dtype="int32"), api.Input((None, 4))
        words = api.layers.Embedding(6, 4, mask_zero=True)(a)
        plain, scores = api.layers.Attention(use_scale=True)([b, words], return_attention_scores=True)
        added = api.layers.AdditiveAttention()([words, b], use_causal_mask=True)
        # Keras takes the masks off what it has given to heads, so that others do not see them.
        other = api.layers.Embedding(6, 4, mask_zero=True)(a)
        heads, weights = api.layers.MultiHeadAttention(2, 3)(b, other, b, return_attention_scores=True)
        return api.Model([a, b], [plain, scores, added, heads, weights])

    theirs = in_general_position(model(real_keras()))
    theirs.save(tmp_path / "theirs.keras")
    ours = load_model(tmp_path / "theirs.keras", compile=False)
    found = ours.predict([WORDS, SENTENCES])
    for one, other in zip(found, theirs([WORDS, SENTENCES]), strict=True):
        np.testing.assert_allclose(one, keras_value(other), rtol=1e-5, atol=1e-6)


def test_padding_changes_nothing() -> None:
    model = in_general_position(transformer(keras))
    for row, wanted in zip(WORDS, model.predict(WORDS), strict=True):
        np.testing.assert_allclose(model.predict(row[row > 0][None])[0], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", [Attention(), AdditiveAttention()], ids=lambda layer: layer.name)
def test_masks_of_query_and_value_come_with_them_and_the_first_goes_on(layer: Any) -> None:
    embedded = Embedding(6, 4, mask_zero=True)(x := Input((None,), dtype="int32"))
    y, weights = layer([embedded, embedded], return_attention_scores=True)
    assert y._keras_mask is embedded._keras_mask
    assert weights._keras_mask is None
    found, looked = Model(x, [y, weights]).predict(WORDS)
    np.testing.assert_array_equal(found[WORDS == 0], 0.0)
    np.testing.assert_array_equal(looked[:2, :, 3:], [np.zeros((5, 2))] * 2)


def test_a_mask_given_to_the_heads_is_one_that_comes_with_the_input() -> None:
    embedded = Embedding(6, 4, mask_zero=True)(x := Input((5,), dtype="int32"))
    layer, mask = MultiHeadAttention(2, 3), embedded._keras_mask
    bare = layers.Lambda(lambda t: t + 0.0, mask=lambda t, m: None)(embedded)
    implicit = layer(embedded, embedded)
    explicit = layer(bare, bare, query_mask=mask, value_mask=mask)
    assert implicit._keras_mask is mask
    one, other = Model(x, [implicit, explicit]).predict(WORDS)
    np.testing.assert_array_equal(one, other)


def test_with_a_causal_mask_the_future_does_not_count() -> None:
    x = Input((None, 4))
    model = Model(x, MultiHeadAttention(2, 3)(x, x, use_causal_mask=True))
    whole = model.predict(SENTENCES)
    for length in range(1, 5):
        np.testing.assert_allclose(
            model.predict(SENTENCES[:, :length]), whole[:, :length], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    "heads", [{}, {"dropout": 0.1}, {"use_gate": True, "kernel_regularizer": "l2"}], ids=str
)
def test_a_transformer_learns(heads: dict[str, Any]) -> None:
    words = RANDOM.integers(1, 6, (96, 7))
    words[::3, 5:] = 0
    first = (words[:, 0] % 3).astype("int32")  # which a mean of the words would not tell
    model = transformer(keras, **heads)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    losses = model.fit(words, first, epochs=20, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_what_attends_learns(name: str) -> None:
    x = Input((5, 4))
    made = getattr(layers, name)(use_scale=True, dropout=0.1)([Dense(4)(x), Dense(4)(x)])
    model = Model(x, Dense(1)(made))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    wanted = SENTENCES[:, ::-1].sum(-1, keepdims=True).mean(1, keepdims=True).repeat(5, 1)
    losses = model.fit(SENTENCES, wanted, epochs=40, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]


def test_dropout_is_there_in_training_only() -> None:
    x = Input((5, 4))
    for attended in (Attention(dropout=0.5)([x, x]), MultiHeadAttention(2, 3, dropout=0.5)(x, x)):
        model = Model(x, attended)
        model.compile("sgd", "mse")
        model.optimizer.learning_rate = 0.0
        calm = model.predict(SENTENCES)
        np.testing.assert_array_equal(model.predict(SENTENCES), calm)
        assert model.evaluate(SENTENCES, calm, verbose=0) == pytest.approx(0.0, abs=1e-10)
        assert model.train_on_batch(SENTENCES, calm) > 1e-4


def test_an_exported_transformer_takes_any_batch_and_length(tmp_path: Path) -> None:
    model = in_general_position(transformer(keras))
    path = export(model, tmp_path / "model.onnx")
    names = [node.op_type for node in onnx.load(str(path)).graph.node]
    # Biases go into the products; what is added are the four shortcuts around heads and dense layers.
    assert [
        names.count(name) for name in ("Gemm", "MatMul", "Softmax", "LayerNormalization", "Gelu", "Add")
    ] == [*(13, 4, 2, 4, 2, 4)]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (node,) = session.get_inputs()
    assert all(isinstance(size, str) for size in node.shape)
    for batch, length in ((1, 1), (2, 9), (5, 3)):
        words = RANDOM.integers(0, 6, (batch, length)).astype("int32")
        words[:, 0] = 1
        (found,) = session.run(None, {node.name: words})
        np.testing.assert_allclose(found, model.predict(words), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gate", [False, True])
def test_heads_are_built_for_shapes_as_for_inputs(gate: bool) -> None:
    shapes = (None, 5, 4), (None, 3, 6), (None, 3, 2)
    built, called = (
        MultiHeadAttention(2, 3, value_dim=7, output_shape=(2, 8), use_gate=gate) for _ in range(2)
    )
    built.build(*shapes)
    query, value, key = (Input(shape[1:]) for shape in shapes)
    assert called(query, value, key).shape == built.compute_output_shape(*shapes) == (None, 5, 2, 8)
    assert [w.shape for w in built.weights] == [w.shape for w in called.weights]
    assert built(query, value, key).shape == (None, 5, 2, 8)
    assert len(built.weights) == (10 if gate else 8)


def test_freezing_the_heads_freezes_what_is_in_them() -> None:
    layer = MultiHeadAttention(2, 3, trainable=False)
    x = Input((5, 4))
    model = Model(x, Dense(1)(layer(x, x)))
    model.compile("sgd", "mse")
    before = layer.get_weights()
    model.train_on_batch(SENTENCES, np.ones((3, 5, 1)))
    assert len(before) == 8
    assert layer.trainable_weights == []
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@needs_keras
def test_regularizers_count_as_in_keras() -> None:
    def penalties(api: Any) -> Any:
        layer = api.layers.MultiHeadAttention(2, 3, kernel_regularizer="l2", bias_regularizer="l1")
        layer(api.Input((5, 4)), api.Input((3, 4)))
        layer.set_weights([np.full(weight.shape, 0.5) for weight in layer.get_weights()])
        return layer.losses

    x = Input((1,))
    ours = Model(x, [x * 0.0 + sum(penalties(keras))]).predict(np.ones((1, 1)))[0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = sum(float(keras_value(penalty)) for penalty in penalties(real_keras()))
    assert ours == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("equation", ["abc,cde->abde", "...c,cde->...de"])
def test_the_scale_of_a_kernel_is_that_of_a_matrix(equation: str) -> None:
    shape = (None, 20, 30) if equation[0] == "a" else (20, 30)
    layer = EinsumDense(equation, shape, kernel_initializer="glorot_uniform")
    layer(Input((2, 50)))
    limit = (6 / (50 + 600)) ** 0.5
    assert 0.98 * limit < np.abs(layer.get_weights()[0]).max() <= limit


def test_bad_equations_and_shapes_are_refused() -> None:
    for equation in ("ab,bc", "ab->ab", "...ab,bc->ac", "ab,bc->ad", "ab,bcd->ac", "...ab...,bc->...ac..."):
        with pytest.raises(ArgumentError, match="bad equation"):
            EinsumDense(equation, (3,))
    with pytest.raises(ArgumentError, match="bias_axes 'b'"):
        EinsumDense("ab,bc->ac", 3, bias_axes="b")
    with pytest.raises(ShapeError, match="1 sizes in output_shape"):
        EinsumDense("ab,bc->ac", (3, 4))(Input((2,)))
    with pytest.raises(ShapeError, match="size 5 for 'b'"):
        EinsumDense("abc,cd->abd", (4, 3))(Input((5, 2)))
    with pytest.raises(ShapeError, match="output_shape"):
        EinsumDense("ab,bc->ac", 3)(Input((2, 4)))
    with pytest.raises(NotBuiltError, match="the kernel has no definite shape"):
        EinsumDense("abc,cd->abd", (None, 3))(Input((2, None)))


def test_bad_arguments_of_attention_are_refused() -> None:
    x, image = Input((5, 4)), Input((3, 5, 4))
    with pytest.raises(ArgumentError, match="score_mode"):
        Attention(score_mode="cosine")
    with pytest.raises(ArgumentTypeError, match="query, value"):
        Attention()(x)
    with pytest.raises(ShapeError, match="wrong number of inputs"):
        AdditiveAttention()([x])
    for bad in ({"num_heads": 0, "key_dim": 1}, {"num_heads": 1, "key_dim": 1, "dropout": 2}):
        with pytest.raises(ArgumentError, match="bad value"):
            MultiHeadAttention(**bad)
    for axes in (0, 3, (1, 1)):
        with pytest.raises((ArgumentError, ShapeError), match="attention_axes"):
            MultiHeadAttention(1, 2, attention_axes=axes)(image, image)
    with pytest.raises(ShapeError, match="as many axes"):
        MultiHeadAttention(1, 2)(image, x)
    with pytest.raises(UnsupportedError, match="along several axes"):
        MultiHeadAttention(1, 2)(image, image, use_causal_mask=True)


def test_a_small_model_of_sequential_layers_may_hold_them() -> None:
    model = Sequential([EinsumDense("ab,bc->ac", 3, input_shape=(4,)), LayerNormalization()])
    assert model.predict(SENTENCES[:, 0]).shape == (3, 3)
