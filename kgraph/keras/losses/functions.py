"""Loss functions: y_true and y_pred [batch, *S, d] -> one loss per sample and position, [batch, *S].

Unless it says otherwise y_true is cast to the dtype of y_pred, and a last axis of size 1 that only one of them has
makes no difference. The means are over the last axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kgraph.keras import backend as K
from kgraph.keras.backend.ctc import ctc_loss
from kgraph.keras.backend.math import as_float
from kgraph.keras.backend.nn import as_labels
from kgraph.keras.losses.reduction import same_rank
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops.logic import cast

Axes = int | Sequence[int] | None


def _pair(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    predicted = Tensor(as_float(y_pred))
    return same_rank(Tensor(cast(as_value(y_true, predicted.dtype), predicted.dtype)), predicted)


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean((y_true - y_pred)^2)."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.mean(K.square(y_pred - y_true), -1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean(|y_true - y_pred|)."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.mean(K.abs(y_pred - y_true), -1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """100 mean(|y_true - y_pred| / max(|y_true|, epsilon))."""
    y_true, y_pred = _pair(y_true, y_pred)
    return 100.0 * K.mean(K.abs((y_true - y_pred) / K.maximum(K.abs(y_true), K.epsilon())), -1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean((log(1 + max(y_true, epsilon)) - log(1 + max(y_pred, epsilon)))^2)."""
    y_true, y_pred = _pair(y_true, y_pred)
    first, second = (K.log(K.maximum(y, K.epsilon()) + 1.0) for y in (y_pred, y_true))
    return K.mean(K.square(first - second), -1)


