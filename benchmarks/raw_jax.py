"""The same models as plain JAX: pure functions, one jitted step with donated state, optimizers by hand.

A model's parameters are a list with one dict for each layer. `apply(parameters, inputs, key)` gives logits and drops
units only when there is a key. Images are NHWC and kernels HWIO, as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.frameworks import Framework
from benchmarks.models import SEED, Workload
from benchmarks.subject import LoopSubject

Tensor: TypeAlias = jax.Array
Tree: TypeAlias = Any
Layer: TypeAlias = Mapping[str, Tensor]
Key: TypeAlias = Tensor | None


@dataclass(frozen=True)
class Network:
    """`init(generator)` makes the parameters; `loss(logits, targets)` is the mean over the batch."""

    init: Callable[[np.random.Generator], Tree]
    apply: Callable[[Tree, Tensor, Key], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: Optimizer


@dataclass(frozen=True)
class Optimizer:
    """`slots(parameters)` makes the state; `update(gradients, slots, parameters, step)` renews both."""

    slots: Callable[[Tree], Tree]
    update: Callable[[Tree, Tree, Tree, Tensor], tuple[Tree, Tree]]


def weights(generator: np.random.Generator, **shapes: tuple[int, ...]) -> Layer:
    """One layer's parameters: biases zero, everything else Glorot uniform."""

    def make(shape: tuple[int, ...]) -> Tensor:
        if len(shape) == 1:
            return jnp.asarray(np.zeros(shape, np.float32))
        fan_in, fan_out = int(np.prod(shape[:-1])), shape[-1]
        limit = np.sqrt(6 / (fan_in + fan_out))
        return jnp.asarray(generator.uniform(-limit, limit, shape).astype(np.float32))

    return {name: make(shape) for name, shape in shapes.items()}


def dense(layer: Layer, x: Tensor) -> Tensor:
    """x [batch, inputs] -> [batch, units]."""
    return x @ layer["kernel"] + layer["bias"]


