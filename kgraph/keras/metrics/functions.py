"""Metric functions: y_true and y_pred [batch, *S, d] -> one number per sample (and position)."""

from __future__ import annotations

from typing import Any

from kgraph.keras import backend as K
from kgraph.keras.backend.nn import as_labels
from kgraph.keras.losses import functions as losses
from kgraph.keras.losses.reduction import same_rank
from kgraph.keras.tensor import Tensor, as_value


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Whether y_pred equals y_true, element by element."""
    return K.cast(K.equal(*_pair(y_true, y_pred)), K.floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """Whether y_pred is above the threshold where y_true is 1 and not above it where y_true is 0."""
    wanted, predicted = _pair(y_true, y_pred)
    return K.cast(K.equal(wanted, K.cast(predicted > threshold, wanted.dtype)), K.floatx())


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Whether the largest element of y_pred is where that of y_true is, along the last axis."""
    return K.cast(K.equal(K.argmax(y_true), K.argmax(y_pred)), K.floatx())


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Whether the largest element of y_pred along the last axis is at the position that y_true says."""
    return K.cast(K.equal(K.cast(_labels(y_true, y_pred), "int64"), K.argmax(y_pred)), K.floatx())


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """Whether the element of y_pred where y_true is largest is among the k largest of its row; ties count as in."""
    return sparse_top_k_categorical_accuracy(K.argmax(y_true), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """Whether the element of y_pred at the position that y_true says is among the k largest of its row."""
    labels = _labels(y_true, y_pred)
    rows = K.reshape(y_pred, (-1, K.shape(y_pred)[-1]))
    within = K.in_top_k(rows, K.flatten(labels), k)
    return K.cast(K.reshape(within, K.shape(labels)), K.floatx())


def shaped_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """The accuracy that fits the shapes: binary for one output, sparse for one label per row, else categorical."""
    if K.int_shape(y_pred)[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    sparse = K.ndim(y_true) < K.ndim(y_pred) or K.int_shape(y_true)[-1] == 1
    return (sparse_categorical_accuracy if sparse else categorical_accuracy)(y_true, y_pred)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """The cosine of the angle between y_true and y_pred as vectors along `axis`. (The loss is minus this.)"""
    return -losses.cosine_similarity(y_true, y_pred, axis)


def _pair(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    return same_rank(Tensor(as_value(y_true)), Tensor(as_value(y_pred)))


def _labels(y_true: Any, y_pred: Any) -> Tensor:
    """Integer labels without a last axis of size 1."""
    labels = Tensor(as_labels(y_true))
    return K.squeeze(labels, -1) if labels.ndim == K.ndim(y_pred) else labels


cosine = cosine_proximity = cosine_similarity
