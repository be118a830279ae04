"""What recurrent layers do beyond their laws: states that carry over, initial states in models, cells of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, KgraphError, ShapeError
from kgraph.keras import backend as K
from kgraph.keras import layers
from kgraph.keras.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    GRUCell,
    Input,
    Layer,
    LSTMCell,
    SimpleRNN,
    StackedRNNCells,
    TimeDistributed,
)
from kgraph.keras.layers.registry import deserialize, serialize
from kgraph.keras.models import Model, Sequential
from kgraph.keras.utils import set_random_seed
from tests.keras.tracing import values

X = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")


class Minimal(Layer):
    """A cell as Keras users write them, with a constant to add if it is given one."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape: Any) -> None:
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], self.units), initializer="uniform")
        self.again = self.add_weight(name="again", shape=(self.units, self.units), initializer="uniform")
        self.built = True

    def call(self, inputs: Any, states: Any, constants: Any = None) -> Any:
        output = K.tanh(K.dot(inputs, self.kernel) + K.dot(states[0], self.again))
        if constants:
            output = output + constants[0]
        return output, [output]


@pytest.mark.parametrize("layer_class", [SimpleRNN, GRU, LSTM])
def test_states_carry_over_batches_until_they_are_reset(layer_class: Any) -> None:
    model = Sequential([layer_class(4, stateful=True, batch_input_shape=(2, None, 3))])
    free = Sequential([layer_class(4, input_shape=(None, 3))])
    free.set_weights(model.get_weights())
    first, second = model.predict(X[:, :4]), model.predict(X[:, 4:])
    np.testing.assert_allclose(first, free.predict(X[:, :4]), rtol=1e-5)
    np.testing.assert_allclose(second, free.predict(X), rtol=1e-5)
    model.reset_states()
    np.testing.assert_allclose(model.predict(X[:, :4]), first, rtol=1e-5)


@pytest.mark.parametrize("wrap", [lambda layer: layer, Bidirectional], ids=["plain", "bidirectional"])
def test_training_and_wrappers_carry_states_too(wrap: Callable[[Any], Any]) -> None:
    layer = wrap(LSTM(4, stateful=True, batch_input_shape=(2, 6, 3)))
    model = Sequential([layer])
    assert model.stateful
    model.compile("sgd", "mse")
    y = np.zeros((2, *model.output_shape[1:]))
    inner = layer.forward_layer if isinstance(layer, Bidirectional) else layer
    model.train_on_batch(X, y)
    carried = inner.states[0].numpy()
    assert np.abs(carried).max() > 0
    model.train_on_batch(X, y)
    assert np.abs(inner.states[0].numpy() - carried).max() > 0
    model.reset_states()
    assert not inner.states[0].numpy().any()


def test_states_can_be_set() -> None:
    layer = LSTM(4, stateful=True, batch_input_shape=(2, 6, 3))
    model = Sequential([layer])
    states = [np.full((2, 4), 0.5), np.full((2, 4), -0.5)]
    layer.reset_states(states)
    np.testing.assert_array_equal(layer.states[0].numpy(), states[0])
    x, h, c = Input((6, 3)), Input((4,)), Input((4,))
    cloned = LSTM(4)
    free = Model([x, h, c], cloned(x, initial_state=[h, c]))
    cloned.set_weights(layer.get_weights())
    np.testing.assert_allclose(model.predict(X), free.predict([X, *states]), rtol=1e-5)
    with pytest.raises(DataError, match="states do not fit"):
        layer.reset_states([np.zeros((3, 4))])


