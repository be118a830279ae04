"""`clone_model`: the same architecture and names, weights of its own, as real Keras has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import ArgumentError, UnsupportedError
from kgraph.keras import backend as K
from kgraph.keras import layers as L
from kgraph.keras.models import clone_model
from tests import oracle

X = np.random.RandomState(0).randn(6, 4).astype("float32")
Z = np.random.RandomState(1).randn(6, 4).astype("float32")
STEPS = np.random.RandomState(2).randn(6, 5, 4).astype("float32")


class Scale(L.Layer):
    """In no registry."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight(name="w", shape=(input_shape[-1],), initializer="random_normal")

    def call(self, inputs: Any) -> Any:
        return inputs * self.w * self.factor


def doubled_tanh(x: Any) -> Any:
    return K.tanh(x) * 2


def agrees(model: Any, *inputs: np.ndarray, **kwargs: Any) -> Any:
    """A clone that has been compared with the model: class, names, weights of its own, predictions."""
    clone = clone_model(model, **kwargs)
    assert type(clone) is type(model)
    assert clone.name == model.name
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert not set(clone.weights) & set(model.weights)
    clone.set_weights(model.get_weights())
    data = list(inputs) if len(inputs) > 1 else inputs[0]
    wanted, got = model.predict(data), clone.predict(data)
    for a, b in zip(*([w] if isinstance(w, np.ndarray) else w for w in (wanted, got)), strict=True):
        np.testing.assert_array_equal(a, b)
    return clone


# -- beside real Keras


def stack(k: Any) -> Any:
    return k.Sequential(
        [
            k.layers.Input((4,), name="x"),
            k.layers.Dense(3, activation="tanh", name="a"),
            k.layers.Dense(2, name="b"),
        ],
        name="stack",
    )


def shared(k: Any) -> Any:
    x, y, twice = (
        k.layers.Input((4,), name="x"),
        k.layers.Input((4,), name="y"),
        k.layers.Dense(3, name="twice"),
    )
    joined = k.layers.Concatenate(name="join")([twice(x), twice(y)])
    return k.Model([x, y], k.layers.Dense(2, name="out")(joined), name="shared")


def nested(k: Any) -> Any:
    x, y, inner = k.layers.Input((4,), name="x"), k.layers.Input((4,), name="y"), stack(k)
    return k.Model([x, y], k.layers.Subtract(name="difference")([inner(x), inner(y)]), name="nested")


def frozen(k: Any) -> Any:
    model = stack(k)
    model.layers[0].trainable = False
    return model


@oracle.needs_keras
@oracle.its_own_warnings
@pytest.mark.parametrize("build", [stack, shared, nested, frozen])
@pytest.mark.parametrize("how", ["plain", "function", "tensors"])
def test_clones_are_those_of_keras(build: Callable[[Any], Any], how: str) -> None:
    found = []
    for k, clone in ((oracle.keras(), oracle.keras().models.clone_model), (keras, clone_model)):
        model, asked = build(k), list[str]()

        def copy(layer: Any, asked: list[str] = asked) -> Any:
            asked.append(layer.name)
            return layer.__class__.from_config(layer.get_config())

        count = len(model.inputs)
        given = [k.layers.Input((4,), name=f"new_{i}") for i in range(count)]
        made = clone(
            model,
            input_tensors=given if how == "tensors" else None,
            clone_function=copy if how == "function" else None,
        )
        found.append(
            {
                "name": made.name,
                "layers": [layer.name for layer in made.layers if not layer.name.startswith("new")],
                "trainable": [layer.trainable for layer in made.layers if layer.weights],
                "asked": sorted(asked),
                "weights": [tuple(w.shape) for w in made.weights],
                "is new": not {id(w) for w in made.weights} & {id(w) for w in model.weights},
                "inputs": [tuple(t.shape) for t in made.inputs],
            }
        )
        weights = [np.full(w.shape, 0.1 * (i + 1), "float32") for i, w in enumerate(model.weights)]
        made.set_weights(weights)
        found[-1]["out"] = made.predict([X, Z] if count > 1 else X, verbose=0)
    theirs, ours = found
    np.testing.assert_allclose(ours.pop("out"), theirs.pop("out"), rtol=1e-5, atol=1e-6)
    assert ours == theirs


