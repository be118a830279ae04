"""The area under a curve of two rates over all thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, UnsupportedError, describe
from kgraph.keras import backend as K
from kgraph.keras.losses.reduction import divide_no_nan
from kgraph.keras.metrics.confusion import PRECISION, SENSITIVITY, ThresholdMetric
from kgraph.keras.tensor import Tensor

CURVES = ("ROC", "PR")
METHODS = ("interpolation", "minoring", "majoring")


class AUC(ThresholdMetric):
    """The area under the ROC curve (true against false positive rate) or PR curve (precision against recall).

    num_thresholds    how many points of the curve are computed
    summation_method  "interpolation" joins points by lines (for PR, by the curves of Davis and Goadrich, 2006),
                      "minoring" and "majoring" take the lower and the higher of two neighbours
    thresholds        points in [0, 1] in place of evenly distributed ones
    from_logits       the predictions are passed through a sigmoid first

    Raises ArgumentError for an unknown curve or method or too few thresholds; UnsupportedError for `multi_label`.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: str | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        if multi_label or num_labels or label_weights is not None:
            raise UnsupportedError(
                describe("AUC: one curve per label is not available", expected="an AUC for each class_id")
            )
        for what, value, known in (
            ("curve", curve, CURVES),
            ("summation_method", summation_method, METHODS),
        ):
            if str(value).lower() not in {k.lower() for k in known}:
                raise ArgumentError(describe(f"AUC: {what}", expected=f"one of {known}", got=repr(value)))
        if thresholds is None and num_thresholds < 2:
            raise ArgumentError(describe("AUC: num_thresholds", expected="2 or more", got=num_thresholds))
        inner = sorted(thresholds) if thresholds is not None else np.linspace(0, 1, num_thresholds)[1:-1]
        # The ends lie a little outside, so that predictions of exactly 0 and 1 fall between.
        super().__init__([-K.epsilon(), *map(float, inner), 1.0 + K.epsilon()], name, dtype)
        self.thresholds = None if thresholds is None else list(thresholds)
        self.num_thresholds = len(self._points)
        self.curve, self.summation_method = curve.upper(), summation_method.lower()
        self.from_logits = from_logits

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, K.sigmoid(y_pred) if self.from_logits else y_pred, sample_weight)

    def result(self) -> Tensor:
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self.interpolate_pr_auc()
        x, y = self.share("false_positives", "true_negatives"), self.share(*SENSITIVITY)
        if self.curve == "PR":
            x, y = y, self.share(*PRECISION)
        heights = {
            "interpolation": lambda: (y[:-1] + y[1:]) / 2.0,
            "minoring": lambda: K.minimum(y[:-1], y[1:]),
            "majoring": lambda: K.maximum(y[:-1], y[1:]),
        }
        return K.sum((x[:-1] - x[1:]) * heights[self.summation_method]())

    def interpolate_pr_auc(self) -> Tensor:
        """The area under the PR curve, tp and fp changing in proportion between two thresholds.

        With p = tp + fp, slope = d tp / d p and intercept = tp - slope p, an interval of p adds
        slope (d tp + intercept log(p_i / p_(i+1))) / (tp + fn).
        """
        tp, fn = self.true_positives, self.false_negatives
        positives = tp + self.false_positives
        d_tp, d_p = tp[:-1] - tp[1:], positives[:-1] - positives[1:]
        slope = divide_no_nan(d_tp, K.maximum(d_p, 0.0))
        intercept = tp[1:] - slope * positives[1:]
        both = (positives[:-1] > 0.0) & (positives[1:] > 0.0)
        ratio = K.switch(both, divide_no_nan(positives[:-1], positives[1:]), 1.0)
        return K.sum(divide_no_nan(slope * (d_tp + intercept * K.log(ratio)), tp[1:] + fn[1:]))

    def get_config(self) -> dict[str, Any]:
        own = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "from_logits": self.from_logits,
        }
        if self.thresholds is not None:
            own["thresholds"] = self.thresholds
        return {**super().get_config(), **own}
