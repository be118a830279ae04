"""Metrics that count what was predicted right and wrong, at one threshold or at many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.keras import backend as K
from kgraph.keras.losses.reduction import divide_no_nan, same_rank
from kgraph.keras.metrics.base import Metric
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops import shape as s
from kgraph.ops.reduce import TopK

LOWEST = -1e10  # below every prediction: all of the top k count as positive

Thresholds = float | Sequence[float] | None


class Counts(NamedTuple):
    """Weighted numbers of predictions [thresholds]: positive (above the threshold) or not, rightly or wrongly."""

    true_positives: Tensor
    false_positives: Tensor
    true_negatives: Tensor
    false_negatives: Tensor


def count(
    y_true: Any,
    y_pred: Any,
    thresholds: Sequence[float],
    sample_weight: Any = None,
    top_k: int | None = None,
    class_id: int | None = None,
) -> Counts:
    """The counts of a batch. y_true is 1 (or anything but 0) where positive would be right.

    `top_k` keeps the k largest predictions of each row, `class_id` one class of the last axis.
    """
    predicted = Tensor(as_value(y_pred))
    wanted, predicted = same_rank(K.cast(K.cast(y_true, "bool"), predicted.dtype), predicted)
    if top_k is not None:
        predicted = _only_largest(predicted, top_k)
    if class_id is not None:
        wanted, predicted = wanted[..., class_id], predicted[..., class_id]
    weight = K.ones_like(predicted)
    if sample_weight is not None:
        given = K.cast(sample_weight, predicted.dtype)
        weight = weight * K.reshape(given, (*given.dims, *(1,) * (predicted.ndim - given.ndim)))
    wanted, predicted, weight = K.flatten(wanted), K.flatten(predicted), K.flatten(weight)
    right, wrong = wanted * weight, (1.0 - wanted) * weight
    above = _counts_in_buckets if _is_even(thresholds) else _counts_by_comparison
    tp, fp = above(predicted, right, thresholds), above(predicted, wrong, thresholds)
    return Counts(tp, fp, K.sum(wrong) - fp, K.sum(right) - tp)


def _counts_by_comparison(predicted: Tensor, weight: Tensor, thresholds: Sequence[float]) -> Tensor:
    """The weight above each threshold: a comparison with all of them, [N, T], and a product."""
    above = K.expand_dims(predicted, 1) > K.constant([list(thresholds)], predicted.dtype)
    return K.dot(weight, K.cast(above, weight.dtype))


def _counts_in_buckets(predicted: Tensor, weight: Tensor, thresholds: Sequence[float]) -> Tensor:
    """The same for T thresholds i / (T - 1): N additions, each to the last threshold passed, and a running sum."""
    last = len(thresholds) - 1
    bucket = -K.floor(-K.clip(predicted, 0.0, 1.0) * float(last)) - 1.0
    if thresholds[0] >= 0:  # a prediction of 0 is above no threshold; AUC begins a little below
        weight = weight * K.cast(bucket >= 0.0, weight.dtype)
    positions = K.cast(K.maximum(bucket, 0.0), "int32")
    sums = Tensor(s.ScatterAdd(0, (len(thresholds),))(weight.value, positions.value))
    return K.reverse(K.cumsum(K.reverse(sums, 0)), 0)


def _is_even(thresholds: Sequence[float]) -> bool:
    even = np.linspace(0.0, 1.0, len(thresholds))
    return len(thresholds) >= 3 and np.allclose(thresholds, even, rtol=0, atol=2 * K.epsilon())


def _only_largest(predicted: Tensor, k: int) -> Tensor:
    """The k largest of each row as they are, the others as LOWEST."""
    _, positions = TopK(k).apply(predicted.value)
    kept = K.sum(K.one_hot(Tensor(positions), K.int_shape(predicted)[-1]), -2)
    return K.switch(kept > 0.5, predicted, LOWEST)


def check_thresholds(thresholds: Thresholds, default: float) -> list[float]:
    """A list of thresholds. Raises ArgumentError for one outside of [0, 1]."""
    if thresholds is None:
        return [default]
    found = [
        float(t) for t in (thresholds if isinstance(thresholds, list | tuple | np.ndarray) else [thresholds])
    ]
    outside = [t for t in found if not 0.0 <= t <= 1.0]
    if outside or not found:
        raise ArgumentError(describe("bad thresholds", expected="numbers from 0 to 1", got=thresholds))
    return found


class ThresholdMetric(Metric):
    """Base of those that keep counts per threshold: `counted` names the fields of `Counts` that they need."""

    counted: ClassVar[tuple[str, ...]] = Counts._fields

    def __init__(
        self,
        thresholds: Sequence[float],
        name: str | None = None,
        dtype: str | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self._points = list(thresholds)
        self.top_k, self.class_id = top_k, class_id
        for field in self.counted:
            setattr(self, field, self.add_weight(field, (len(self._points),)))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        made = count(y_true, y_pred, self._points, sample_weight, self.top_k, self.class_id)
        for field in self.counted:
            getattr(self, field).assign_add(K.cast(getattr(made, field), self.dtype))

    def share(self, part: str, rest: str) -> Tensor:
        """part / (part + rest) of the counts so far, 0 where there are none."""
        return divide_no_nan(getattr(self, part), getattr(self, part) + getattr(self, rest))

    def single(self, values: Tensor) -> Tensor:
        """A scalar where there is one threshold, else all."""
        return values[0] if len(self._points) == 1 else values


class _AtThresholds(ThresholdMetric):
    """Counts at thresholds that the user gives, 0.5 by default."""

    def __init__(
        self, thresholds: Thresholds = None, name: str | None = None, dtype: str | None = None
    ) -> None:
        super().__init__(check_thresholds(thresholds, 0.5), name, dtype)
        self.thresholds = thresholds

    def result(self) -> Tensor:
        return self.single(getattr(self, self.counted[0]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.thresholds}


class TruePositives(_AtThresholds):
    """How many were rightly above the threshold."""

    counted = ("true_positives",)


class FalsePositives(_AtThresholds):
    """How many were wrongly above the threshold."""

    counted = ("false_positives",)


class TrueNegatives(_AtThresholds):
    """How many were rightly not above the threshold."""

    counted = ("true_negatives",)


class FalseNegatives(_AtThresholds):
    """How many were wrongly not above the threshold."""

    counted = ("false_negatives",)


class _Quotient(ThresholdMetric):
    """true positives / (true positives + the other count)."""

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        default = 0.5 if top_k is None else LOWEST
        super().__init__(check_thresholds(thresholds, default), name, dtype, top_k, class_id)
        self.thresholds = thresholds

    def result(self) -> Tensor:
        return self.single(self.share(*self.counted))

    def get_config(self) -> dict[str, Any]:
        own = {"thresholds": self.thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


class Precision(_Quotient):
    """The share of what was predicted positive that is: tp / (tp + fp)."""

    counted = ("true_positives", "false_positives")


class Recall(_Quotient):
    """The share of what is positive that was predicted so: tp / (tp + fn)."""

    counted = ("true_positives", "false_negatives")


class SensitivitySpecificityBase(ThresholdMetric):
    """The largest of one share over all thresholds where another is at least `value`.

    Raises ArgumentError for a value outside of [0, 1] or no thresholds.
    """

    bounded: ClassVar[tuple[str, str]]
    wanted: ClassVar[tuple[str, str]]
    argument: ClassVar[str]

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        if not 0.0 <= value <= 1.0:
            raise ArgumentError(
                describe(f"{type(self).__name__}: {self.argument}", expected="from 0 to 1", got=value)
            )
        if num_thresholds <= 0:
            raise ArgumentError(
                describe(f"{type(self).__name__}: num_thresholds", expected="1 or more", got=num_thresholds)
            )
        points = [0.5] if num_thresholds == 1 else list(np.linspace(0.0, 1.0, num_thresholds))
        super().__init__(points, name, dtype, class_id=class_id)
        self.value, self.num_thresholds = value, num_thresholds

    def result(self) -> Tensor:
        allowed = self.share(*self.bounded) >= self.value
        return K.max(K.switch(allowed, self.share(*self.wanted), 0.0))

    def get_config(self) -> dict[str, Any]:
        own = {self.argument: self.value, "num_thresholds": self.num_thresholds, "class_id": self.class_id}
        return {**super().get_config(), **own}


SENSITIVITY = ("true_positives", "false_negatives")
SPECIFICITY = ("true_negatives", "false_positives")
PRECISION = ("true_positives", "false_positives")


class SensitivityAtSpecificity(SensitivitySpecificityBase):
    """The best tp / (tp + fn) where tn / (tn + fp) is at least `specificity`."""

    bounded, wanted, argument = SPECIFICITY, SENSITIVITY, "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(SensitivitySpecificityBase):
    """The best tn / (tn + fp) where tp / (tp + fn) is at least `sensitivity`."""

    bounded, wanted, argument = SENSITIVITY, SPECIFICITY, "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


class PrecisionAtRecall(SensitivitySpecificityBase):
    """The best tp / (tp + fp) where tp / (tp + fn) is at least `recall`."""

    bounded, wanted, argument = SENSITIVITY, PRECISION, "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(SensitivitySpecificityBase):
    """The best tp / (tp + fn) where tp / (tp + fp) is at least `precision`."""

    bounded, wanted, argument = PRECISION, SENSITIVITY, "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)
