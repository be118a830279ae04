"""Activations, cross entropies, normalisation and biases of K."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import Dim
from kgraph.ir.types import SIGNED, UNSIGNED, normalize_axis
from kgraph.keras import settings
from kgraph.keras.backend.math import as_float, clip, log, mean, square
from kgraph.keras.backend.shape import normalize_data_format
from kgraph.keras.tensor import Tensor, as_value, is_tensor
from kgraph.ops import activations as a
from kgraph.ops import elementwise as e
from kgraph.ops import indexing, logic, loss, norm
from kgraph.ops.broadcast import ReduceSum, reshape
from kgraph.ops.shape import full, squeeze


def relu(x: Any, alpha: Any = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """min(f(x), max_value) with f(x) = x where x > threshold, else alpha (x - threshold)."""
    value = as_float(x)
    if max_value is not None and not threshold and not is_tensor(alpha) and not np.any(alpha):
        return Tensor(e.clip(value, 0.0, float(max_value)))
    if is_tensor(alpha) or np.ndim(alpha) or threshold:
        below = e.mul(e.sub(value, float(threshold)), as_value(alpha, value.dtype))
        made = logic.where(logic.greater(value, float(threshold)), value, below)
    else:
        made = a.leaky_relu(value, float(alpha)) if alpha else a.relu(value)
    return Tensor(made if max_value is None else e.minimum(made, float(max_value)))


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1)."""
    return Tensor(a.elu(as_float(x), float(alpha)))


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along `axis`."""
    return Tensor(a.softmax(as_float(x), axis))


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """The logarithm of the softmax, computed without overflow."""
    return Tensor(a.log_softmax(as_float(x), axis))


def softplus(x: Any) -> Tensor:
    """log(1 + exp(x))."""
    return Tensor(a.softplus(as_float(x)))


def softsign(x: Any) -> Tensor:
    """x / (1 + |x|)."""
    return Tensor(a.softsign(as_float(x)))


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x))."""
    return Tensor(a.sigmoid(as_float(x)))


def hard_sigmoid(x: Any) -> Tensor:
    """min(max(0.2 x + 0.5, 0), 1), as in Keras 2. (The activation of that name is Keras 3's, with slope 1/6.)"""
    return Tensor(a.hard_sigmoid(as_float(x)))


def tanh(x: Any) -> Tensor:
    """The hyperbolic tangent."""
    return Tensor(a.tanh(as_float(x)))


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """-sum(target log p) along `axis`, which disappears.

    p is the softmax of logits; of probabilities it is output / sum(output), kept within [epsilon, 1 - epsilon].
    Raises ShapeError when the sizes along `axis` differ.
    """
    predicted = as_float(output)
    goal = logic.cast(as_value(target, predicted.dtype), predicted.dtype)
    axis = normalize_axis(axis, predicted.rank, "crossentropy axis")
    if goal.rank != predicted.rank or _differ(goal.shape[axis], predicted.shape[axis]):
        raise ShapeError(
            describe("categorical_crossentropy: target and output", expected=predicted.type, got=goal.type)
        )
    if from_logits:
        return Tensor(loss.softmax_cross_entropy(predicted, goal, axis))
    logs = log(_within(e.div(predicted, ReduceSum((axis,), True)(predicted)))).value
    return Tensor(e.neg(ReduceSum((axis,), False)(e.mul(goal, logs))))


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """-log p[label] along `axis`, which disappears; labels are integers, with or without an axis of size 1.

    p is as for `categorical_crossentropy`. Floating-point labels are truncated. Raises ShapeError when the other axes
    do not fit.
    """
    predicted = as_float(output)
    labels = as_labels(target)
    axis = normalize_axis(axis, predicted.rank, "crossentropy axis")
    if labels.rank == predicted.rank and labels.shape[axis] == 1:
        labels = squeeze(labels, axis)
    others = predicted.shape[:axis] + predicted.shape[axis + 1 :]
    if labels.rank != len(others) or any(map(_differ, labels.shape, others)):
        raise ShapeError(
            describe(
                "sparse_categorical_crossentropy: labels and output",
                expected=f"labels {list(others)} for {predicted.type}",
                got=labels.type,
            )
        )
    if from_logits:
        return Tensor(loss.sparse_softmax_cross_entropy(predicted, labels, axis))
    logs = log(_within(e.div(predicted, ReduceSum((axis,), True)(predicted)))).value
    return Tensor(e.neg(indexing.take_one(logs, labels, axis)))


