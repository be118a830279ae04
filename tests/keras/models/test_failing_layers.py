"""A layer that raises: its own exception comes through, says where, and nothing is left half done."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import backend as K
from kgraph.keras import layers as L
from kgraph.keras.tensor import Tensor

X = np.random.RandomState(0).randn(12, 4).astype("float32")


class Mistake(Exception):
    """Not a type that anybody else raises."""


class Faulty(L.Layer):
    """Raises in one of its methods for as long as `fails` says so."""

    fails = ""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.w = self.add_weight(name="w", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)
        if self.fails == "build":
            raise Mistake("in build")

    def call(self, inputs: Tensor) -> Tensor:
        self.add_loss(K.sum(inputs))
        self.add_update((self.w, self.w * 1.0))
        if self.fails == "call":
            raise Mistake("in call")
        return inputs * self.w


@pytest.mark.parametrize("method", ["build", "call"])
def test_the_exception_comes_through_with_the_name_of_the_layer(method: str) -> None:
    layer = Faulty(name="broken")
    layer.fails = method
    with pytest.raises(Mistake, match=f"in {method}") as caught:
        layer(keras.Input((4,)))
    assert caught.value.__notes__ == ["in layer broken (Faulty)"]


def test_the_note_names_each_layer_on_the_way_out() -> None:
    inner = Faulty(name="inner")
    model = keras.Sequential([inner], name="outer")
    inner.fails = "call"
    with pytest.raises(Mistake) as caught:
        model.predict(X)
    assert caught.value.__notes__ == ["in layer inner (Faulty)"]
    x = keras.Input((4,))
    wrapped = keras.Model(x, L.Dense(4)(x), name="wrapped")

    class Block(L.Layer):
        def call(self, inputs: Tensor) -> Tensor:
            return inner(wrapped(inputs))

    with pytest.raises(Mistake) as caught:
        Block(name="block")(x)
    assert caught.value.__notes__ == ["in layer inner (Faulty)", "in layer block (Block)"]


@pytest.mark.parametrize("method", ["build", "call"])
def test_layer_and_model_stay_usable(method: str) -> None:
    layer = Faulty()
    layer.fails = method
    model = keras.Sequential([L.Dense(3, input_shape=(4,))])
    with pytest.raises(Mistake):
        model.add(layer)
    assert (layer.losses, layer.updates, layer._inbound_nodes) == ([], [], [])
    assert model.predict(X).shape == (12, 3)
    layer.fails = ""
    model.add(layer)
    assert len(model.weights) == 3
    assert len(model.losses) == 1
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch(X, np.zeros((12, 3))))


def test_a_lambda_that_raises_names_its_layer() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        L.Lambda(lambda x: x * (1 / 0), name="divide")(keras.Input((4,)))
    assert caught.value.__notes__ == ["in layer divide (Lambda)"]


def test_weights_that_do_not_fit_leave_the_layer_unbuilt() -> None:
    layer = L.Dense(3, weights=[np.zeros((2, 2)), np.zeros(3)])
    with pytest.raises(ValueError, match="wrong shape"):
        layer(keras.Input((4,)))
    assert not layer.built
    assert layer.weights == []