def _signs(y_true: Tensor) -> Tensor:
    """Labels 0 and 1, if all are such, as -1 and 1; others as they are."""
    binary = K.all(K.equal(y_true, K.square(y_true)))  # y = y^2 only for 0 and 1
    return K.switch(binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """mean(max(1 - y_true y_pred, 0)) for labels -1 and 1; labels 0 and 1 are taken for these."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.mean(K.relu(1.0 - _signs(y_true) * y_pred), -1)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """mean(max(1 - y_true y_pred, 0)^2), labels as for `hinge`."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.mean(K.square(K.relu(1.0 - _signs(y_true) * y_pred)), -1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """max(neg - pos + 1, 0) with pos = sum(y_true y_pred) and neg = max((1 - y_true) y_pred), labels one-hot."""
    y_true, y_pred = _pair(y_true, y_pred)
    pos = K.sum(y_true * y_pred, -1)
    neg = K.max((1.0 - y_true) * y_pred, -1)
    return K.relu(neg - pos + 1.0)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between y_true and y_pred as vectors along `axis`."""
    y_true, y_pred = _pair(y_true, y_pred)
    return -K.sum(K.l2_normalize(y_true, axis) * K.l2_normalize(y_pred, axis), axis)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """mean of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = y_pred - y_true. Huber, 1964."""
    y_true, y_pred = _pair(y_true, y_pred)
    error = K.abs(y_pred - y_true)
    small = K.minimum(error, delta)
    return K.mean(small * (error - 0.5 * small), -1)


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """mean(log(cosh(y_pred - y_true))), computed without overflow."""
    y_true, y_pred = _pair(y_true, y_pred)
    error = y_pred - y_true
    return K.mean(error + K.softplus(-2.0 * error) - math.log(2.0), -1)


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """sum(p log(p / q)) with p = y_true and q = y_pred, both kept within [epsilon, 1]."""
    y_true, y_pred = _pair(y_true, y_pred)
    p, q = K.clip(y_true, K.epsilon(), 1.0), K.clip(y_pred, K.epsilon(), 1.0)
    return K.sum(p * K.log(p / q), -1)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """mean(y_pred - y_true log(y_pred + epsilon))."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.mean(y_pred - y_true * K.log(y_pred + K.epsilon()), -1)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """-sum(t log p) along `axis`, with t = (1 - label_smoothing) y_true + label_smoothing / classes.

    p is the softmax of y_pred with `from_logits`, else y_pred scaled to sum 1 and kept within [epsilon, 1 - epsilon].
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return K.categorical_crossentropy(_smooth(y_true, label_smoothing, axis), y_pred, from_logits, axis)


def _smooth(y_true: Tensor, label_smoothing: float, axis: int) -> Tensor:
    if not label_smoothing:
        return y_true
    classes = K.cast(K.shape(y_true)[axis], y_true.dtype)
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Tensor:
    """-log p[y_true] along `axis`; y_true holds integers, with or without an axis of size 1. p as for one-hot labels.

    Positions with the label `ignore_class` have loss 0, and the result has a mask that leaves them out of means.
    """
    if ignore_class is None:
        return K.sparse_categorical_crossentropy(y_true, y_pred, from_logits, axis)
    labels = as_labels(y_true)
    if labels.rank == K.ndim(y_pred) and labels.shape[axis] == 1:
        labels = K.squeeze(labels, axis).value
    valid = K.not_equal(labels, ignore_class)
    chosen = K.switch(valid, labels, 0)
    losses = K.switch(valid, K.sparse_categorical_crossentropy(chosen, y_pred, from_logits, axis), 0.0)
    losses._keras_mask = valid
    return losses


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """mean(-(t log p + (1 - t) log(1 - p))) over `axis`, with t = (1 - label_smoothing) y_true + label_smoothing / 2.

    p is the sigmoid of y_pred with `from_logits`, else y_pred kept within [epsilon, 1 - epsilon].
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return K.mean(K.binary_crossentropy(_towards_half(y_true, label_smoothing), y_pred, from_logits), axis)


def _towards_half(y_true: Tensor, label_smoothing: float) -> Tensor:
    return y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y_true


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """-sum(alpha (1 - p)^gamma t log p) along `axis`: easy samples count less. Lin et al., 2017."""
    y_true, y_pred = _pair(y_true, y_pred)
    p = K.softmax(y_pred, axis) if from_logits else y_pred
    p = K.clip(p / K.sum(p, axis, True), K.epsilon(), 1.0 - K.epsilon())
    weight = alpha * K.pow(1.0 - p, gamma)
    return -K.sum(weight * _smooth(y_true, label_smoothing, axis) * K.log(p), axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """mean over `axis` of the binary cross entropy times (1 - p_t)^gamma, p_t being the probability of the truth.

    `apply_class_balancing` weighs ones by alpha and zeros by 1 - alpha. Lin et al., 2017.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    t = _towards_half(y_true, label_smoothing)
    p = K.sigmoid(y_pred) if from_logits else y_pred
    truth = t * p + (1.0 - t) * (1.0 - p)
    losses = K.pow(1.0 - truth, gamma) * K.binary_crossentropy(t, p)
    if apply_class_balancing:
        losses = (t * alpha + (1.0 - t) * (1.0 - alpha)) * losses
    return K.mean(losses, axis)


def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """-log p(labels), [batch], for labels [batch, N] from 1 on, 0 behind their end, and logits [batch, T, classes].

    Class 0 is the blank. See `kgraph.keras.backend.ctc.ctc_loss`. Raises ShapeError for other ranks.
    """
    predicted, labels = Tensor(as_float(y_pred)), Tensor(as_labels(y_true))
    lengths = K.sum(K.cast(K.not_equal(labels, 0), "int32"), -1)
    steps = K.sum(K.ones_like(predicted[:, :, 0], "int32"), -1)
    return ctc_loss(labels, predicted, lengths, steps)


def dice(y_true: Any, y_pred: Any, axis: Axes = None) -> Tensor:
    """1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + epsilon), the sums over `axis`, by default over all."""
    y_true, y_pred = _pair(y_true, y_pred)
    both = K.sum(y_true * y_pred, axis)
    return 1.0 - 2.0 * both / (K.sum(y_true, axis) + K.sum(y_pred, axis) + K.epsilon())


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Axes = None) -> Tensor:
    """1 - both / (both + alpha missed + beta wrong + epsilon), each a sum over `axis`. Salehi et al., 2017."""
    y_true, y_pred = _pair(y_true, y_pred)
    both = K.sum(y_true * y_pred, axis)
    missed = K.sum(y_true * (1.0 - y_pred), axis)
    wrong = K.sum((1.0 - y_true) * y_pred, axis)
    return 1.0 - both / (both + missed * alpha + wrong * beta + K.epsilon())


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
cosine = cosine_proximity = cosine_similarity
huber_loss = huber
logcosh = log_cosh
bce = BCE = binary_crossentropy