def as_labels(target: Any) -> ir.Value:
    """Class labels as integers: what is floating-point is truncated to int32."""
    labels = as_value(target, "int32")
    return labels if labels.dtype in SIGNED | UNSIGNED else logic.cast(labels, "int32")


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """-(target log p + (1 - target) log(1 - p)), element by element.

    p is the sigmoid of logits; probabilities are kept within [epsilon, 1 - epsilon].
    """
    predicted = as_float(output)
    goal = logic.cast(as_value(target, predicted.dtype), predicted.dtype)
    if from_logits:
        return Tensor(loss.sigmoid_cross_entropy(predicted, goal))
    p, t = _within(predicted), Tensor(goal)
    return -(t * log(p) + (1.0 - t) * log(1.0 - p))


def _within(probability: ir.Value) -> Tensor:
    return clip(Tensor(probability), settings.epsilon(), 1.0 - settings.epsilon())


def _differ(size: Dim, other: Dim) -> bool:
    """Whether two sizes are known to differ."""
    return isinstance(size, int) and isinstance(other, int) and size != other


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Tensor:
    """x + bias: one number per channel, or one per position and channel (in the order rows, columns, channels).

    Raises ShapeError when the bias has another rank.
    """
    value, offset = as_value(x), as_value(bias)
    if offset.rank not in (1, value.rank - 1):
        raise ShapeError(
            describe("bias_add", expected=f"a bias of rank 1 or {value.rank - 1}", got=offset.type)
        )
    if normalize_data_format(data_format) == "channels_first" and value.rank > 2:
        *places, channels = offset.shape
        offset = reshape(offset, (channels, *(places or (1,) * (value.rank - 2))))
    return Tensor(e.add(value, offset))


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Tensor:
    """(x - mean) / sqrt(var + epsilon) * gamma + beta, without gamma or beta where they are None.

    Each parameter has one number per channel, [c], or broadcasts against `x`.
    """
    value, center, spread = as_float(x), as_value(mean), as_value(var)
    scale = as_value(gamma) if gamma is not None else full(center.shape, 1.0, value.dtype)
    offset = as_value(beta) if beta is not None else full(center.shape, 0.0, value.dtype)
    axis = normalize_axis(axis, value.rank)
    parameters = [scale, offset, center, spread]
    if all(p.shape in ((value.shape[axis],), _along(value, axis)) for p in parameters):
        flat = [reshape(p, (value.shape[axis],)) for p in parameters]
        return Tensor(norm.BatchNorm(axis, epsilon)(value, *flat))
    factor = e.div(scale, e.sqrt(e.add(spread, epsilon)))
    return Tensor(e.add(e.mul(e.sub(value, center), factor), offset))


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Sequence[int], epsilon: float = 1e-3
) -> tuple[Tensor, Tensor, Tensor]:
    """`x` normalised by its own mean and variance over `reduction_axes`, then these two."""
    value = as_float(x)
    axes = {normalize_axis(axis, value.rank) for axis in reduction_axes}
    (kept, *others) = [axis for axis in range(value.rank) if axis not in axes] or [None]
    if kept is not None and not others:
        channels = (value.shape[kept],)
        scale = as_value(gamma) if gamma is not None else full(channels, 1.0, value.dtype)
        offset = as_value(beta) if beta is not None else full(channels, 0.0, value.dtype)
        node = norm.BatchNormTrain(kept, epsilon)
        y, center, spread = node.apply(value, reshape(scale, channels), reshape(offset, channels))
        return Tensor(y), Tensor(center), Tensor(spread)
    center_ = mean(Tensor(value), sorted(axes), True)
    spread_ = mean(square(Tensor(value) - center_), sorted(axes), True)
    return batch_normalization(x, center_, spread_, beta, gamma, -1, epsilon), center_, spread_


def _along(x: ir.Value, axis: int) -> tuple[Dim, ...]:
    """The shape that broadcasts one number per channel against `x`."""
    return tuple(size if i == axis else 1 for i, size in enumerate(x.shape))