# -- what models are made of


def test_what_happens_between_layers_and_in_layers_of_ones_own() -> None:
    x = keras.Input((4,), name="x")
    twice = L.Dense(4, activation=doubled_tanh)
    h = twice(twice(x)) * 2 + x
    h = keras.Sequential([Scale(3.0, input_shape=(4,)), L.Dense(3, activation=lambda t: t * 0.5)])(h)
    h = L.Lambda(lambda t, by: t + by, arguments={"by": 1.0})(h)
    model = keras.Model(x, [h, K.sum(h, axis=-1, keepdims=True)])
    clone = agrees(agrees(model, X), X)
    for layer in [*model.layers, *clone.layers]:
        assert len(layer._inbound_nodes) == (2 if layer.name == twice.name else 1)
    assert clone.input_names == ["x"]
    assert len(clone.weights) == len({id(w) for w in clone.weights})


def test_layers_within_layers_masks_and_steps() -> None:
    x = keras.Input((5, 4))
    h = L.Bidirectional(L.LSTM(3, return_sequences=True))(L.Masking()(x))
    h = L.TimeDistributed(Scale(5.0))(h)
    h, state, _ = L.LSTM(2, return_sequences=True, return_state=True)(h)
    h = L.GRU(2)(h, initial_state=state)
    steps = STEPS.copy()
    steps[:, 3:] = 0
    agrees(keras.Model(x, h), steps)


def test_a_layer_inside_and_outside_of_a_nested_model_stays_one() -> None:
    both = L.Dense(4)
    a, x = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(a, L.Activation("relu")(both(a)), name="inner")
    model = keras.Model(x, both(inner(x)))
    clone = agrees(model, X)
    assert clone.get_layer(both.name) in clone.get_layer("inner").layers
    assert len(clone.weights) == 2


def test_inputs_and_outputs_by_name() -> None:
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    model = keras.Model({"a": x, "b": y}, {"difference": L.subtract([x, y]), "hidden": L.Dense(2)(x)})
    new = {name: keras.Input((4,), name=f"new_{name}") for name in ("b", "a")}
    clone = clone_model(model, new)
    clone.set_weights(model.get_weights())
    assert clone.output_names == model.output_names
    wanted = model.predict({"x": X, "y": Z})
    got = clone.predict({"new_a": X, "new_b": Z})
    for name, value in wanted.items():
        np.testing.assert_array_equal(got[name], value)


def test_a_stack_without_input_shape() -> None:
    layers = [L.Dense(3, activation=lambda t: t * 3), Scale()]
    model = keras.Sequential(layers, name="later")
    assert not clone_model(model).built
    assert clone_model(model, [keras.Input((4,))]).built
    model.predict(X)
    assert agrees(model, X).input_shape == (None, 4)


def test_a_stack_on_a_model_and_one_on_the_branches_of_keras_1() -> None:
    agrees(keras.Sequential([keras.Sequential([L.Dense(3, input_shape=(4,))], name="low"), L.Dense(2)]), X)
    branches = [keras.Sequential([L.Dense(3, input_shape=(4,))]) for _ in range(2)]
    with pytest.warns(DeprecationWarning, match="Merge"):
        model = keras.Sequential([L.Merge(branches, mode="sum"), L.Dense(2)])
    with pytest.warns(DeprecationWarning, match="Merge"):
        agrees(model, X, Z)
    with pytest.raises(UnsupportedError, match="branches"):
        clone_model(model, [keras.Input((4,)), keras.Input((4,))])


