"""Metrics: what is reported beside the loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kgraph.errors import KgraphError
from kgraph.keras import losses
from kgraph.keras.backend import placeholder
from kgraph.keras.losses.functions import (
    KLD,
    MAE,
    MAPE,
    MSE,
    MSLE,
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    kld,
    kullback_leibler_divergence,
    log_cosh,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from kgraph.keras.metrics.auc import AUC
from kgraph.keras.metrics.base import Metric
from kgraph.keras.metrics.classes import (
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    TopKCategoricalAccuracy,
)
from kgraph.keras.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SensitivitySpecificityBase,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from kgraph.keras.metrics.functions import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    cosine,
    cosine_proximity,
    cosine_similarity,
    shaped_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from kgraph.keras.metrics.iou import IoU, MeanIoU
from kgraph.keras.metrics.reduction import (
    Mean,
    MeanDictWrapper,
    MeanMetricWrapper,
    Reduce,
    RootMeanSquaredError,
    Sum,
)
from kgraph.keras.utils.lookup import Lookup
from kgraph.keras.utils.naming import to_snake_case

_LOOKUP = Lookup(
    "metric", globals(), Metric, modules=["kgraph.keras.losses.functions", "kgraph.keras.metrics.functions"]
)
serialize, deserialize = _LOOKUP.serialize, _LOOKUP.deserialize
_CLASSES = {to_snake_case(name): entry for name, entry in _LOOKUP.names.items() if isinstance(entry, type)}


SHORTHANDS = {
    "accuracy": "accuracy",
    "acc": "accuracy",
    "crossentropy": "crossentropy",
    "ce": "crossentropy",
}
"""Names whose meaning depends on the output and its loss."""


def get(identifier: Any) -> Any:
    """A metric or metric function from a name, plain data, a class or a callable, which stays itself.

    Classes may be named in snake case: "auc", "false_positives". Raises ArgumentError for an unknown name.
    """
    if isinstance(identifier, str) and identifier in _CLASSES and identifier not in _LOOKUP.names:
        return _CLASSES[identifier]()
    return _LOOKUP.get(identifier)


def for_output(identifier: Any, output: Any, loss: Any) -> Metric:
    """The metric for one output of a model, from whatever `compile` takes for one. `loss` is the output's.

    "accuracy" ("acc") and "crossentropy" ("ce") stand for the kind that fits the output and its loss. A function that
    returns a dict becomes several reported metrics. Raises ArgumentError for an unknown name.
    """
    kind = SHORTHANDS.get(identifier.lower()) if isinstance(identifier, str) else None
    if kind == "accuracy":
        return MeanMetricWrapper(_accuracy(output, loss), identifier)
    if kind == "crossentropy":
        return MeanMetricWrapper(_crossentropy(output, loss), identifier)
    found = get(identifier)
    if isinstance(found, Metric):
        return found
    if isinstance(found, losses.Loss):
        return MeanMetricWrapper(found.call, found.name)
    keys = _keys(found, output, loss)
    if keys is not None:
        return MeanDictWrapper(found, keys)
    return MeanMetricWrapper(found, identifier if isinstance(identifier, str) else None)


def _accuracy(output: Any, loss: Any) -> Any:
    """One output, or several yes-or-no ones: binary. Integer labels: sparse. Else what the shapes say."""
    if output.shape[-1] == 1 or isinstance(loss, losses.BinaryCrossentropy) or _is(loss, binary_crossentropy):
        return binary_accuracy
    if isinstance(loss, losses.SparseCategoricalCrossentropy) or _is(loss, sparse_categorical_crossentropy):
        return sparse_categorical_accuracy
    return shaped_accuracy


def _crossentropy(output: Any, loss: Any) -> Any:
    chosen = _accuracy(output, loss)
    if chosen is binary_accuracy:
        return binary_crossentropy
    return (
        sparse_categorical_crossentropy if chosen is sparse_categorical_accuracy else categorical_crossentropy
    )


def _is(loss: Any, function: Any) -> bool:
    return getattr(loss, "fn", loss) is function


def _keys(function: Any, output: Any, loss: Any) -> list[str] | None:
    """The keys of what a metric function returns, when that is a dict: it is traced once to find out."""
    if getattr(function, "__module__", "").startswith("kgraph."):
        return None
    sparse = _accuracy(output, loss) is sparse_categorical_accuracy
    target = placeholder(
        (*output.shape[:-1], 1) if sparse else output.shape, dtype="int32" if sparse else output.dtype
    )
    try:
        made = function(target, output)
    except KgraphError:
        return None  # it wants targets of another shape, which come with the data
    return list(made) if isinstance(made, Mapping) else None


def clone_metric(metric: Any) -> Any:
    """Another metric with the same configuration and state of its own; what is no `Metric` stays itself."""
    return type(metric).from_config(metric.get_config()) if isinstance(metric, Metric) else metric


def clone_metrics(metrics: Iterable[Any]) -> list[Any]:
    """`clone_metric` for several."""
    return [clone_metric(metric) for metric in metrics]


__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "IoU",
    "KLD",
    "KLDivergence",
    "LogCoshError",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanDictWrapper",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "Recall",
    "RecallAtPrecision",
    "Reduce",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SensitivitySpecificityBase",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "accuracy",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_hinge",
    "clone_metric",
    "clone_metrics",
    "cosine",
    "cosine_proximity",
    "cosine_similarity",
    "deserialize",
    "for_output",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]
