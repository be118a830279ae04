"""What dense, reshaping, Lambda, noise and merge layers do beyond their laws: errors, phases, phases' statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, KgraphError, NotBuiltError, ShapeError
from kgraph.keras import backend as K
from kgraph.keras import layers
from kgraph.keras.layers import Dense, Dropout, Embedding, Input, Lambda, concatenate, dot
from kgraph.keras.models import Model, Sequential
from kgraph.keras.utils.random import set_random_seed
from tests.keras.tracing import values

REFUSED: list[tuple[Callable[[], Any], type[KgraphError], str]] = [
    (lambda: Dense(0), ArgumentError, "units"),
    (lambda: Dense("many"), ArgumentError, "units"),
    (lambda: Dense(3, colour="red"), ArgumentTypeError, "colour"),
    (lambda: Dense(3, activation="no such"), ArgumentError, "no such"),
    (lambda: Dense(3)(Input(())), ShapeError, "rank"),
    (lambda: Dense(3)(Input((None,))), NotBuiltError, "kernel"),
    (lambda: Dropout(1.5), ArgumentError, "rate"),
    (lambda: Dropout(0.5, noise_shape=(2, 3))(Input((4, 3))), ShapeError, "noise_shape"),
    (lambda: layers.GaussianDropout(1.0), ArgumentError, "less than 1"),
    (lambda: layers.Reshape((2, 5))(Input((4, 3))), ShapeError, "12 elements"),
    (lambda: layers.Reshape((-1, -1))(Input((4, 3))), ShapeError, "at most one -1"),
    (lambda: layers.Permute((1, 3)), ArgumentError, "permutation"),
    (lambda: layers.Permute((2, 1))(Input((4,))), ShapeError, "rank 3"),
    (lambda: layers.RepeatVector(2)(Input((4, 3))), ShapeError, "rank 2"),
    (lambda: layers.Conv2D(4, (3, 3, 3)), ArgumentError, "kernel_size"),
    (lambda: layers.Conv2D(4, 3, padding="causal"), ArgumentError, "padding"),
    (lambda: layers.Conv2D(4, 3, data_format="middle"), ArgumentError, "data_format"),
    (lambda: layers.Conv2D(4, 3)(Input((5, 5))), ShapeError, "rank 4"),
    (lambda: layers.Conv2D(4, 3)(Input((5, 5, None))), NotBuiltError, "channels"),
    (lambda: layers.Conv2D(4, 9)(Input((5, 5, 2))), ShapeError, "window is larger"),
    (lambda: layers.Conv2D(4, 3, groups=3)(Input((5, 5, 2))), ArgumentError, "groups"),
    (lambda: layers.Cropping1D(3)(Input((5, 2))), ShapeError, "leave nothing"),
    (lambda: layers.ZeroPadding2D(-1), ArgumentError, "padding"),
    (lambda: Embedding(4, 2, input_length=3)(Input((5,))), ShapeError, "input_length"),
    (lambda: layers.Add()(Input((3,))), ArgumentTypeError, "list"),
    (lambda: layers.Add()([Input((3,)), Input((4,))]), ShapeError, "broadcast"),
    (lambda: layers.Subtract()([Input((3,))] * 3), ShapeError, "number of inputs"),
    (lambda: concatenate([Input((3, 2)), Input((4, 3))], axis=1), ShapeError, "concat"),
    (lambda: dot([Input((3,)), Input((4,))], axes=1), ShapeError, "axes"),
    (lambda: layers.Dot("last"), ArgumentTypeError, "axes"),
    (lambda: layers.LeakyReLU(-1.0), ArgumentError, "negative_slope"),
    (lambda: layers.UpSampling2D(interpolation="cubic"), ArgumentError, "interpolation"),
]


@pytest.mark.parametrize(("make", "error", "says"), REFUSED)
def test_a_mistake_is_refused_with_its_name(
    make: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make()


def test_an_unknown_keyword_is_answered_with_those_there_are() -> None:
    with pytest.raises(ArgumentTypeError, match=r"recurrent_dropout.*units"):
        layers.LSTM(3, recurent_dropout=0.1)


def test_the_global_image_data_format_is_the_default() -> None:
    before = K.image_data_format()
    K.set_image_data_format("channels_first")
    try:
        stack = [
            layers.Conv2D(4, 3),
            layers.MaxPooling2D(),
            layers.ZeroPadding2D(),
            layers.GlobalMaxPooling2D(),
        ]
        shapes = [t.shape for t in _chain(Input((3, 8, 8)), stack)]
    finally:
        K.set_image_data_format(before)
    assert shapes == [(None, 4, 6, 6), (None, 4, 3, 3), (None, 4, 5, 5), (None, 4)]


def _chain(x: Any, stack: list[Any]) -> list[Any]:
    made = []
    for layer in stack:
        made.append(x := layer(x))
    return made


def test_dense_takes_integers() -> None:
    assert Dense(2)(Input((3,), dtype="int32")).dtype == "float32"


def test_an_activity_regularizer_adds_to_the_loss_per_sample() -> None:
    x = np.ones((4, 3), "float32")
    for layer in (
        layers.ActivityRegularization(l1=0.5, input_shape=(3,)),
        layers.Activation("linear", activity_regularizer=K_l1, input_shape=(3,)),
    ):
        model = Sequential([layer])
        model.compile("sgd", "mse")
        assert model.train_on_batch(x, x) == pytest.approx(1.5)


def K_l1(x: Any) -> Any:
    return 0.5 * K.sum(K.abs(x))


def test_lambda_hands_on_arguments_masks_and_the_phase() -> None:
    given = {}

    def function(x: Any, factor: float, mask: Any = None, training: Any = None) -> Any:
        given.update(mask=mask, training=training)
        return x * factor

    x = Input((3,))
    y = Lambda(function, arguments={"factor": 3.0}, output_shape=(3,))(x, training=True)
    assert given == {"mask": None, "training": True}
    np.testing.assert_array_equal(Model(x, y).predict(np.ones((1, 3))), [[3, 3, 3]])


def test_lambda_checks_a_shape_that_it_is_told() -> None:
    with pytest.raises(ShapeError, match="output_shape"):
        Lambda(lambda x: x, output_shape=(4,))(Input((3,)))
    with pytest.raises(ShapeError, match="output_shape"):
        Lambda(lambda x: x, output_shape=lambda shape: (shape[0], shape[1], 1))(Input((3,)))


def test_lambda_makes_a_mask_when_it_is_told_how() -> None:
    x = Embedding(5, 2, mask_zero=True)(Input((4,)))
    assert Lambda(lambda t: t, mask=lambda inputs, mask: mask)(x)._keras_mask is not None
    with pytest.warns(UserWarning, match="does not support masking"):
        assert Lambda(lambda t: t)(x)._keras_mask is None


NOISES = [
    (Dropout(0.3), 1.0, 0.3 / 0.7),
    (layers.GaussianDropout(0.3), 1.0, 0.3 / 0.7),
    (layers.GaussianNoise(0.5), 1.0, 0.25),
]


@pytest.mark.parametrize(("layer", "mean", "variance"), NOISES)
def test_noise_has_the_statistics_that_it_promises(layer: Any, mean: float, variance: float) -> None:
    x = np.ones((200, 500), "float32")
    (y,) = values(lambda t: [layer(t)], x, training=True)
    assert y.mean() == pytest.approx(mean, abs=0.01)
    assert y.var() == pytest.approx(variance, abs=0.01)
    (unchanged,) = values(lambda t: [layer(t)], x)
    np.testing.assert_array_equal(unchanged, x)


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(0).normal(size=(400, 500)).astype("float32")
    (y,) = values(lambda t: [layers.AlphaDropout(0.3)(t)], x, training=True)
    assert y.mean() == pytest.approx(0, abs=0.02)
    assert y.var() == pytest.approx(1, abs=0.03)


def test_dropout_drops_what_its_noise_shape_says_together() -> None:
    x = np.ones((50, 20, 8), "float32")
    for layer in (Dropout(0.5, noise_shape=(None, 1, None)), layers.SpatialDropout1D(0.5)):
        (y,) = values(lambda t, layer=layer: [layer(t)], x, training=True)
        assert set(np.unique(y)) == {0.0, 2.0}
        np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    for rate in (0.0, 1.0):
        (y,) = values(lambda t, rate=rate: [Dropout(rate)(t)], x, training=True)
        assert (y == (rate == 0)).all()


def test_seeds_decide_what_is_dropped() -> None:
    x = np.ones((4, 50), "float32")

    def dropped(layer: Any) -> Any:
        return values(lambda t: [layer(t), layer(t)], x, training=True)

    first, again = dropped(Dropout(0.5, seed=1))
    assert (first != again).any(), "a layer called twice drops something else"
    np.testing.assert_array_equal(first, dropped(Dropout(0.5, seed=1))[0])
    assert (first != dropped(Dropout(0.5, seed=2))[0]).any()


def test_without_a_seed_numpys_generator_decides_what_is_dropped() -> None:
    def dropped(seed: int) -> Any:
        set_random_seed(seed)
        t = Input((50,))
        return K.function([t], [Dropout(0.5)(t, training=True), Dropout(0.5)(t, training=True)])(
            [np.ones((4, 50), "float32")]
        )

    first, second = dropped(3)
    assert (first != second).any(), "two layers drop different things"
    np.testing.assert_array_equal(first, dropped(3)[0])
    assert (first != dropped(4)[0]).any()


def test_the_phase_may_be_fixed_in_a_call() -> None:
    x = np.ones((20, 20), "float32")
    (y,) = values(lambda t: [Dropout(0.5)(t, training=True)], x)
    assert (y == 0).any()
    (y,) = values(lambda t: [Dropout(0.5)(t, training=False)], x, training=True)
    assert (y == 1).all()


def test_masked_elements_do_not_take_part_in_products_and_extrema() -> None:
    a, b = np.full((1, 3, 2), 2.0, "float32"), np.full((1, 3, 2), 3.0, "float32")
    masks = np.array([[True, True, False]]), np.array([[False, True, False]])

    def merged(layer: Any) -> Any:
        made = values(lambda p, q, m, n: [layer([p, q], mask=[m, n])], a, b, *masks)
        return made[0][0, :, 0].tolist()

    assert merged(layers.Multiply()) == [2, 6, 0]
    assert merged(layers.Maximum())[:2] == [2, 3]
    assert merged(layers.Minimum())[:2] == [2, 2]


def test_integers_and_floats_merge_as_floats() -> None:
    y = layers.Add()([Input((3,), dtype="int32"), Input((3,))])
    assert y.dtype == "float32"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_highway_and_maxout_in_their_own_spelling() -> None:
    random = np.random.RandomState(3)
    x = random.randn(5, 4).astype("float32")
    model = Sequential([layers.Highway(init="normal", activation="tanh", bias=True, input_dim=4)])
    kernel, carry_kernel, bias, carry_bias = model.get_weights()
    np.testing.assert_array_equal((bias, carry_bias), [[0.0] * 4, [1.0] * 4])
    model.set_weights([random.randn(*w.shape) for w in (kernel, carry_kernel, bias, carry_bias)])
    kernel, carry_kernel, bias, carry_bias = (w.astype("float64") for w in model.get_weights())
    through = 1 / (1 + np.exp(-(x @ carry_kernel + carry_bias)))
    wanted = through * np.tanh(x @ kernel + bias) + (1 - through) * x
    np.testing.assert_allclose(model.predict(x), wanted, rtol=2e-6, atol=1e-6)

    model = Sequential([layers.MaxoutDense(output_dim=3, nb_feature=2, init="uniform", input_dim=4)])
    kernel, bias = (random.randn(*w.shape).astype("float32") for w in model.get_weights())
    assert (kernel.shape, bias.shape) == ((2, 4, 3), (2, 3))
    model.set_weights([kernel, bias])
    wanted = np.max(np.einsum("bi,fio->bfo", x.astype("float64"), kernel) + bias, axis=1)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=2e-6, atol=1e-6)
