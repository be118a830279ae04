"""Where a Keras trained otherwise than kgraph, which computes as the latest does, and what makes up for it.

Each habit is tested by following it: training then arrives where the producer arrived, as closely as without any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kgraph import keras
from kgraph.keras.optimizers.base import root
from tests.data.keras_files.recipes import BATCH, STEPS
from tests.data.keras_files.recipes_1 import recipes_1
from tests.keras.saving.kept import Arrays, Kept, one

OTHERWISE: Mapping[tuple[str, str], str] = {
    ("keras-2.3.1", "frozen"): "a normalisation that is not trained still used the statistics of the batch",
    ("keras-3.0.5", "activity"): "the file does not have the activity_regularizer of a Dense layer",
    (
        "tf_keras",
        "optimizer_nadam",
    ): "the product of momentums takes in one factor for each weight, not each step",
}
"""Models that go on elsewhere, by producer and recipe, and why."""

LOST = {("tf_keras", f"optimizer_{name}_decay", "model.keras") for name in ("sgd", "rmsprop", "adam")}
LOST.add(("keras-1.2.2", "optimizer_rmsprop_decay", "model.h5"))
"""Files without the steps of their optimizer: tf.keras has no older optimizers in archives, Keras 1 no count here."""

UNORDERED = {
    ("keras-1.2.2", recipe.name, "model.h5")
    for recipe in recipes_1()
    if not recipe.name.startswith("optimizer_")
}
"""Files whose state of the optimizer is in an order that they do not say: that of names that Theano counted."""


def train(kept: Kept, name: str) -> tuple[Arrays, Arrays]:
    """Weights of the model in a file after more training with the habits of its producer, and before."""
    model = _with_habits(kept, kept.load(name))
    before, variances = kept.weights(model), _moving_variances(model)
    x, y = one(kept.arrays("x")), one(kept.arrays("y"))
    for _ in range(STEPS):
        if kept.recipe.name == "stateful" and kept.producer.startswith("keras-3"):
            model.reset_states()  # on JAX a step of training starts from zeros, and leaves the states alone
        model.train_on_batch(x, y)
    for layer, start in variances.items():
        started = start * layer.momentum**STEPS
        layer.moving_variance.assign(
            started + (layer.moving_variance.numpy() - started) * _sampling(kept, layer)
        )
    return kept.weights(model), before


def _moving_variances(model: Any) -> dict[Any, np.ndarray[Any, Any]]:
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return {layer: layer.moving_variance.numpy() for layer in found if layer.trainable}


def _sampling(kept: Kept, layer: Any) -> float:
    """What Keras 2 multiplies the variance of a batch by, to make it one of a sample."""
    shape = layer.input_shape
    count = BATCH * math.prod(shape[1:]) / shape[layer.axis]
    if kept.producer == "keras-2.3.1":
        return count / (count - 1 - layer.epsilon)
    return count / (count - 1) if kept.producer == "tf_keras" and len(shape) == 4 else 1.0


def _with_habits(kept: Kept, model: Any) -> Any:
    old = kept.producer in ("keras-1.2.2", "keras-2.3.1")
    if kept.producer == "keras-2.3.1":  # its steps count themselves before they look at the count
        model.optimizer.iterations.assign_add(1)
    if old or kept.recipe.name == "optimizer_rmsprop_decay":
        rule = OUTSIDE.get(type(model.optimizer))
        if rule is not None:
            return _again(model, optimizer=rule.from_config(model.optimizer.get_config()))
    if old and kept.recipe.name == "activity":
        return _again(model, penalties={"activity_regularizer": BATCH, "ActivityRegularization": BATCH})
    if kept.producer == "keras-3.0.5" and kept.recipe.name in (
        "dense",
        "text",
    ):  # the step adds the penalties to a loss that has them already
        return _again(model, penalties=dict.fromkeys(PENALTIES, 2))
    return model


class RMSprop(keras.optimizers.RMSprop):
    """w' = w - learning_rate g / (sqrt(v') + epsilon), as before tf.keras 2.11 when there is no momentum."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        velocity = self.slot("velocity", variable)
        velocity.assign(velocity * self.rho + gradient * gradient * (1.0 - self.rho))
        variable.assign(variable - gradient * learning_rate / (root(velocity) + self.epsilon))


class Adagrad(keras.optimizers.Adagrad):
    """w' = w - learning_rate g / (sqrt(a') + epsilon), as in Keras 2."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        total = self.slot("accumulator", variable)
        total.assign(total + gradient * gradient)
        variable.assign(variable - gradient * learning_rate / (root(total) + self.epsilon))


PENALTIES = ("kernel_regularizer", "bias_regularizer", "embeddings_regularizer")
OUTSIDE = {keras.optimizers.RMSprop: RMSprop, keras.optimizers.Adagrad: Adagrad}
"""Rules with epsilon outside of the root."""


def _again(model: Any, optimizer: Any = None, penalties: Mapping[str, int] | None = None) -> Any:
    """The model in the state it is in, with another optimizer, or with penalties that weigh so many times as much."""
    fresh = type(model).from_config(_weighed(model.get_config(), penalties or {}))
    fresh.set_weights(model.get_weights())
    state = model.optimizer.get_weights()
    fresh.compile(**{**model._compile_arguments, "optimizer": optimizer or model.optimizer})
    fresh._make_optimizer_state()
    fresh.optimizer.set_weights(state)
    return fresh


def _weighed(config: Any, penalties: Mapping[str, int], times: int = 1) -> Any:
    """A configuration with other factors in what stands under these keys, or has these class names."""
    if isinstance(config, list | tuple):
        return [_weighed(item, penalties, times) for item in config]
    if not isinstance(config, Mapping):
        return config
    times = penalties.get(config.get("class_name", ""), times)
    return {
        key: value * times if key in ("l1", "l2") else _weighed(value, penalties, penalties.get(key, times))
        for key, value in config.items()
    }
