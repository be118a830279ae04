"""What ConvLSTM layers do beyond their laws: masks, training, states that carry over, cells of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, NotBuiltError, ShapeError
from kgraph.keras import backend as K
from kgraph.keras.activations import hard_sigmoid_keras2
from kgraph.keras.layers import ConvLSTM2D, ConvLSTM2DCell, ConvRNN2D, Input, Layer, StackedRNNCells
from kgraph.keras.layers.registry import deserialize, serialize
from kgraph.keras.models import Model, Sequential
from kgraph.keras.saving.dialects import read_model
from tests.oracle import its_own_warnings, keras, keras_value, needs_keras

FORMATS = ("channels_last", "channels_first")
FILMS = np.random.default_rng(0).normal(size=(3, 5, 4, 6, 2)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1]], dtype=bool)


def films(data_format: str) -> np.ndarray[Any, Any]:
    return FILMS if data_format == "channels_last" else np.moveaxis(FILMS, -1, 2)


def settled(model: Any, low: float = -0.5) -> Any:
    """The model with weights in general position."""
    random = np.random.default_rng(1)
    model.set_weights([random.uniform(low, 0.5, weight.shape) for weight in model.get_weights()])
    return model


@needs_keras
@its_own_warnings
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("data_format", FORMATS)
def test_a_masked_step_is_as_if_it_were_not_there(data_format: str, go_backwards: bool) -> None:
    options = {"data_format": data_format, "return_state": True, "go_backwards": go_backwards}
    x = films(data_format)
    inputs, mask = Input(x.shape[1:]), Input((5,), dtype="bool")
    model = settled(Model([inputs, mask], ConvLSTM2D(3, 2, **options)(inputs, mask=mask)))
    made = model.predict([x, MASK])
    theirs = keras().layers.ConvLSTM2D(3, 2, **options)
    theirs.build((None, *x.shape[1:]))
    theirs.set_weights(model.get_weights())
    for row in range(len(x)):
        wanted = theirs(x[row : row + 1, MASK[row]])
        for ours, other in zip(made, wanted, strict=True):
            np.testing.assert_allclose(ours[row], keras_value(other)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_step_of_training_goes_down_the_slope(padding: str, data_format: str) -> None:
    x = films(data_format).astype("float64")
    layer = ConvLSTM2D(
        3, (3, 2), strides=(1, 2), padding=padding, data_format=data_format, return_sequences=True,
        dtype="float64", input_shape=(None, *x.shape[2:]),
    )  # fmt: skip
    model = settled(Sequential([layer]))
    random = np.random.default_rng(2)
    target = random.normal(size=model.predict(x).shape)
    before = model.get_weights()
    direction = [random.normal(size=weight.shape) for weight in before]

    def loss(step: float) -> float:
        model.set_weights([w + step * d for w, d in zip(before, direction, strict=True)])
        return float(np.mean((model.predict(x) - target) ** 2))

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    model.set_weights(before)
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 1.0
    model.train_on_batch(x, target)
    moved = sum(
        float(((b - a) * d).sum()) for a, b, d in zip(model.get_weights(), before, direction, strict=True)
    )
    assert moved == pytest.approx(slope, rel=1e-5)


def test_it_learns_with_dropout() -> None:
    model = Sequential(
        [
            ConvLSTM2D(
                4, 3, padding="same", dropout=0.1, recurrent_dropout=0.1, seed=1, input_shape=(None, 4, 6, 2)
            )
        ]
    )
    model.compile("adam", "mse")
    model.optimizer.learning_rate = 0.02
    target = np.tanh(FILMS.mean(1).sum(-1, keepdims=True)) * np.ones(4, "float32") * 0.5
    losses = model.fit(FILMS, target, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 0.35 * losses[0]


def test_dropout_drops_the_same_at_every_step() -> None:
    layer = ConvLSTM2D(
        3, 2, dropout=0.5, recurrent_activation="relu", unit_forget_bias=False, return_sequences=True
    )
    still = np.repeat(FILMS[:, :1], 4, axis=1)
    inputs = Input(still.shape[1:])
    model = Model(inputs, [layer(inputs, training=True), layer(inputs, training=False)])
    kernel, recurrent, bias = settled(model, low=0.1).get_weights()
    kernel[..., 3:6] = 0  # nothing is remembered, so that a step depends on its inputs alone
    model.set_weights([kernel, np.zeros_like(recurrent), np.zeros_like(bias)])
    dropped, whole = model.predict(still)
    for step in range(1, 4):
        np.testing.assert_allclose(dropped[:, step], dropped[:, 0], rtol=1e-6, atol=1e-7)
    assert np.abs(dropped - whole).max() > 0.1


def test_states_carry_over_batches_until_they_are_reset() -> None:
    model = settled(Sequential([ConvLSTM2D(3, 3, stateful=True, batch_input_shape=(3, None, 4, 6, 2))]))
    free = Sequential([ConvLSTM2D(3, 3, input_shape=(None, 4, 6, 2))])
    free.set_weights(model.get_weights())
    model.predict(FILMS[:, :3], batch_size=3)
    whole = free.predict(FILMS)
    np.testing.assert_allclose(model.predict(FILMS[:, 3:], batch_size=3), whole, rtol=1e-5, atol=1e-6)
    model.reset_states()
    np.testing.assert_allclose(model.predict(FILMS, batch_size=3), whole, rtol=1e-5, atol=1e-6)


def test_the_sizes_of_images_may_differ_from_call_to_call() -> None:
    model = settled(Sequential([ConvLSTM2D(3, 3, strides=2, input_shape=(None, None, None, 2))]))
    fixed = Sequential([ConvLSTM2D(3, 3, strides=2, input_shape=(5, 4, 5, 2))])
    fixed.set_weights(model.get_weights())
    assert model.output_shape == (None, None, None, 3)
    assert model.predict(FILMS).shape == (3, 1, 2, 3)
    part = FILMS[:, :, :, :5]
    np.testing.assert_allclose(model.predict(part), fixed.predict(part), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_cell_step_by_step_is_the_layer(data_format: str) -> None:
    """As one of stacked cells it is called for each step, with no convolution of all inputs at once."""
    x = films(data_format)
    options: dict[str, Any] = {"data_format": data_format, "activation": "softmax"}
    inputs = Input(x.shape[1:])
    stack = StackedRNNCells([ConvLSTM2DCell(3, 2, **options), ConvLSTM2DCell(2, 2, **options)])
    cells = settled(Model(inputs, ConvRNN2D(stack, return_sequences=True)(inputs)))
    hidden = ConvLSTM2D(3, 2, return_sequences=True, **options)(inputs)
    whole = Model(inputs, ConvLSTM2D(2, 2, return_sequences=True, **options)(hidden))
    whole.set_weights(cells.get_weights())
    np.testing.assert_allclose(cells.predict(x), whole.predict(x), rtol=1e-5, atol=1e-6)


def test_a_configuration_of_keras_1_makes_the_layer() -> None:
    config = {
        "name": "films",
        "trainable": True,
        "batch_input_shape": [None, 5, 4, 6, 2],
        "input_dtype": "float32",
        "return_sequences": True,
        "go_backwards": False,
        "stateful": False,
        "unroll": False,
        "consume_less": "cpu",
        "nb_filter": 3,
        "nb_row": 3,
        "nb_col": 2,
        "init": "glorot_uniform",
        "inner_init": "orthogonal",
        "forget_bias_init": "one",
        "activation": "tanh",
        "inner_activation": "hard_sigmoid",
        "border_mode": "same",
        "subsample": [1, 1],
        "dim_ordering": "tf",
        "W_regularizer": None,
        "dropout_W": 0.0,
        "dropout_U": 0.1,
    }
    entry = {"class_name": "ConvLSTM2D", "config": config}
    read = read_model({"class_name": "Sequential", "config": [entry]}, keras_version="1.2.2")
    with pytest.warns(DeprecationWarning, match="is the old spelling of"):
        model = Sequential.from_config(read["config"])
    layer = model.layers[-1]
    assert (layer.kernel_size, layer.padding, layer.recurrent_dropout) == ((3, 2), "same", 0.1)
    assert layer.recurrent_activation is hard_sigmoid_keras2
    assert model.output_shape == (None, 5, 4, 6, 3)


class Blend(Layer):
    """A cell of images as users write them."""

    state_size = ((4, 6, 2),)

    def call(self, inputs: Any, states: Any) -> Any:
        blended = 0.5 * (inputs + states[0])
        return blended, [blended]


def test_it_walks_cells_of_ones_own() -> None:
    model = Sequential([ConvRNN2D(Blend(), input_shape=(None, 4, 6, 2))])
    wanted = np.zeros_like(FILMS[:, 0])
    for t in range(5):
        wanted = 0.5 * (FILMS[:, t] + wanted)
    np.testing.assert_allclose(model.predict(FILMS), wanted, rtol=1e-6, atol=1e-6)


def test_the_forget_gate_starts_open() -> None:
    layer = ConvLSTM2D(2, 3, bias_initializer="zeros")
    layer.build((None, None, 4, 6, 2))
    np.testing.assert_array_equal(layer.get_weights()[2], [0, 0, 1, 1, 0, 0, 0, 0])


def test_the_arguments_of_the_cell_are_attributes() -> None:
    layer = ConvLSTM2D(3, 2, data_format="channels_first", kernel_regularizer="l2", recurrent_dropout=0.2)
    again = deserialize(serialize(layer))
    for made in (layer, again):
        assert (made.filters, made.kernel_size, made.padding) == (3, (2, 2), "valid")
        assert (made.data_format, made.recurrent_dropout) == ("channels_first", 0.2)
        assert isinstance(made, ConvRNN2D)
        assert made.kernel_regularizer.get_config() == layer.kernel_regularizer.get_config()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ConvLSTM2D(3, 2)(Input((5, 4, 2))), ShapeError, "rank 5"),
        (lambda: ConvLSTM2D(3, 2)(Input((5, 4, 6, None))), NotBuiltError, "must know its channels"),
        (lambda: ConvLSTM2D(3, 5)(Input((5, 4, 6, 2))), ShapeError, "window is larger"),
        (lambda: ConvLSTM2D(3, 2, padding="full"), ArgumentError, "padding"),
        (lambda: ConvLSTM2D(0, 2), ArgumentError, "filters"),
        (
            lambda: ConvLSTM2D(3, 2, stateful=True)(Input(batch_shape=(2, 5, None, 6, 2))),
            ArgumentError,
            r"must know the sizes of its states",
        ),
        (
            lambda: ConvLSTM2D(3, 2)(Input((5, 4, 6, 2)), initial_state=[K.zeros((1, 3, 5, 2))] * 2),
            ShapeError,
            "initial state does not fit",
        ),
    ],
)
def test_misuse_says_what_was_expected(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "expected" in str(caught.value)
    assert "got" in str(caught.value)