def conv_relu(layer: Layer, x: Tensor) -> Tensor:
    """A valid 3x3 convolution: x [batch, h, w, channels] -> [batch, h - 2, w - 2, filters]."""
    y = jax.lax.conv_general_dilated(
        x, layer["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jax.nn.relu(y + layer["bias"])


def max_pool(x: Tensor) -> Tensor:
    """The largest of each 2x2 block."""
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def dropout(x: Tensor, rate: float, key: Key, salt: int) -> Tensor:
    """Each unit is zero with probability `rate`; the others make up for it."""
    if key is None:
        return x
    kept = jax.random.bernoulli(jax.random.fold_in(key, salt), 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), 0)


def lstm(layer: Layer, x: Tensor) -> Tensor:
    """All hidden states: x [batch, time, features] -> [batch, time, units]. Gates in Keras's order, i f c o.

    The input's product stays in the loop: as one large product before it, the whole step is half as slow again.
    """
    zero = jnp.zeros((x.shape[0], layer["recurrent"].shape[0]), x.dtype)

    def advance(state: tuple[Tensor, Tensor], now: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        hidden, cell = state
        z = now @ layer["kernel"] + hidden @ layer["recurrent"] + layer["bias"]
        i, f, c, o = jnp.split(z, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(c)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden

    _, hidden = jax.lax.scan(advance, (zero, zero), jnp.swapaxes(x, 0, 1))
    return jnp.swapaxes(hidden, 0, 1)


def dense_weights(generator: np.random.Generator, inputs: int, units: int) -> Layer:
    """Kernel and bias of a dense layer."""
    return weights(generator, kernel=(inputs, units), bias=(units,))


def conv_weights(generator: np.random.Generator, channels: int, filters: int) -> Layer:
    """Kernel and bias of a 3x3 convolution."""
    return weights(generator, kernel=(3, 3, channels, filters), bias=(filters,))


def lstm_weights(generator: np.random.Generator, inputs: int, units: int) -> Layer:
    """Kernels and bias of an LSTM."""
    return weights(generator, kernel=(inputs, 4 * units), recurrent=(units, 4 * units), bias=(4 * units,))


def init_mlp(generator: np.random.Generator, hidden: int) -> Tree:
    """Parameters of `models.mlp`."""
    sizes = [784, hidden, hidden, 10]
    return [dense_weights(generator, a, b) for a, b in pairwise(sizes)]


def apply_mlp(parameters: Tree, x: Tensor, key: Key) -> Tensor:
    """x [batch, 784] -> logits [batch, 10]."""
    *hidden, last = parameters
    for salt, layer in enumerate(hidden):
        x = dropout(jax.nn.relu(dense(layer, x)), 0.2, key, salt)
    return dense(last, x)


def init_mnist_cnn(generator: np.random.Generator) -> Tree:
    """Parameters of `models.mnist_cnn`."""
    return [
        conv_weights(generator, 1, 32),
        conv_weights(generator, 32, 64),
        dense_weights(generator, 12 * 12 * 64, 128),
        dense_weights(generator, 128, 10),
    ]


def apply_mnist_cnn(parameters: Tree, x: Tensor, key: Key) -> Tensor:
    """x [batch, 28, 28, 1] -> logits [batch, 10]."""
    first, second, hidden, last = parameters
    x = dropout(max_pool(conv_relu(second, conv_relu(first, x))), 0.25, key, 0)
    x = dropout(jax.nn.relu(dense(hidden, x.reshape(x.shape[0], -1))), 0.5, key, 1)
    return dense(last, x)


def init_vgg_like(generator: np.random.Generator) -> Tree:
    """Parameters of `models.vgg_like`."""
    return [
        conv_weights(generator, 3, 32),
        conv_weights(generator, 32, 32),
        conv_weights(generator, 32, 64),
        conv_weights(generator, 64, 64),
        dense_weights(generator, 22 * 22 * 64, 256),
        dense_weights(generator, 256, 10),
    ]


def apply_vgg_like(parameters: Tree, x: Tensor, key: Key) -> Tensor:
    """x [batch, 100, 100, 3] -> logits [batch, 10]."""
    a, b, c, d, hidden, last = parameters
    x = dropout(max_pool(conv_relu(b, conv_relu(a, x))), 0.25, key, 0)
    x = dropout(max_pool(conv_relu(d, conv_relu(c, x))), 0.25, key, 1)
    x = dropout(jax.nn.relu(dense(hidden, x.reshape(x.shape[0], -1))), 0.5, key, 2)
    return dense(last, x)


def init_lstm_text(generator: np.random.Generator) -> Tree:
    """Parameters of `models.lstm_text`."""
    return [
        weights(generator, table=(20_000, 128)),
        lstm_weights(generator, 128, 128),
        dense_weights(generator, 128, 1),
    ]


def apply_lstm_text(parameters: Tree, x: Tensor, key: Key) -> Tensor:
    """Word numbers x [batch, 80] -> logit [batch, 1]."""
    words, recurrent, last = parameters
    return dense(last, lstm(recurrent, words["table"][x])[:, -1])


def init_stacked_lstm(generator: np.random.Generator) -> Tree:
    """Parameters of `models.stacked_lstm`."""
    return [
        *(lstm_weights(generator, inputs, 32) for inputs in (16, 32, 32)),
        dense_weights(generator, 32, 10),
    ]


def apply_stacked_lstm(parameters: Tree, x: Tensor, key: Key) -> Tensor:
    """x [batch, 8, 16] -> logits [batch, 10]."""
    *recurrent, last = parameters
    for layer in recurrent:
        x = lstm(layer, x)
    return dense(last, x[:, -1])


def categorical(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of softmax(logits) and one-hot targets."""
    return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1))


def binary(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of sigmoid(logits) and targets in [0, 1]."""
    return jnp.mean(jax.nn.softplus(logits) - targets * logits)


def zeros(parameters: Tree) -> Tree:
    """One slot for each parameter."""
    return jax.tree.map(jnp.zeros_like, parameters)


def two_zeros(parameters: Tree) -> Tree:
    """Two slots for each parameter."""
    return zeros(parameters), zeros(parameters)


def rmsprop(gradients: Tree, slots: Tree, parameters: Tree, step: Tensor) -> tuple[Tree, Tree]:
    """v = .9 v + .1 g^2; p -= .001 g / sqrt(v + e). Slots: v."""
    slots = jax.tree.map(lambda v, g: 0.9 * v + 0.1 * g * g, slots, gradients)
    moved = jax.tree.map(lambda p, g, v: p - 1e-3 * g / jnp.sqrt(v + 1e-7), parameters, gradients, slots)
    return slots, moved


def adadelta(gradients: Tree, slots: Tree, parameters: Tree, step: Tensor) -> tuple[Tree, Tree]:
    """v = .95 v + .05 g^2; d = g sqrt(m + e) / sqrt(v + e); m = .95 m + .05 d^2; p -= d. Slots: v, m."""
    squares, moves = slots
    squares = jax.tree.map(lambda v, g: 0.95 * v + 0.05 * g * g, squares, gradients)
    delta = jax.tree.map(
        lambda g, v, m: g * jnp.sqrt(m + 1e-7) / jnp.sqrt(v + 1e-7), gradients, squares, moves
    )
    moves = jax.tree.map(lambda m, d: 0.95 * m + 0.05 * d * d, moves, delta)
    return (squares, moves), jax.tree.map(jnp.subtract, parameters, delta)


def nesterov(gradients: Tree, slots: Tree, parameters: Tree, step: Tensor) -> tuple[Tree, Tree]:
    """v = .9 v - .01 g; p += .9 v - .01 g. Slots: v."""
    slots = jax.tree.map(lambda v, g: 0.9 * v - 0.01 * g, slots, gradients)
    return slots, jax.tree.map(lambda p, v, g: p + 0.9 * v - 0.01 * g, parameters, slots, gradients)


def adam(gradients: Tree, slots: Tree, parameters: Tree, step: Tensor) -> tuple[Tree, Tree]:
    """m = .9 m + .1 g; v = .999 v + .001 g^2; p -= rate m / (sqrt(v) + e). Slots: m, v."""
    first, second = slots
    t = step.astype(jnp.float32) + 1
    rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    moved = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), parameters, first, second)
    return (first, second), moved


RMSPROP = Optimizer(zeros, rmsprop)

NETWORKS = {
    "mlp": Network(partial(init_mlp, hidden=512), apply_mlp, categorical, RMSPROP),
    "mlp_small": Network(partial(init_mlp, hidden=64), apply_mlp, categorical, RMSPROP),
    "mnist_cnn": Network(init_mnist_cnn, apply_mnist_cnn, categorical, Optimizer(two_zeros, adadelta)),
    "vgg_like": Network(init_vgg_like, apply_vgg_like, categorical, Optimizer(zeros, nesterov)),
    "lstm_text": Network(init_lstm_text, apply_lstm_text, binary, Optimizer(two_zeros, adam)),
    "stacked_lstm": Network(init_stacked_lstm, apply_stacked_lstm, categorical, RMSPROP),
}


class JaxSubject(LoopSubject):
    """A network with its training state, both steps jitted."""

    def __init__(self, workload: Workload, network: Network) -> None:
        super().__init__(workload)
        parameters = network.init(np.random.default_rng(SEED))
        self.state: Tree = (
            parameters,
            network.optimizer.slots(parameters),
            jax.random.key(SEED),
            jnp.zeros((), jnp.int32),
        )
        self.forward = jax.jit(lambda parameters, x: network.apply(parameters, x, None))
        self.advance = jax.jit(partial(training_step, network), donate_argnums=0)
        self.batch = jax.device_put((self.inputs[: workload.batch], self.targets[: workload.batch]))
        self.loss: Tensor = jnp.zeros(())

    def train(self, inputs: Any, targets: Any) -> None:
        self.state, self.loss = self.advance(self.state, inputs, targets)

    def wait(self) -> None:
        jax.block_until_ready(self.state)

    def step(self) -> None:
        self.train(*self.batch)
        self.wait()

    def predict(self) -> None:
        np.asarray(self.forward(self.state[0], self.inputs[:1]))


def training_step(network: Network, state: Tree, x: Tensor, y: Tensor) -> tuple[Tree, Tensor]:
    """(parameters, slots, key, step) and a batch -> the same after one update, and the loss."""
    parameters, slots, key, step = state
    mask_key = jax.random.fold_in(key, step)
    loss, gradients = jax.value_and_grad(lambda p: network.loss(network.apply(p, x, mask_key), y))(parameters)
    slots, parameters = network.optimizer.update(gradients, slots, parameters, step)
    return (parameters, slots, key, step + 1), loss


def subject(framework: Framework, workload: Workload) -> JaxSubject:
    """`workload` as plain JAX."""
    return JaxSubject(workload, NETWORKS[workload.name])