def test_a_clone_can_be_saved_trained_and_added_to(tmp_path: Any) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1)(L.Dense(4, activation="relu")(x) * 2))
    model.compile("sgd", "mse")
    clone = clone_model(model)
    assert clone.optimizer is None
    before = model.get_weights()
    clone.compile("adam", "mse")
    clone.fit(X, X[:, :1], epochs=2, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    clone.save(tmp_path / "clone.keras")
    loaded = keras.models.load_model(tmp_path / "clone.keras")
    np.testing.assert_allclose(loaded.predict(X), clone.predict(X), rtol=1e-5, atol=1e-6)
    grown = clone_model(keras.Sequential([L.Dense(3, input_shape=(4,))]))
    grown.add(L.Dense(2))
    assert grown.output_shape == (None, 2)


class Named(keras.Model):
    """Made as Model is."""


class Sized(keras.Model):
    """Made in a way of its own."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        x = keras.Input((4,))
        super().__init__(x, L.Dense(units)(x), **kwargs)


def test_classes_of_ones_own() -> None:
    x = keras.Input((4,))
    agrees(Named(x, L.Dense(2)(x), name="mine"), X)
    clone = clone_model(Sized(3, name="sized"))
    assert (type(clone), clone.name, clone.output_shape) == (keras.Model, "sized", (None, 3))


# -- what may be given


def test_inputs_can_be_inner_tensors_constants_and_input_layers() -> None:
    x = keras.Input((4,), name="x")
    base = L.Dense(4, kernel_initializer="identity")(x)
    for model in (
        keras.Model(x, L.Dense(2, use_bias=False, name="top")(x)),
        keras.Sequential([L.Dense(2, use_bias=False, input_shape=(4,))]),
    ):
        (w,) = model.get_weights()
        on_top = clone_model(model, base)
        on_top.set_weights([w])
        np.testing.assert_allclose(keras.Model(x, on_top.output).predict(X), X @ w, rtol=1e-5, atol=1e-6)
        fixed = clone_model(model, [X])
        fixed.set_weights([w])
        np.testing.assert_allclose(K.get_value(fixed.output), X @ w, rtol=1e-5, atol=1e-6)
        assert clone_model(model, [L.InputLayer((4,), name="mine")]).input_names == ["mine"]


def test_a_function_may_change_layers_or_keep_them() -> None:
    kept = L.Dense(3, name="kept")
    model = keras.Sequential([L.LSTM(2, input_shape=(5, 4), return_sequences=True, name="rnn"), kept])

    def change(layer: Any) -> Any:
        made = type(layer).from_config(layer.get_config())
        return L.Bidirectional(made, "sum", name="both") if isinstance(layer, L.LSTM) else layer

    clone = clone_model(model, clone_function=change)
    assert [layer.name for layer in clone.layers] == ["both", "kept"]
    assert clone.layers[1] is kept
    assert clone.predict(STEPS).shape == (6, 5, 3)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_inputs_is_refused(count: int) -> None:
    x, y = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([x, y], L.add([x, y]), name="two")
    with pytest.raises(ArgumentError, match=rf"(?s)input_tensors.*2.*{count}.*two"):
        clone_model(model, [keras.Input((4,)) for _ in range(count)])
    with pytest.raises(ValueError, match="input_tensors"):
        clone_model(keras.Sequential([L.Dense(2, input_shape=(4,))]), [x, y])


def test_other_names_of_inputs_are_refused() -> None:
    x = keras.Input((4,))
    with pytest.raises(ArgumentError, match="'x'"):
        clone_model(keras.Model({"x": x}, L.Dense(2)(x)), {"y": keras.Input((4,))})


class Subclassed(keras.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize("what", [Subclassed(name="code"), L.Dense(2), None])
def test_what_has_no_graph_is_refused(what: Any) -> None:
    with pytest.raises(ArgumentError, match=r"(?s)Sequential and functional.*from_config"):
        clone_model(what)


def test_a_function_that_gives_no_layer_is_refused() -> None:
    model = keras.Sequential([L.Dense(2, input_shape=(4,), name="d")])
    with pytest.raises(ArgumentError, match=r"(?s)clone_function.*None.*in d"):
        clone_model(model, clone_function=lambda layer: None)


def test_losses_of_the_model_itself_are_refused_rather_than_lost() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2)(x))
    model.add_loss(K.mean(model.output))
    with pytest.raises(UnsupportedError, match="losses"):
        clone_model(model)
