"""The models of Keras 1, which had names of its own: tiny, with all layers whose weights were kept otherwise then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.data.keras_files.recipes import OLD, Recipe, optimizers

PRODUCER = OLD[0]


def dense(keras: Any, layers: Any) -> Any:
    return keras.models.Sequential(
        [
            layers.Dense(6, input_dim=8, init="he_normal", W_regularizer="l2", b_constraint="nonneg"),
            layers.Activation("relu"),
            layers.BatchNormalization(epsilon=1e-2, momentum=0.9),
            layers.Dense(5, activation="tanh", bias=False, W_constraint=keras.constraints.maxnorm(1.5)),
            layers.Dropout(0.0),
            layers.Dense(4, activation="softmax", init="glorot_normal"),
        ]
    )


def activations(keras: Any, layers: Any) -> Any:
    x = layers.Input((3, 4), name="x")
    parts = [
        layers.TimeDistributed(layers.Dense(2, activation=name))(x) for name in ("softplus", "hard_sigmoid")
    ]
    parts += [layers.LeakyReLU(0.2)(x), layers.PReLU()(x), layers.ELU(0.7)(x), layers.ThresholdedReLU(0.3)(x)]
    parts.append(layers.Activation("softsign")(x))
    y = layers.Permute((2, 1))(layers.merge(parts, mode="concat"))
    return keras.models.Model(x, layers.Dense(3)(layers.Flatten()(y)))


def image(form: str) -> Callable[[Any, Any], Any]:
    def build(keras: Any, layers: Any) -> Any:
        first, axis = form == "th", 1 if form == "th" else -1
        x = layers.Input((2, 8, 7) if first else (8, 7, 2), name="image")
        # Of these three layers Keras 1 does not write where they have their channels.
        y = x if first else layers.ZeroPadding2D((1, 2), dim_ordering=form)(x)
        y = layers.Convolution2D(3, 3, 1, border_mode="same", activation="relu", dim_ordering=form)(y)
        y = layers.BatchNormalization(axis=axis)(y)
        a = layers.MaxPooling2D((2, 2), dim_ordering=form)(y)
        b = layers.AveragePooling2D((2, 2), dim_ordering=form)(y)
        y = layers.merge([a, b], mode="concat", concat_axis=axis)
        if not first:
            y = layers.AtrousConvolution2D(4, 2, 2, atrous_rate=(2, 2), dim_ordering=form)(y)
            y = layers.Cropping2D(((1, 0), (0, 1)), dim_ordering=form)(y)
            y = layers.UpSampling2D((2, 2), dim_ordering=form)(y)
        y = layers.Convolution2D(3, 3, 3, subsample=(2, 1), bias=False, dim_ordering=form)(y)
        ends = [
            layers.GlobalAveragePooling2D(form)(y),
            layers.GlobalMaxPooling2D(form)(y),
            layers.Flatten()(y),
        ]
        return keras.models.Model(x, layers.Dense(3, activation="softmax")(layers.merge(ends, mode="concat")))

    return build


def deconvolution(keras: Any, layers: Any) -> Any:
    shape = (None, 3, 9, 7)
    return keras.models.Sequential(
        [
            layers.Deconvolution2D(
                3, 3, 3, output_shape=shape, subsample=(2, 2), dim_ordering="th", input_shape=(2, 4, 3)
            ),
            layers.Flatten(),
        ]
    )


def volume(keras: Any, layers: Any) -> Any:
    return keras.models.Sequential(
        [
            layers.Convolution3D(3, 2, 3, 2, input_shape=(2, 4, 5, 4), dim_ordering="th", activation="tanh"),
            layers.MaxPooling3D((1, 1, 2), dim_ordering="th"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def series(keras: Any, layers: Any) -> Any:
    return keras.models.Sequential(
        [
            layers.Convolution1D(4, 3, input_shape=(12, 3), activation="tanh", border_mode="same"),
            layers.AtrousConvolution1D(3, 2, atrous_rate=2),
            layers.ZeroPadding1D(1),
            layers.MaxPooling1D(2),
            layers.UpSampling1D(2),
            layers.Cropping1D((1, 0)),
            layers.GlobalMaxPooling1D(),
            layers.RepeatVector(3),
            layers.TimeDistributed(layers.Dense(2)),
        ]
    )


def text(keras: Any, layers: Any) -> Any:
    x = layers.Input((7,), dtype="int32", name="words")
    y = layers.Embedding(12, 5, mask_zero=True, init="uniform")(x)
    ends = [
        layers.LSTM(3, inner_activation="sigmoid", inner_init="orthogonal", forget_bias_init="one")(y),
        layers.GRU(3)(y),
        layers.SimpleRNN(3, go_backwards=True, W_regularizer="l2", U_regularizer="l2")(y),
    ]
    y = layers.Bidirectional(layers.LSTM(2, return_sequences=True), merge_mode="concat")(y)
    ends.append(layers.LSTM(3, consume_less="gpu")(y))
    return keras.models.Model(x, layers.Dense(3, activation="softmax")(layers.merge(ends, mode="concat")))


def graph(keras: Any, layers: Any) -> Any:
    a, b = layers.Input((6,), name="a"), layers.Input((6,), name="b")
    shared = layers.Dense(4, activation="tanh", name="shared")
    deep = keras.models.Sequential(
        [layers.Dense(4, activation="relu", input_dim=4, name="deep_dense")], name="deep"
    )
    p, q = shared(a), shared(b)
    merged = [layers.merge([p, q], mode=mode) for mode in ("sum", "mul", "ave", "max", "concat")]
    every = layers.merge([*merged, deep(p), deep(q)], mode="concat", name="every")
    score, kind = (
        layers.Dense(1, name="score")(every),
        layers.Dense(3, activation="softmax", name="kind")(every),
    )
    return keras.models.Model([a, b], [score, kind])


def merged(keras: Any, layers: Any) -> Any:
    """Sequential models side by side under a Merge layer, as in the first years."""
    left = keras.models.Sequential([layers.Dense(3, input_dim=4)])
    right = keras.models.Sequential([layers.Dense(3, input_dim=5, activation="relu")])
    return keras.models.Sequential([layers.Merge([left, right], mode="sum"), layers.Dense(2)])


def small(keras: Any, layers: Any) -> Any:
    return keras.models.Sequential([layers.Dense(3, input_dim=4, activation="tanh"), layers.Dense(2)])


def recipes_1() -> list[Recipe]:
    """What Keras 1.2.2 writes on Theano."""

    def sgd(keras: Any) -> Any:
        return keras.optimizers.SGD(lr=0.05, momentum=0.9)

    crossentropy = {"loss": "categorical_crossentropy"}
    both = {
        "loss": {"score": "mse", "kind": "categorical_crossentropy"},
        "loss_weights": {"score": 0.5, "kind": 2.0},
    }
    models = [
        Recipe("dense", dense, ((8,),), ((4,),), sgd, {"metrics": ["accuracy"], **crossentropy}),
        Recipe("activations", activations, ((3, 4),), ((3,),), sgd),
        Recipe("image", image("tf"), ((8, 7, 2),), ((3,),), sgd, crossentropy),
        Recipe("image_first", image("th"), ((2, 8, 7),), ((3,),), sgd, crossentropy),
        Recipe("deconvolution", deconvolution, ((2, 4, 3),), ((189,),), sgd),
        Recipe("volume", volume, ((2, 4, 5, 4),), ((2,),), sgd),
        Recipe("series", series, ((12, 3),), ((3, 2),), sgd),
        Recipe("text", text, ((7,),), ((3,),), sgd, crossentropy, words=12),
        Recipe("graph", graph, ((6,), (6,)), ((1,), (3,)), sgd, both),
        Recipe("merged", merged, ((4,), (5,)), ((2,),), sgd),
    ]
    return models + [
        Recipe("optimizer_" + name, small, ((4,),), ((2,),), optimizer=make)
        for name, make in optimizers(PRODUCER).items()
    ]
