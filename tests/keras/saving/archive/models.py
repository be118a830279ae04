"""Models that Keras and kgraph both build, from the same lines: `build(api)` with `api` one of the two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def recurrent(api: Any) -> Any:
    layers = api.layers
    x = inputs = api.Input((6, 4))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.2))(x)
    x = layers.TimeDistributed(layers.Dense(5))(x)
    x = layers.GRU(3, return_sequences=True)(x)
    x = layers.GRU(3, return_sequences=True, reset_after=False)(x)
    x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(2), merge_mode="sum")(x)
    return api.Model(inputs, layers.Dense(2, activation="softmax")(x))


def convolutional(api: Any) -> Any:
    layers = api.layers
    return api.Sequential(
        [
            api.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3),
            layers.SeparableConv2D(4, 3),
            layers.PReLU(),
            layers.Dropout(0.3),
            layers.GaussianNoise(0.1),
            layers.Conv2DTranspose(3, 2),
            layers.BatchNormalization(center=False),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def nested(api: Any) -> Any:
    layers = api.layers
    inner_input = api.Input((4,))
    inner = api.Model(inner_input, layers.Add()([layers.Dense(4)(inner_input), inner_input]))
    stack = api.Sequential(
        [api.Input((4,)), layers.Dense(5), api.Sequential([layers.Dense(4)]), layers.Dense(4)]
    )
    left, right = api.Input((4,)), api.Input((4,))
    shared = layers.Dense(4, name="shared")
    x = layers.Concatenate()([shared(left), shared(inner(right)), stack(right)])
    return api.Model(
        [left, right], [layers.Dense(2, name="a")(x), layers.Dense(3, name="b")(shared(stack(left)))]
    )


def embedded(api: Any) -> Any:
    layers = api.layers
    x = inputs = api.Input((7,), dtype="int32")
    x = layers.Embedding(11, 4)(x)
    x = layers.Conv1D(3, 2)(x)
    return api.Model(inputs, layers.GlobalMaxPooling1D()(x))


def subclassed(api: Any) -> Any:
    layers = api.layers

    class Block(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.second, self.first = layers.Dense(3), layers.Dense(4)

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(4,), initializer="ones", name="scale")
            self.offset = self.add_weight(shape=(4,), initializer="zeros", name="offset", trainable=False)
            self.first.build(input_shape)
            self.second.build((None, 4))
            self.built = True

        def call(self, inputs: Any) -> Any:
            return self.second(self.first(inputs) * self.scale + self.offset)

    class Mine(api.Model):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.body = Block()
            self.alias = self.body
            self.heads = [layers.Dense(2), [layers.Dense(2)], layers.Dense(2)]
            self.by_name = {"one": layers.Dense(3)}
            self._hidden = layers.Dense(1)
            self.stack = api.Sequential([layers.Dense(2)])

        def call(self, inputs: Any) -> Any:
            x = self.body(self.by_name["one"](inputs))
            x = self.heads[0](x) + self.heads[1][0](x) + self.heads[2](x)
            return self._hidden(self.stack(x))

    model = Mine()
    model(np.zeros((1, 3), "float32"))
    return model


SHAPES: dict[Callable[[Any], Any], Any] = {
    recurrent: [(5, 6, 4)],
    convolutional: [(5, 8, 8, 3)],
    nested: [(5, 4), (5, 4)],
    embedded: [(5, 7)],
    subclassed: [(5, 3)],
}
"""What each of them takes."""


def data_for(build: Callable[[Any], Any]) -> Any:
    """Data that one of the models takes."""
    chance = np.random.default_rng(1)
    if build is embedded:
        return chance.integers(0, 11, SHAPES[build][0]).astype("int32")
    arrays = [chance.normal(size=shape).astype("float32") for shape in SHAPES[build]]
    return arrays if len(arrays) > 1 else arrays[0]


def scramble(model: Any) -> Any:
    """Give all weights values by chance, none of them as a new model has it."""
    chance = np.random.default_rng(2)
    model.set_weights([np.abs(chance.normal(0.5, 0.2, w.shape)).astype(w.dtype) for w in model.get_weights()])
    return model