def test_an_encoder_hands_its_state_to_a_decoder() -> None:
    source, target = Input((None, 3)), Input((None, 3))
    _, *states = LSTM(4, return_state=True)(source)
    as_keyword = LSTM(4, name="decoder")(target, initial_state=states)
    model = Model([source, target], as_keyword)
    as_list = Model([source, target], model.get_layer("decoder")([target, *states]))
    derived = model.get_layer("decoder")(target, initial_state=[state * 1.0 for state in states])
    wanted = model.predict([X, X[:, :2]])
    np.testing.assert_allclose(as_list.predict([X, X[:, :2]]), wanted, rtol=1e-6)
    np.testing.assert_allclose(Model([source, target], derived).predict([X, X[:, :2]]), wanted, rtol=1e-6)
    assert np.abs(wanted - model.predict([-X, X[:, :2]])).max() > 1e-3
    nested = Model([source, target], model([source, target]))
    np.testing.assert_allclose(nested.predict([X, X[:, :2]]), wanted, rtol=1e-6)


def test_a_cell_of_ones_own_is_walked_stacked_and_saved() -> None:
    layer = RNN([Minimal(4), Minimal(2)], return_sequences=True, return_state=True)
    outputs = layer(Input((None, 3)))
    assert [t.shape for t in outputs] == [(None, None, 2), (None, 4), (None, 2)]
    again = deserialize(serialize(layer), {"Minimal": Minimal})
    assert [cell.units for cell in again.cell.cells] == [4, 2]
    kernel, recurrent = (w.numpy() for w in layer.cell.cells[0].weights)
    h = np.zeros((2, 4), "float32")
    for t in range(6):
        h = np.tanh(X[:, t] @ kernel + h @ recurrent)
    np.testing.assert_allclose(values(lambda x: [layer(x)[1]], X, static=True)[0], h, rtol=1e-5)


def test_constants_reach_every_step() -> None:
    layer = RNN(Minimal(4))
    x, c = Input((6, 3)), Input((4,))
    model = Model([x, c], layer(x, constants=[c]))
    zero, one = model.predict([X, np.zeros((2, 4))]), model.predict([X, np.ones((2, 4))])
    np.testing.assert_allclose(zero, Model(x, layer(x)).predict(X), rtol=1e-6)
    assert (one - zero > 0.5).all()


def test_dropout_in_a_cell_drops_the_same_at_every_step_and_only_in_training() -> None:
    x = np.ones((40, 5, 8), "float32")
    layer = SimpleRNN(8, activation="linear", dropout=0.5, return_sequences=True)
    values(lambda t: [layer(t)], x, static=True)
    layer.set_weights([np.eye(8), np.zeros((8, 8)), np.zeros(8)])
    (trained,) = values(lambda t: [layer(t)], x, training=True, static=True)
    assert set(np.unique(trained)) == {0.0, 2.0}
    np.testing.assert_array_equal(trained, np.broadcast_to(trained[:, :1], trained.shape))
    np.testing.assert_array_equal(values(lambda t: [layer(t)], x, static=True)[0], x)


@pytest.mark.parametrize("layer_class", [SimpleRNN, GRU, LSTM])
@pytest.mark.parametrize("unroll", [False, True])
def test_recurrent_dropout_drops_the_same_of_the_state_at_every_step(layer_class: Any, unroll: bool) -> None:
    set_random_seed(0)  # weights whose outputs are not near zero, where relative errors mean little
    layer = layer_class(8, recurrent_dropout=0.5, return_sequences=True, unroll=unroll)
    x = np.ones((4, 5, 8), "float32")
    first = values(lambda t: [layer(t)], x, training=True, static=True)[0]
    calm = values(lambda t: [layer(t)], x, static=True)[0]
    np.testing.assert_allclose(first[:, 0], calm[:, 0], rtol=1e-5)  # the first state is zero: nothing to drop
    assert np.abs(first[:, 1:] - calm[:, 1:]).max() > 1e-4
    layer.cell.recurrent_dropout = 0.0
    np.testing.assert_allclose(
        values(lambda t: [layer(t)], x, training=True, static=True)[0], calm, rtol=1e-5
    )


def test_a_layer_has_the_arguments_of_its_cell() -> None:
    layer = LSTM(4, "relu", "hard_sigmoid", False, unit_forget_bias=False)
    assert (layer.units, layer.activation.__name__, layer.use_bias) == (4, "relu", False)
    assert layer.cell.recurrent_activation.__name__ == "hard_sigmoid"
    with pytest.raises(AttributeError, match="no attribute 'reset_after'"):
        _ = layer.reset_after
    assert not LSTM(4, trainable=False).cell.trainable


