"""Sums and means over everything seen since the last reset, and metric functions as metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from kgraph.errors import ArgumentError, describe
from kgraph.keras import backend as K
from kgraph.keras.losses.reduction import divide_no_nan, same_rank
from kgraph.keras.metrics.base import Metric
from kgraph.keras.tensor import Tensor, as_value
from kgraph.keras.utils.serialization import serialize_keras_object


class Reduce(Metric):
    """Sums up `values`, weighted, and with the reduction "mean" divides by the sum of the weights.

    Values [batch, *S] count as their mean over S in a mean, and as their sum over S in a sum. Weights have fewer axes
    or as many; without weights each sample has weight 1.
    """

    REDUCTIONS: ClassVar[tuple[str, ...]] = ("sum", "mean")

    def __init__(self, reduction: str, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        if reduction not in self.REDUCTIONS:
            raise ArgumentError(
                describe(
                    "unknown metric reduction", expected=f"one of {self.REDUCTIONS}", got=repr(reduction)
                )
            )
        self.reduction = reduction
        self.total = self.add_weight("total")
        if reduction == "mean":
            self.count = self.add_weight("count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        collapse = K.mean if self.reduction == "mean" else K.sum
        made, weight = _per_sample(values, sample_weight, self.dtype, collapse)
        self.total.assign_add(K.sum(made))
        if self.reduction == "mean":
            self.count.assign_add(K.sum(weight) if weight is not None else _samples(made))

    def result(self) -> Tensor:
        if self.reduction == "sum":
            return self.total
        return divide_no_nan(self.total, self.count)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reduction": self.reduction}


def _samples(values: Tensor) -> Any:
    return K.cast(K.shape(values)[0], values.dtype) if values.ndim else 1.0


def _per_sample(
    values: Any, sample_weight: Any, dtype: str, collapse: Callable[..., Tensor]
) -> tuple[Tensor, Tensor | None]:
    """values * weights [batch] and the weights [batch], the other axes collapsed; no weights where none are given."""
    mask = values._keras_mask if isinstance(values, Tensor) else None
    made = K.cast(values if isinstance(values, Tensor) else Tensor(as_value(values)), dtype)
    weight = None if sample_weight is None else K.cast(sample_weight, dtype)
    if mask is not None:
        passing = K.cast(mask, dtype)
        weight = (
            passing
            if weight is None
            else passing * K.reshape(weight, (*weight.dims, *(1,) * (passing.ndim - weight.ndim)))
        )
    if weight is not None:
        made, weight = same_rank(made, weight)
        if made.ndim > weight.ndim:
            made = collapse(made, tuple(range(weight.ndim, made.ndim)))
        weight = weight + K.zeros_like(made)  # of the shape of the values: it may have an axis of size 1
        made = made * weight
        if weight.ndim > 1:
            weight = collapse(weight, tuple(range(1, weight.ndim)))
    if made.ndim > 1:
        made = collapse(made, tuple(range(1, made.ndim)))
    return made, weight


class Sum(Reduce):
    """The weighted sum of all values."""

    def __init__(self, name: str = "sum", dtype: str | None = None) -> None:
        super().__init__("sum", name, dtype)

    def get_config(self) -> dict[str, Any]:
        return Metric.get_config(self)


class Mean(Reduce):
    """The weighted mean of all values; 0 before there are any."""

    def __init__(self, name: str = "mean", dtype: str | None = None) -> None:
        super().__init__("mean", name, dtype)

    def get_config(self) -> dict[str, Any]:
        return Metric.get_config(self)


class MeanMetricWrapper(Mean):
    """The mean of what a function of `y_true`, `y_pred` and further keyword arguments returns."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", "metric"), dtype)
        self._fn, self._fn_kwargs = fn, kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(self._fn(*tensors(y_true, y_pred), **self._fn_kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **self._fn_kwargs}
        if type(self) is MeanMetricWrapper:
            config["fn"] = serialize_keras_object(self._fn)
        return config


class MeanDictWrapper(Metric):
    """The means of what a function of `y_true` and `y_pred` returns under each of `keys`: several metrics in one."""

    def __init__(
        self,
        fn: Callable[..., Mapping[str, Any]],
        keys: Sequence[str],
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", "metric"), dtype)
        self._fn = fn
        self.means = {key: Mean(key, dtype) for key in keys}

    @property
    def result_names(self) -> list[str]:
        """What the numbers are reported as."""
        return list(self.means)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        made = self._fn(*tensors(y_true, y_pred))
        for key, mean in self.means.items():
            mean.update_state(made[key], sample_weight)

    def result(self) -> dict[str, Tensor]:
        return {key: mean.result() for key, mean in self.means.items()}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fn": serialize_keras_object(self._fn), "keys": list(self.means)}


def tensors(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors, with one rank where they differ by a last axis of size 1."""
    first, second = (y if isinstance(y, Tensor) else Tensor(as_value(y)) for y in (y_true, y_pred))
    return same_rank(first, second)


class RootMeanSquaredError(Mean):
    """The square root of the mean of (y_pred - y_true)^2."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        wanted, predicted = tensors(y_true, y_pred)
        super().update_state(K.square(predicted - wanted), sample_weight)

    def result(self) -> Tensor:
        return K.sqrt(super().result())
