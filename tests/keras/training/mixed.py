"""Models that train in mixed precision, compared with real Keras: written once, for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.keras.training.cases import start

STEPS = 12
Made = tuple[list[Any], Any, np.ndarray]


def _dense(keras: Any) -> Made:
    layers = keras.layers
    stack = [keras.Input((12,)), layers.Dense(16, activation="relu"), layers.Dense(5, dtype="float32")]
    return stack, keras.optimizers.SGD(0.01, momentum=0.9), _random(12)


def _convolutional(keras: Any) -> Made:
    layers = keras.layers
    stack = [keras.Input((9, 9, 3)), layers.Conv2D(6, 3, activation="relu"), layers.BatchNormalization()]
    stack += [layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(5, activation="softmax")]
    return stack, keras.optimizers.SGD(0.01, momentum=0.9), _random(9, 9, 3)


def _recurrent(keras: Any) -> Made:
    layers = keras.layers
    stack = [keras.Input((6,), dtype="int32"), layers.Embedding(20, 8), layers.LSTM(6), layers.Dense(5)]
    words = np.random.RandomState(3).randint(0, 20, (16, 6))
    return stack, keras.optimizers.RMSprop(0.01, clipnorm=1.0), words


def _overflowing(keras: Any) -> Made:
    """Gradients that float16 does not hold unless the scale comes down in step after step."""
    layers = keras.layers
    stack = [keras.Input((12,)), layers.Dense(16, use_bias=False), layers.Dense(5, use_bias=False)]
    return stack, keras.optimizers.SGD(1e-4), 300 * _random(12)


CASES: dict[str, Callable[[Any], Made]] = {
    "mixed/dense": _dense,
    "mixed/convolutional": _convolutional,
    "mixed/recurrent": _recurrent,
    "mixed/overflowing": _overflowing,
}


def _random(*shape: int) -> np.ndarray:
    return np.random.RandomState(5).randn(16, *shape).astype("float32")


def train(keras: Any, case: str) -> list[np.ndarray]:
    """Twelve steps on one batch: losses, the loss scale and the steps that counted, then the weights."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        stack, optimizer, x = CASES[case](keras)
        model = keras.Sequential(stack)
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights([w * 0.5 for w in start([tuple(w.shape) for w in model.get_weights()])])
    model.compile(optimizer, "categorical_crossentropy" if case == "mixed/convolutional" else "mse")
    y = np.eye(5, dtype="float32")[np.random.RandomState(7).randint(0, 5, 16)]
    losses = [float(np.asarray(model.train_on_batch(x, y))) for _ in range(STEPS)]
    scaling = [float(np.asarray(v)) for v in (model.optimizer.dynamic_scale, model.optimizer.iterations)]
    return [np.asarray(losses), np.asarray(scaling), *model.get_weights()]
