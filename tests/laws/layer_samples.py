"""One sample or more of every layer: how to make it, in our namespace and in Keras's alike, and what to call it on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.laws.layer_sample import (
    BATCH,
    IMAGE,
    IMAGE_FIRST,
    SEQUENCE,
    Array,
    Sample,
    floats,
    late,
    simple,
    some,
)


def core() -> Iterator[Sample]:
    x = floats(BATCH, 4)
    yield from simple("Dense", x, units=5)
    yield from simple("Dense", x, units=5, activation="relu", use_bias=False)
    yield from simple("Dense", floats(BATCH, 2, 3, 4), units=5, activation="softmax")
    yield from simple("Dense", x, units=2, kernel_regularizer="l2", bias_constraint="non_neg")
    for activation in ("relu", "tanh", "sigmoid", "softmax", "elu", "selu", "softplus", "softsign", "linear"):
        yield from simple("Activation", x, activation=activation)
    for activation in ("hard_sigmoid", "gelu", "silu"):
        yield from simple("Activation", x, activation=activation)
    for rank in (1, 2, 3, 4):
        yield from simple("Flatten", floats(BATCH, 4, 3, 2, 2)[(slice(None), *[0] * (4 - rank))])
    for x_first in (IMAGE_FIRST, IMAGE_FIRST[..., 0], IMAGE_FIRST[..., 0, 0]):
        yield from simple("Flatten", x_first, data_format="channels_first")
    yield from simple("Reshape", floats(BATCH, 4, 3), target_shape=(2, 6))
    yield from simple("Reshape", floats(BATCH, 4, 3), target_shape=(2, -1))
    yield from simple("Permute", floats(BATCH, 4, 3, 2), dims=(3, 1, 2))
    yield from simple("Identity", x)
    yield from simple("RepeatVector", x, n=3)
    yield Sample("Lambda", lambda ns: ns.Lambda(lambda x: x * 2.0), (x,), saved=False)
    masked = SEQUENCE.copy()
    masked[1, 3:] = 0.0
    masked[2, 0] = 0.0
    yield from simple("Masking", masked)
    yield from simple("Masking", floats(BATCH, 5, 4), mask_value=2.0)
    yield from simple("Masking", masked.reshape(BATCH, 5, 2, 2))
    yield from simple("ActivityRegularization", x, l1=0.1, l2=0.2)

    for bias in (True, False):
        yield from simple("Highway", x, activation="tanh", use_bias=bias, in_keras=False)
        yield from simple("MaxoutDense", x, units=5, nb_feature=3, use_bias=bias, in_keras=False)


def noise() -> Iterator[Sample]:
    for rate in (0.0, 0.4):
        yield from simple("Dropout", floats(BATCH, 4), rate=rate)
    yield from simple("Dropout", SEQUENCE, rate=0.5, noise_shape=(None, 1, 4), seed=3)
    yield from simple("SpatialDropout1D", SEQUENCE, rate=0.5)
    yield from simple("SpatialDropout2D", IMAGE, rate=0.5, data_format="channels_last")
    yield from simple("SpatialDropout3D", floats(BATCH, 2, 3, 3, 2), rate=0.5)
    yield from simple("GaussianNoise", SEQUENCE, stddev=0.3)
    yield from simple("GaussianDropout", SEQUENCE, rate=0.3)
    yield from simple("AlphaDropout", SEQUENCE, rate=0.3)


def convolution() -> Iterator[Sample]:
    for padding in ("valid", "same", "causal"):
        yield from simple("Conv1D", floats(BATCH, 9, 3), filters=4, kernel_size=3, padding=padding)
        yield from simple(
            "Conv1D", floats(BATCH, 9, 3), filters=4, kernel_size=2, padding=padding, dilation_rate=2
        )
    yield from simple("Conv1D", floats(BATCH, 9, 3), filters=4, kernel_size=4, strides=3, padding="same")
    yield from simple("Conv1D", floats(BATCH, 3, 9), filters=4, kernel_size=3, data_format="channels_first")
    for strides in (1, (2, 3)):
        for padding in ("valid", "same"):
            yield from simple(
                "Conv2D", IMAGE, filters=4, kernel_size=(3, 2), strides=strides, padding=padding
            )
    yield from simple("Conv2D", IMAGE, filters=4, kernel_size=3, activation="relu", use_bias=False)
    yield from simple("Conv2D", IMAGE, filters=4, kernel_size=3, activation="softmax", padding="same")
    yield from simple("Conv2D", IMAGE, filters=4, kernel_size=2, dilation_rate=(2, 1), padding="same")
    yield from simple("Conv2D", IMAGE, filters=4, kernel_size=2, groups=2)
    yield from simple(
        "Conv2D", IMAGE_FIRST, filters=4, kernel_size=3, data_format="channels_first", padding="same"
    )
    yield from simple("Conv3D", floats(BATCH, 4, 3, 5, 2), filters=3, kernel_size=2, padding="same")
    for extra in (None, 1):
        for padding in ("valid", "same"):
            yield from simple(
                "Conv2DTranspose",
                floats(BATCH, 4, 3, 2),
                filters=3,
                kernel_size=3,
                strides=2,
                padding=padding,
                output_padding=extra,
            )
    yield from simple("Conv1DTranspose", floats(BATCH, 4, 2), filters=3, kernel_size=2, strides=3)
    yield from simple("Conv3DTranspose", floats(BATCH, 3, 2, 3, 2), filters=2, kernel_size=2, strides=2)


def separable() -> Iterator[Sample]:
    for padding in ("valid", "same"):
        yield from simple("DepthwiseConv1D", floats(BATCH, 9, 3), kernel_size=3, padding=padding)
        yield from simple(
            "DepthwiseConv2D", IMAGE, kernel_size=(3, 2), padding=padding, depth_multiplier=2, strides=2
        )
        yield from simple("SeparableConv1D", floats(BATCH, 9, 3), filters=4, kernel_size=3, padding=padding)
        yield from simple(
            "SeparableConv2D", IMAGE, filters=5, kernel_size=3, padding=padding, depth_multiplier=2
        )
    yield from simple("DepthwiseConv2D", IMAGE, kernel_size=2, dilation_rate=2, use_bias=False)
    yield from simple("DepthwiseConv2D", IMAGE_FIRST, kernel_size=2, data_format="channels_first")
    yield from simple(
        "SeparableConv2D",
        IMAGE_FIRST,
        filters=3,
        kernel_size=2,
        data_format="channels_first",
        activation="relu",
    )


def local() -> Iterator[Sample]:
    steps, first = floats(BATCH, 7, 3), "channels_first"
    yield from simple("LocallyConnected1D", steps, filters=4, kernel_size=3, in_keras=False)
    yield from simple(
        "LocallyConnected1D", steps, filters=4, kernel_size=2, strides=2, data_format=first, in_keras=False
    )
    yield from simple(
        "LocallyConnected2D", IMAGE, filters=3, kernel_size=(3, 2), strides=(2, 1), in_keras=False
    )
    yield from simple(
        "LocallyConnected2D",
        IMAGE_FIRST,
        filters=3,
        kernel_size=2,
        data_format=first,
        activation="relu",
        in_keras=False,
    )
    yield from simple("LocallyConnected2D", IMAGE, filters=3, kernel_size=3, use_bias=False, in_keras=False)


def pooling() -> Iterator[Sample]:
    shapes = {1: (BATCH, 7, 3), 2: (BATCH, 7, 6, 2), 3: (BATCH, 4, 5, 4, 2)}
    for axes, shape in shapes.items():
        for kind in ("Max", "Average"):
            for padding in ("valid", "same"):
                yield from simple(f"{kind}Pooling{axes}D", floats(*shape), pool_size=2, padding=padding)
            for keepdims in (False, True):
                yield from simple(f"Global{kind}Pooling{axes}D", floats(*shape), keepdims=keepdims)
    for kind in ("Max", "Average"):
        yield from simple(f"{kind}Pooling1D", floats(*shapes[1]), pool_size=3, strides=2, padding="same")
        yield from simple(f"{kind}Pooling2D", IMAGE, pool_size=(3, 2), strides=(1, 3))
        yield from simple(f"{kind}Pooling2D", IMAGE_FIRST, pool_size=2, data_format="channels_first")
        yield from simple(f"Global{kind}Pooling2D", IMAGE_FIRST, data_format="channels_first")
        yield from simple(f"Global{kind}Pooling1D", floats(BATCH, 3, 7), data_format="channels_first")
    yield from simple("GlobalAveragePooling1D", SEQUENCE, call={"mask": some(BATCH, 5)})


def resizing() -> Iterator[Sample]:
    yield from simple("ZeroPadding1D", SEQUENCE, padding=(1, 2))
    yield from simple("ZeroPadding2D", IMAGE)
    yield from simple("ZeroPadding2D", IMAGE, padding=((1, 2), (0, 3)))
    yield from simple("ZeroPadding2D", IMAGE_FIRST, padding=(1, 2), data_format="channels_first")
    yield from simple("ZeroPadding3D", floats(BATCH, 2, 3, 2, 2), padding=1)
    yield from simple("Cropping1D", SEQUENCE, cropping=(1, 2))
    yield from simple("Cropping2D", IMAGE, cropping=((1, 2), (0, 3)))
    yield from simple("Cropping3D", floats(BATCH, 3, 4, 3, 2), cropping=1)
    yield from simple("UpSampling1D", SEQUENCE, size=3)
    yield from simple("UpSampling2D", IMAGE, size=(2, 3))
    yield from simple("UpSampling2D", IMAGE_FIRST, data_format="channels_first")
    yield from simple("UpSampling3D", floats(BATCH, 2, 3, 2, 2), size=(1, 2, 2))


def normalization() -> Iterator[Sample]:
    yield from simple("BatchNormalization", floats(BATCH, 4))
    yield from simple("BatchNormalization", IMAGE, epsilon=1e-2)
    yield from simple("BatchNormalization", IMAGE_FIRST, axis=1)
    yield from simple("BatchNormalization", SEQUENCE, scale=False)
    yield from simple("BatchNormalization", SEQUENCE, center=False, call={"mask": some(BATCH, 5)})
    yield from simple("LayerNormalization", floats(BATCH, 4))
    yield from simple("LayerNormalization", SEQUENCE, epsilon=1e-2)
    yield from simple("LayerNormalization", SEQUENCE, center=False)
    yield from simple("LayerNormalization", SEQUENCE, scale=False)
    yield from simple("LayerNormalization", SEQUENCE, center=False, scale=False)
    yield from simple("LayerNormalization", IMAGE, axis=1)
    yield from simple("LayerNormalization", IMAGE, axis=[2, 3], in_hdf5=False)
    yield from simple("LayerNormalization", IMAGE, axis=[3, 1], in_hdf5=False)
    yield from simple("LayerNormalization", SEQUENCE, rms_scaling=True)
    yield from simple("GroupNormalization", IMAGE, groups=2)
    yield from simple("GroupNormalization", floats(BATCH, 4), groups=2, epsilon=1e-2)
    yield from simple("GroupNormalization", SEQUENCE, groups=1, scale=False)
    yield from simple("GroupNormalization", SEQUENCE, groups=-1, center=False)
    yield from simple("GroupNormalization", floats(BATCH, 4, 3, 2), groups=2, axis=1)
    yield from simple("RMSNormalization", SEQUENCE)
    yield from simple("RMSNormalization", IMAGE, axis=[2, 3], epsilon=1e-3, in_hdf5=False)
    yield from simple("UnitNormalization", SEQUENCE)
    yield from simple("UnitNormalization", SEQUENCE, axis=[1, 2], in_hdf5=False)


def preprocessing() -> Iterator[Sample]:
    yield from simple("Rescaling", IMAGE, scale=0.5)
    yield from simple("Rescaling", IMAGE, scale=[2.0, 0.5], offset=[-1.0, 0.25])
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 4, 3, 2)).astype("uint8")
    yield from simple("Rescaling", pixels, scale=1 / 127.5, offset=-1.0)


def embedding() -> Iterator[Sample]:
    positions = np.random.default_rng(1).integers(0, 9, (BATCH, 5)).astype("int32")
    yield from simple("Embedding", positions, input_dim=9, output_dim=4)
    yield from simple("Embedding", positions, input_dim=9, output_dim=4, mask_zero=True)
    yield from simple("Embedding", positions[:, 0], input_dim=9, output_dim=2)
    yield from simple("Embedding", positions, input_dim=9, output_dim=4, input_length=5, in_keras=False)


def activations() -> Iterator[Sample]:
    x = floats(BATCH, 4, 3)
    yield from simple("LeakyReLU", x, negative_slope=0.2)
    yield from simple("PReLU", x)
    yield from simple("PReLU", x, shared_axes=[1])
    yield from simple("ELU", x, alpha=0.7)
    yield from simple("ThresholdedReLU", x, theta=0.5, in_keras=False)
    yield from simple("Softmax", x, axis=1)
    yield from simple("ReLU", x, max_value=1.5, negative_slope=0.1, threshold=0.3)
    yield from simple("ReLU", x)


def merging() -> Iterator[Sample]:
    a, b, c = floats(BATCH, 2, 4), floats(BATCH, 2, 4, seed=1), floats(BATCH, 2, 4, seed=2)
    masks = {"mask": [some(BATCH, 2), np.array([[True, True], [False, True], [True, False]])]}
    for name in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
        yield from simple(name, (a, b, c))
        yield from simple(name, (a, b), call=masks, in_keras=False)
    yield from simple("Add", (a, floats(BATCH, 1, 4)))
    yield from simple("Multiply", (floats(BATCH, 4), floats(BATCH, 3, 4)))
    yield from simple("Subtract", (a, b))
    yield from simple("Concatenate", (a, b), axis=1)
    yield from simple("Dot", (floats(BATCH, 4), floats(BATCH, 4, seed=1)), axes=1)
    yield from simple("Dot", (floats(BATCH, 4), floats(BATCH, 4, seed=1)), axes=-1, normalize=True)
    yield from simple("Dot", (a, floats(BATCH, 3, 4)), axes=2)
    yield from simple("Dot", (a, floats(BATCH, 4, 3)), axes=(2, 1))
    yield from simple("Dot", (floats(BATCH, 2, 3, 4), floats(BATCH, 3, 5)), axes=(2, 1), normalize=True)
    for mode in ("sum", "mul", "ave", "max", "min", "concat", "dot", "cos"):
        yield Sample(
            f"Merge({mode})", lambda ns, m=mode: ns.Merge(mode=m), (a[:, 0], b[:, 0]), in_keras=False
        )


def recurrent() -> Iterator[Sample]:
    for name in ("SimpleRNN", "GRU", "LSTM"):
        yield from simple(name, SEQUENCE, units=3)
        yield from simple(name, SEQUENCE, units=3, return_sequences=True, return_state=True)
        yield from simple(name, SEQUENCE, units=3, return_sequences=True, go_backwards=True)
        yield from simple(name, SEQUENCE, units=3, go_backwards=True, return_state=True)
        yield from simple(name, SEQUENCE, units=3, use_bias=False, activation="relu")
        yield from simple(name, SEQUENCE, units=3, activation="selu", return_sequences=True)
        yield from simple(name, SEQUENCE, units=3, dropout=0.3, recurrent_dropout=0.4)
        yield from simple(name, SEQUENCE, units=3, unroll=True, go_backwards=True, return_sequences=True)
        for mask in (some(BATCH, 5), late(BATCH, 5)):
            for extra in ({}, {"activation": "selu"}, {"go_backwards": True}, {"zero_output_for_mask": True}):
                yield from simple(
                    name,
                    SEQUENCE,
                    units=3,
                    return_sequences=True,
                    return_state=True,
                    call={"mask": mask},
                    **extra,
                )
            yield from simple(name, SEQUENCE, units=3, call={"mask": mask})
        yield from simple(name, SEQUENCE, units=3, stateful=True, batch=BATCH, return_sequences=True)
        states = [floats(BATCH, 3, seed=5), floats(BATCH, 3, seed=6)][: 2 if name == "LSTM" else 1]
        yield from simple(name, SEQUENCE, units=3, call={"initial_state": states})
        yield from simple(
            name,
            SEQUENCE,
            units=3,
            return_sequences=True,
            call={"initial_state": states, "mask": late(BATCH, 5)},
        )
    yield from simple("GRU", SEQUENCE, units=3, reset_after=False, return_sequences=True)
    yield from simple("GRU", SEQUENCE, units=3, reset_after=False, use_bias=False, activation="elu")
    yield from simple("GRU", SEQUENCE, units=3, activation="elu", use_bias=False)
    yield from simple("LSTM", SEQUENCE, units=3, recurrent_activation="hard_sigmoid")
    yield from simple("LSTM", SEQUENCE, units=3, unit_forget_bias=False, recurrent_activation="softplus")
    for cell in ("SimpleRNNCell", "GRUCell", "LSTMCell"):
        yield Sample(
            f"RNN({cell})",
            lambda ns, c=cell: ns.RNN(getattr(ns, c)(3), return_sequences=True),
            (SEQUENCE,),
        )
    yield Sample(
        "RNN(stack)",
        lambda ns: ns.RNN(
            ns.StackedRNNCells([ns.LSTMCell(3), ns.GRUCell(2), ns.SimpleRNNCell(4)]), return_state=True
        ),
        (SEQUENCE,),
        {"mask": some(BATCH, 5)},
    )


def cudnn_recurrent() -> Iterator[Sample]:
    for name in ("CuDNNGRU", "CuDNNLSTM"):
        yield from simple(name, SEQUENCE, units=3, in_keras=False)
        yield from simple(name, SEQUENCE, units=3, return_sequences=True, return_state=True, in_keras=False)
        yield from simple(name, SEQUENCE, units=3, go_backwards=True, in_keras=False)
        yield from simple(name, SEQUENCE, units=3, stateful=True, batch=BATCH, in_keras=False)


def convolutional_recurrent() -> Iterator[Sample]:
    films, films_first = floats(BATCH, 4, 6, 5, 2), floats(BATCH, 4, 2, 6, 5)
    first = "channels_first"
    last: dict[str, Any] = {
        "filters": 3,
        "kernel_size": (3, 2),
        "return_sequences": True,
        "return_state": True,
    }
    name = "ConvLSTM2D"
    yield from simple(name, films, filters=3, kernel_size=2)
    yield from simple(name, films, padding="same", **last)
    yield from simple(name, films, padding="same", strides=(2, 1), go_backwards=True, **last)
    yield from simple(name, films, dilation_rate=2, use_bias=False, **last)
    yield from simple(name, films, activation="softmax", recurrent_activation="hard_sigmoid", **last)
    yield from simple(name, films, unit_forget_bias=False, dropout=0.3, recurrent_dropout=0.4, **last)
    yield from simple(name, films, stateful=True, batch=BATCH, **last)
    yield from simple(name, films_first, data_format=first, **last)
    yield from simple(
        name, films_first, data_format=first, padding="same", strides=2, go_backwards=True, **last
    )
    # Keras's numpy backend broadcasts a mask against states as if these were vectors.
    for mask in (some(BATCH, 4), late(BATCH, 4)):
        masked: dict[str, Any] = {"call": {"mask": mask}, "in_keras": False}
        for extra in ({}, {"go_backwards": True}, {"zero_output_for_mask": True}):
            yield from simple(name, films, **last, **extra, **masked)
        yield from simple(name, films_first, filters=2, kernel_size=2, data_format=first, **masked)
    states = [floats(BATCH, 4, 4, 3, seed=5), floats(BATCH, 4, 4, 3, seed=6)]
    yield from simple(name, films, call={"initial_state": states}, **last)
    yield from simple("ConvLSTM1D", floats(BATCH, 4, 6, 2), filters=3, kernel_size=3)
    yield from simple("ConvLSTM1D", floats(BATCH, 4, 2, 6), filters=3, kernel_size=2, data_format=first)
    yield from simple("ConvLSTM3D", floats(BATCH, 3, 4, 3, 4, 2), filters=2, kernel_size=2, padding="same")
    yield Sample(
        "ConvRNN2D(ConvLSTM2DCell)",
        lambda ns: ns.ConvRNN2D(ns.ConvLSTM2DCell(3, 2, data_format=first), return_sequences=True),
        (films_first,),
        in_keras=False,
    )
    yield Sample(
        "Bidirectional(ConvLSTM2D)",
        lambda ns: ns.Bidirectional(ns.ConvLSTM2D(2, 3, return_sequences=True)),
        (films,),
    )


def wrappers() -> Iterator[Sample]:
    frames = floats(BATCH, 3, 6, 5, 2)
    yield Sample("TimeDistributed(Dense)", lambda ns: ns.TimeDistributed(ns.Dense(2)), (SEQUENCE,))
    yield Sample(
        "TimeDistributed(Conv2D)",
        lambda ns: ns.TimeDistributed(ns.Conv2D(2, 3, activation="relu")),
        (frames,),
    )
    yield Sample("TimeDistributed(Flatten)", lambda ns: ns.TimeDistributed(ns.Flatten()), (frames,))
    yield Sample(
        "TimeDistributed(LSTM)", lambda ns: ns.TimeDistributed(ns.LSTM(2)), (floats(BATCH, 2, 5, 4),)
    )
    for mode in ("concat", "sum", "ave", "mul", None):
        yield Sample(
            f"Bidirectional({mode})",
            lambda ns, m=mode: ns.Bidirectional(ns.LSTM(3, return_sequences=True), merge_mode=m),
            (SEQUENCE,),
        )
    for returns in ({}, {"return_state": True}, {"return_sequences": True}):
        for mask in (some(BATCH, 5), late(BATCH, 5)):
            yield Sample(
                f"Bidirectional(GRU {returns} masked)",
                lambda ns, r=returns: ns.Bidirectional(ns.GRU(3, **r)),
                (SEQUENCE,),
                {"mask": mask},
            )
    yield Sample(
        "Bidirectional(initial_state)",
        lambda ns: ns.Bidirectional(ns.LSTM(3)),
        (SEQUENCE,),
        {"initial_state": [floats(BATCH, 3, seed=i) for i in range(4)]},
    )
    yield Sample(
        "Bidirectional(two layers)",
        lambda ns: ns.Bidirectional(ns.LSTM(3), backward_layer=ns.GRU(2, go_backwards=True)),
        (SEQUENCE,),
    )


def attention() -> Iterator[Sample]:
    x, image = floats(BATCH, 5, 4), floats(BATCH, 3, 5, 4)
    query, value, key = floats(BATCH, 3, 4, seed=1), x, floats(BATCH, 5, 4, seed=2)
    masks = {"mask": [some(BATCH, 3), some(BATCH, 5)]}
    for equation, output_shape, array, more in (
        ("ab,bc->ac", 6, x[:, 0], {}),
        ("ab,bc->ac", 6, x[:, 0], {"bias_axes": "c", "activation": "tanh"}),
        ("abc,cd->abd", (None, 6), x, {"bias_axes": "d"}),
        ("abc,cd->abd", (5, 6), x, {"bias_axes": "bd"}),
        ("abc,cde->abde", (None, 2, 3), x, {"bias_axes": "de", "activation": "relu"}),
        ("abc,cde->abde", (None, 2, 3), x, {"bias_axes": "d"}),
        ("abcd,cde->abe", (None, 6), image, {"bias_axes": "e", "sized": True}),
        ("abc,cb->ab", 5, x, {"bias_axes": "b", "sized": True}),
        ("...b,bc->...c", 6, image, {"bias_axes": "c"}),
        ("...b,bc->...c", 6, image, {}),
        ("ab...,bc->ac...", 6, image, {"bias_axes": "c", "sized": True}),
    ):
        yield from simple("EinsumDense", array, equation=equation, output_shape=output_shape, **more)
    for name in ("Attention", "AdditiveAttention"):
        for scaled in (False, True):
            yield from simple(name, (query, value), use_scale=scaled)
            yield from simple(name, (query, value, key), use_scale=scaled, call=masks, dropout=0.3)
        yield from simple(name, (query, value), options={"return_attention_scores": True}, call=masks)
        yield from simple(name, (query, value), options={"use_causal_mask": True}, call=masks)
        yield from simple(name, (x, x), options={"use_causal_mask": True, "return_attention_scores": True})
    yield from simple("Attention", (query, value, key), score_mode="concat", use_scale=True, call=masks)
    yield from simple("Attention", (query, value), score_mode="concat")
    yield from _heads(query, value, key)


def _heads(query: Array, value: Array, key: Array) -> Iterator[Sample]:
    def heads(*inputs: Array, **kwargs: Any) -> Iterator[Sample]:
        return simple("MultiHeadAttention", inputs, num_heads=2, key_dim=3, apart=True, **kwargs)

    scores = {"return_attention_scores": True}
    allowed = np.random.default_rng(3).random((BATCH, 3, 5)) < 0.6
    yield from heads(query, value)
    yield from heads(query, value, key, value_dim=5, use_bias=False, dropout=0.3, options=scores)
    yield from heads(query, floats(BATCH, 5, 6), output_shape=(2, 3), kernel_regularizer="l2")
    yield from heads(query, value, call={"attention_mask": allowed}, options=scores)
    yield from heads(query, value, call={"value_mask": some(BATCH, 5), "attention_mask": allowed})
    yield from heads(query, value, key, call={"key_mask": late(BATCH, 5)}, options=scores)
    yield from heads(value, value, options={"use_causal_mask": True, **scores})
    yield from heads(query, value, call={"value_mask": some(BATCH, 5)}, options={"use_causal_mask": True})
    yield from heads(value, value, sliding_window=2, options=scores)
    yield from heads(query, value, use_gate=True)
    image, other = floats(BATCH, 3, 4, 2), floats(BATCH, 3, 5, 2, seed=1)
    yield from heads(image, other, attention_axes=2, options=scores)
    yield from heads(image, floats(BATCH, 5, 2, 2, seed=1), options=scores)
    yield from heads(image, floats(BATCH, 5, 4, 2, seed=1), attention_axes=(1,))


SAMPLES = [
    sample
    for family in (
        core, noise, convolution, separable, local, pooling, resizing, normalization, embedding,
        activations, merging, recurrent, cudnn_recurrent, convolutional_recurrent, wrappers, preprocessing,
        attention,
    )
    for sample in family()
]  # fmt: skip
