"""Cases for the operations of keras.ops.nn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.keras.saving.operation_cases.ways import Case, activation

NN: Mapping[str, Case] = {
    "Celu": activation("celu", alpha=0.5),
    "Elu": activation("elu", alpha=0.5),
    "Gelu": activation("gelu", approximate=False),
    "Glu": activation("glu", axis=-1),
    "HardShrink": activation("hard_shrink", threshold=0.2),
    "HardSigmoid": activation("hard_sigmoid"),
    "HardSilu": activation("hard_silu"),
    "HardTanh": activation("hard_tanh"),
    "LayerNorm": lambda ops, f, i, b: [
        ops.layer_normalization(f),
        ops.layer_normalization(f, np.arange(4, dtype="float32"), f[0, 0]),
        ops.layer_normalization(f, gamma=np.arange(3, dtype="float32"), axis=1, epsilon=0.1),
        ops.layer_normalization(f, None, np.arange(12, dtype="float32").reshape(3, 4), axis=(1, 2)),
    ],
    "LeakyRelu": activation("leaky_relu", negative_slope=0.4),
    "LogSigmoid": activation("log_sigmoid"),
    "LogSoftmax": activation("log_softmax", axis=1),
    "Moments": lambda ops, f, i, b: [
        *ops.moments(f, axes=(1,)),
        *ops.moments(f, axes=[-1, 1], keepdims=True),
    ],
    "Normalize": lambda ops, f, i, b: [
        ops.normalize(f),
        ops.normalize(f + 0.1, axis=1, order=1),
        ops.normalize(f * 0.001, axis=-1, order=3, epsilon=0.01),
        ops.normalize(f * 0.0),
        ops.normalize(f, axis=(1, 2)),
    ],
    "OneHot": lambda ops, f, i, b: [
        ops.one_hot(abs(i), 5),
        ops.one_hot(i, 4, axis=1, dtype="int32"),
        ops.one_hot(i, 4, axis=0),
        ops.one_hot(abs(i), 4, axis=2, dtype="bool"),
    ],
    "RMSNorm": lambda ops, f, i, b: [
        ops.rms_normalization(f),
        ops.rms_normalization(f, np.arange(4, dtype="float32"), epsilon=0.1),
        ops.rms_normalization(f, axis=1),
    ],
    "Relu": lambda ops, f, i, b: [ops.relu(f), ops.relu(i)],
    "Relu6": activation("relu6"),
    "Selu": activation("selu"),
    "Sigmoid": activation("sigmoid"),
    "Silu": activation("silu"),
    "SoftShrink": activation("soft_shrink", threshold=0.2),
    "Softmax": activation("softmax", axis=1),
    "Softplus": activation("softplus"),
    "Softsign": activation("softsign"),
    "SparsePlus": activation("sparse_plus"),
    "Squareplus": activation("squareplus", b=2),
    "TanhShrink": activation("tanh_shrink"),
    "Threshold": lambda ops, f, i, b: [ops.threshold(f, 0.5, -1.0), ops.threshold(f, -1, 20)],
}