def test_forget_gates_start_open() -> None:
    layer = LSTM(2)
    layer(Input((None, 3)))
    np.testing.assert_array_equal(layer.cell.bias.numpy(), [0, 0, 1, 1, 0, 0, 0, 0])


def test_input_dim_and_input_length_give_the_shape() -> None:
    assert Sequential([LSTM(4, input_dim=3, input_length=6)]).input_shape == (None, 6, 3)
    assert Sequential([LSTM(4, input_dim=3)]).input_shape == (None, None, 3)


def test_bidirectional_and_time_distributed_know_the_shape_of_what_they_wrap() -> None:
    assert Sequential([Bidirectional(LSTM(4, input_shape=(6, 3)))]).output_shape == (None, 8)
    assert Sequential([Bidirectional(LSTM(4), input_shape=(6, 3))]).output_shape == (None, 8)
    assert Sequential([TimeDistributed(Dense(4), input_shape=(6, 3))]).output_shape == (None, 6, 4)


def test_a_wrapped_layer_trains() -> None:
    model = Sequential(
        [Bidirectional(GRU(4, return_sequences=True), input_shape=(6, 3)), TimeDistributed(Dense(1))]
    )
    model.compile("adam", "mse")
    before = model.get_weights()
    model.train_on_batch(X, np.ones((2, 6, 1)))
    assert all(np.abs(old - new).max() > 0 for old, new in zip(before, model.get_weights(), strict=True))


def test_weights_of_a_bidirectional_layer_are_those_forward_then_backward() -> None:
    weights = [np.full(shape, i, "float32") for i, shape in enumerate([(3, 8), (2, 8), (8,)] * 2)]
    layer = Bidirectional(LSTM(2), weights=weights, input_shape=(6, 3))
    Sequential([layer])
    assert [w[0].mean() for w in layer.forward_layer.get_weights()] == [0, 1, 2]
    assert [w[0].mean() for w in layer.backward_layer.get_weights()] == [3, 4, 5]


REFUSED: list[tuple[Callable[[], Any], type[KgraphError], str]] = [
    (lambda: RNN(Dense(3)), ArgumentError, "not an RNN cell"),
    (lambda: StackedRNNCells([3]), ArgumentError, "not an RNN cell"),
    (lambda: LSTM(4)(Input((3,))), ShapeError, "rank"),
    (lambda: LSTM(4, stateful=True)(Input((6, 3))), ArgumentError, "batch size"),
    (lambda: LSTM(4, unroll=True)(Input((None, 3))), ArgumentError, "unrolled"),
    (lambda: LSTM(4)(Input((6, 3)), initial_state=[Input((4,))]), ShapeError, "initial state"),
    (lambda: GRU(4)([Input((6, 3)), Input((5,))]), ShapeError, "initial state"),
    (lambda: LSTM(4, dropout=1.0), ArgumentError, "dropout"),
    (lambda: Bidirectional(Dense(3)), ArgumentTypeError, "recurrent"),
    (lambda: Bidirectional(LSTM(3), merge_mode="max"), ArgumentError, "merge_mode"),
    (lambda: Bidirectional(LSTM(3), backward_layer=LSTM(3)), ArgumentError, "go_backwards"),
    (lambda: TimeDistributed(3), ArgumentTypeError, "wraps a layer"),
    (lambda: TimeDistributed(Dense(3))(Input((4,))), ShapeError, "rank"),
]


@pytest.mark.parametrize(("make", "error", "says"), REFUSED)
def test_a_mistake_is_refused_with_its_name(
    make: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make()


def test_cells_can_be_called_alone() -> None:
    for cell in (LSTMCell(4), GRUCell(4), layers.SimpleRNNCell(4)):
        x, h = Input((3,)), [Input((4,)) for _ in range(2 if isinstance(cell, LSTMCell) else 1)]
        output, states = cell(x, h)
        assert output.shape == (None, 4)
        assert len(states) == len(h)
