"""The models that are converted, in ordinary Keras over whichever `keras` module is handed in.

None of these has to be trained: weights as they start will do, but that `scatter` puts biases and statistics in general
position, so that no converter leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from benchmarks import models
from benchmarks.models import SEED, Array, Keras

Build: TypeAlias = Callable[[Keras], Any]
WORDS = 2_000


@dataclass(frozen=True)
class Specimen:
    """A model, and the batch that its graphs are timed with. `vocabulary` 0: the input is floating-point."""

    title: str
    build: Build
    shape: tuple[int, ...]
    batch: int
    vocabulary: int = 0

    def inputs(self) -> Array:
        """A batch: noise, or words with padding behind them."""
        generator = np.random.default_rng(SEED)
        if not self.vocabulary:
            return generator.normal(size=(self.batch, *self.shape)).astype("float32")
        words = generator.integers(1, self.vocabulary, (self.batch, *self.shape))
        lengths = generator.integers(self.shape[0] // 2, self.shape[0] + 1, (self.batch, 1))
        return np.where(np.arange(self.shape[0]) < lengths, words, 0).astype("int32")


def scatter(model: Any) -> Any:
    """The model with weights in general position: what starts as all zeros or ones, does not stay so."""
    generator = np.random.default_rng(SEED)
    weights = model.get_weights()
    for array in weights:
        if array.size and np.ptp(array) == 0:
            array += generator.uniform(0.0, 0.1, array.shape).astype(array.dtype)
    model.set_weights(weights)
    return model


def _normalised(keras: Keras, x: Any, activation: str = "relu") -> Any:
    x = keras.layers.BatchNormalization()(x)
    return keras.layers.Activation(activation)(x) if activation else x


def resnet(keras: Keras) -> Any:
    """Residual blocks of plain 3x3 convolutions with batch normalisation, for 32x32 images."""
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    x = _normalised(keras, layers.Conv2D(16, 3, padding="same", use_bias=False)(image))
    for filters, strides in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        y = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(_normalised(keras, y))
        y = _normalised(keras, y, "")
        if strides > 1:
            x = _normalised(keras, layers.Conv2D(filters, 1, strides, use_bias=False)(x), "")
        x = layers.Activation("relu")(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def mobilenet(keras: Keras) -> Any:
    """Depthwise convolutions with 1x1 convolutions between, as MobileNet has them."""
    layers = keras.layers
    image = keras.Input((96, 96, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(image)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(16, 3, 2, use_bias=False)(x)))
    for filters, strides in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2)):
        x = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 1, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(10, 1, padding="same")(layers.Dropout(0.1)(x))
    return keras.Model(image, layers.Softmax()(layers.Reshape((10,))(x)))


def autoencoder(keras: Keras) -> Any:
    """Down by pooling, up by repeating pixels and by a transposed convolution, with one skip connection."""
    layers = keras.layers
    image = keras.Input((32, 32, 1))
    a = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    b = layers.Conv2D(32, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    c = layers.Conv2D(32, 3, padding="same")(layers.MaxPooling2D()(b))
    x = layers.UpSampling2D()(layers.LeakyReLU()(c))
    x = layers.Conv2DTranspose(16, 3, 2, padding="same", activation="relu")(x)
    x = layers.Concatenate()([x, a])
    return keras.Model(image, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))


def masked_text(keras: Keras) -> Any:
    """The text classifier of the Keras guide: words, padding masked, one LSTM."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((80,), dtype="int32"),
            layers.Embedding(WORDS, 128, mask_zero=True),
            layers.LSTM(128),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def bidirectional(keras: Keras) -> Any:
    """A tagger: GRUs in both directions, a dense layer at every step."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((80, 64)),
            layers.Bidirectional(layers.GRU(64, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(16, activation="softmax")),
        ]
    )


def resnet50(keras: Keras) -> Any:
    """The network of He et al. (2015) with 50 layers, as keras.applications has it: 25.6 million weights."""
    layers = keras.layers

    def block(x: Any, filters: int, strides: int, shortcut: bool) -> Any:
        side = x
        if shortcut:
            side = _normalised(keras, layers.Conv2D(4 * filters, 1, strides)(x), "")
        x = _normalised(keras, layers.Conv2D(filters, 1, strides)(x))
        x = _normalised(keras, layers.Conv2D(filters, 3, padding="same")(x))
        x = _normalised(keras, layers.Conv2D(4 * filters, 1)(x), "")
        return layers.Activation("relu")(layers.Add()([side, x]))

    image = keras.Input((224, 224, 3))
    x = layers.Conv2D(64, 7, 2)(layers.ZeroPadding2D(3)(image))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(_normalised(keras, x)))
    for filters, blocks, strides in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(blocks):
            x = block(x, filters, strides if i == 0 else 1, shortcut=i == 0)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(1000, activation="softmax")(x))


SPECIMENS: Mapping[str, Specimen] = MappingProxyType(
    {
        "mlp": Specimen("MLP 784-512-512-10", partial(models.mlp, hidden=512), (784,), 32),
        "mnist_cnn": Specimen("mnist_cnn 28x28x1", models.mnist_cnn, (28, 28, 1), 8),
        "vgg_like": Specimen("VGG-like of the guide 100x100x3", models.vgg_like, (100, 100, 3), 4),
        "resnet": Specimen("residual network 32x32x3", resnet, (32, 32, 3), 8),
        "mobilenet": Specimen("depthwise network 96x96x3", mobilenet, (96, 96, 3), 4),
        "autoencoder": Specimen("autoencoder 32x32x1", autoencoder, (32, 32, 1), 8),
        "masked_text": Specimen("LSTM over masked words, T=80", masked_text, (80,), 32, WORDS),
        "bidirectional": Specimen("bidirectional GRU tagger, T=80", bidirectional, (80, 64), 32),
        "stacked_lstm": Specimen("three stacked LSTM(32), T=8", models.stacked_lstm, (8, 16), 64),
        "resnet50": Specimen("ResNet50 224x224x3", resnet50, (224, 224, 3), 1),
    }
)
