"""Metrics against Keras 3, over several batches, with and without weights; and the ways users write their own."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from kgraph.compiler import compile_program
from kgraph.ir.graph import Function
from kgraph.keras import backend as K
from kgraph.keras import losses, metrics
from kgraph.keras.tensor import Tensor, collect_updates
from kgraph.keras.utils.custom_objects import CustomObjectScope
from kgraph.ops.samples import bools, floats, integers
from tests.oracle import keras, keras_value, needs_keras

ANY = (floats(6, 3), floats(6, 3, low=-1.5))
LABELS = integers(6, high=3)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
SOFT = floats(6, 3, low=0.05, high=1)
SCORES = (ONE_HOT, (SOFT / SOFT.sum(-1, keepdims=True)).astype("float32"))
BINARY = (bools(6, 3).astype("float32"), floats(6, 3, low=0.0, high=1.0))
COLUMN = (bools(6, 1).astype("float32"), floats(6, 1, low=0.0, high=1.0))
EXACT = (integers(6, 1, high=2).astype("float32"), integers(6, 1, low=1, high=4).astype("float32") % 2)
TEMPORAL = (floats(6, 4, 3), floats(6, 4, 3, low=-1.5))
SEQUENCES = (integers(6, 4, high=3), floats(6, 4, 3, low=0.05, high=1))
EDGES = (np.array([0, 1, 1, 0, 1, 1], "float32"), np.array([0, 0, 0.5, 0.5, 1, 0.25], "float32"))

CASES: list[tuple[str, dict[str, Any], tuple[Any, Any]]] = [
    ("Accuracy", {}, EXACT),
    ("BinaryAccuracy", {}, BINARY),
    ("BinaryAccuracy", {"threshold": 0.8}, BINARY),
    ("CategoricalAccuracy", {}, SCORES),
    ("SparseCategoricalAccuracy", {}, (LABELS, SOFT)),
    ("SparseCategoricalAccuracy", {}, (LABELS[:, None], SOFT)),
    ("SparseCategoricalAccuracy", {}, SEQUENCES),
    ("TopKCategoricalAccuracy", {"k": 2}, SCORES),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, (LABELS, SOFT)),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, SEQUENCES),
    ("MeanSquaredError", {}, ANY),
    ("MeanSquaredError", {}, TEMPORAL),
    ("MeanAbsoluteError", {}, ANY),
    ("MeanAbsolutePercentageError", {}, ANY),
    ("MeanSquaredLogarithmicError", {}, BINARY),
    ("RootMeanSquaredError", {}, ANY),
    ("RootMeanSquaredError", {}, TEMPORAL),
    ("CosineSimilarity", {}, ANY),
    ("Hinge", {}, ANY),
    ("SquaredHinge", {}, BINARY),
    ("CategoricalHinge", {}, SCORES),
    ("KLDivergence", {}, SCORES),
    ("Poisson", {}, BINARY),
    ("LogCoshError", {}, ANY),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, BINARY),
    ("BinaryCrossentropy", {"from_logits": True}, (BINARY[0], ANY[1])),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, SCORES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, (LABELS, ANY[1])),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, (LABELS, SOFT)),
    ("TruePositives", {}, COLUMN),
    ("FalsePositives", {"thresholds": [0.2, 0.7]}, COLUMN),
    ("TrueNegatives", {"thresholds": [0.0, 0.5, 1.0]}, EDGES),
    ("FalseNegatives", {"thresholds": 0.4}, BINARY),
    ("Precision", {}, COLUMN),
    ("Precision", {"thresholds": [0.1, 0.5, 0.6]}, BINARY),
    ("Precision", {"top_k": 2}, SCORES),
    ("Precision", {"class_id": 1}, SCORES),
    ("Recall", {"thresholds": 0.3}, COLUMN),
    ("Recall", {"top_k": 1, "class_id": 2}, SCORES),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, BINARY),
    ("SensitivityAtSpecificity", {"specificity": 0.5, "num_thresholds": 1}, BINARY),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 20}, BINARY),
    ("PrecisionAtRecall", {"recall": 0.4}, BINARY),
    ("RecallAtPrecision", {"precision": 0.5}, BINARY),
    ("AUC", {}, COLUMN),
    ("AUC", {}, EDGES),
    ("AUC", {"num_thresholds": 3}, EDGES),
    ("AUC", {"curve": "PR"}, BINARY),
    ("AUC", {"curve": "PR", "summation_method": "minoring"}, BINARY),
    ("AUC", {"summation_method": "majoring", "thresholds": [0.2, 0.3, 0.9]}, BINARY),
    ("AUC", {"from_logits": True}, (BINARY[0], ANY[1])),
    ("MeanIoU", {"num_classes": 3}, (LABELS, integers(6, high=4)[::-1].copy() % 3)),
    ("MeanIoU", {"num_classes": 3, "sparse_y_pred": False, "ignore_class": 1}, (LABELS, SOFT)),
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 2]}, (LABELS, integers(6, high=3)[::-1].copy())),
]
CLASSES = {n: c for n, c in vars(metrics).items() if inspect.isclass(c) and issubclass(c, metrics.Metric)}
WITH_ARGUMENTS = {
    "IoU",
    "MeanIoU",
    "Reduce",
    "MeanMetricWrapper",
    "MeanDictWrapper",
    "SensitivitySpecificityBase",
}
PLAIN = sorted(n for n in CLASSES if n not in WITH_ARGUMENTS and "At" not in n and n != "Metric")


def label(case: Any) -> str:
    return str(case) if isinstance(case, str | dict) else ""


@needs_keras
@pytest.mark.filterwarnings("ignore:.* encountered in divide")  # of Keras, which looks afterwards
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "arguments", "data"), CASES, ids=label)
def test_results_over_batches_are_those_of_keras(
    name: str, arguments: Any, data: Any, weighted: bool
) -> None:
    mine, theirs = CLASSES[name](**arguments), getattr(keras().metrics, name)(**arguments)
    weights = integers(6, high=3) if "IoU" in name else floats(6, low=0, high=2)
    if name == "SparseCategoricalCrossentropy" and "ignore_class" in arguments and not weighted:
        # Keras leaves an ignored class out of the mean only where there are weights; here it always is.
        weights, weighted = np.ones(6, "float32"), True
    y_true, y_pred = data
    for part in (slice(0, 2), slice(2, 6)):
        for metric in (mine, theirs):
            metric.update_state(y_true[part], y_pred[part], sample_weight=weights[part] if weighted else None)
    np.testing.assert_allclose(K.eval(mine.result()), keras_value(theirs.result()), rtol=1e-5, atol=1e-6)
    mine.reset_states()
    assert not any(v.numpy().any() for v in mine.weights)


@needs_keras
@pytest.mark.parametrize(
    "weights", [None, floats(6, low=0), floats(6, 4, low=0)], ids=["none", "sample", "step"]
)
@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_weights_of_all_ranks(name: str, weights: Any) -> None:
    values = floats(6, 4, 3)
    mine, theirs = CLASSES[name](), getattr(keras().metrics, name)()
    if name == "Sum" and weights is not None and weights.ndim == 2:
        wanted = (values.sum(-1) * weights).sum()
    else:
        theirs.update_state(values, sample_weight=weights)
        wanted = keras_value(theirs.result())
    np.testing.assert_allclose(K.eval(mine(values, weights)), wanted, rtol=1e-5)
    assert K.eval(CLASSES[name]().result()) == 0
    np.testing.assert_allclose(K.eval(CLASSES[name]()(3.0)), 3.0)


def run_traced(metric: metrics.Metric, batches: list[tuple[Any, Any]]) -> Any:
    """Feed batches to a compiled function and return what it gives for the last one."""
    y_true, y_pred = (K.placeholder((None, *a.shape[1:]), dtype=a.dtype.name) for a in batches[0])
    with collect_updates() as updates:
        metric.update_state(y_true, y_pred)
        result = metric.result()
    parts = result if isinstance(result, dict) else {"result": result}
    function = Function(
        "f", (y_true.value, y_pred.value), {k: v.value for k, v in parts.items()}, dict(updates)
    )
    executable = compile_program([function])
    for batch in batches:
        numbers = executable.run("f", list(batch))
    return numbers


@pytest.mark.parametrize(
    ("name", "arguments", "data"),
    [
        ("CategoricalAccuracy", {}, SCORES),
        ("AUC", {}, COLUMN),
        ("Precision", {"top_k": 2}, SCORES),
        ("MeanIoU", {"num_classes": 3}, (LABELS[:, None], LABELS[::-1].copy()[:, None])),
    ],
)
def test_compiled_metrics_agree_with_arrays(name: str, arguments: Any, data: Any) -> None:
    traced, direct = CLASSES[name](**arguments), CLASSES[name](**arguments)
    halves = [tuple(a[part] for a in data) for part in (slice(0, 2), slice(2, 6))]
    (number,) = run_traced(traced, halves)
    for half in halves:
        direct.update_state(*half)
    np.testing.assert_allclose(number, K.eval(direct.result()), rtol=1e-6)


class KerasTwoStyle(metrics.Metric):
    """State by K.update_add, returned."""

    def __init__(self, name: str = "positives", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return K.update_add(self.total, K.sum(K.cast(y_pred > 0, "float32")))

    def result(self) -> Any:
        return self.total


class KerasThreeStyle(metrics.Metric):
    """State by assign_add, and a metric in an attribute."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.total = self.add_variable(shape=(), initializer="zeros", name="total")
        self.inner = metrics.Mean()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.total.assign_add(K.sum(K.cast(y_pred > 0, "float32")))
        self.inner.update_state(y_pred)

    def result(self) -> Any:
        return self.total + 0 * self.inner.result()


@pytest.mark.parametrize("cls", [KerasTwoStyle, KerasThreeStyle])
def test_metrics_of_users_in_both_styles(cls: Any) -> None:
    metric = cls()
    (number,) = run_traced(metric, [ANY, ANY])
    assert number == 2 * (ANY[1] > 0).sum()
    assert metric.total in metric.weights
    assert all(v.variable.role == "metric" for v in metric.weights)
    metric.reset_states()
    assert K.eval(metric(*ANY)) == (ANY[1] > 0).sum()
    assert K.get_value(metric.result()) == (ANY[1] > 0).sum()


def test_functions_of_users_that_return_a_dict_report_each_entry() -> None:
    def false_rates(y_true: Any, y_pred: Any) -> Any:
        wrong = K.cast(K.not_equal(y_true, K.round(y_pred)), "float32")
        return {"false_neg": K.mean(wrong * y_true), "false_pos": K.mean(wrong * (1 - y_true))}

    output = K.placeholder((None, 1))
    metric = metrics.for_output(false_rates, output, losses.BinaryCrossentropy())
    assert metric.result_names == ["false_neg", "false_pos"]
    negative, positive = run_traced(metric, [COLUMN])
    wrong = COLUMN[0] != np.rint(COLUMN[1])
    np.testing.assert_allclose(negative, (wrong * COLUMN[0]).mean(), rtol=1e-6)
    np.testing.assert_allclose(positive, (wrong * (1 - COLUMN[0])).mean(), rtol=1e-6)


def test_functions_of_users_are_averaged_over_batches() -> None:
    def mean_pred(y_true: Any, y_pred: Any) -> Any:
        return K.mean(y_pred)

    metric = metrics.for_output(mean_pred, K.placeholder((None, 3)), None)
    assert metric.name == "mean_pred"
    (number,) = run_traced(metric, [ANY, (ANY[0][:2], ANY[1][:2])])
    np.testing.assert_allclose(number, (ANY[1].mean() + ANY[1][:2].mean()) / 2, rtol=1e-5)


ACCURACIES = [
    ((None, 1), losses.MeanSquaredError(), "binary_accuracy"),
    ((None, 3), losses.as_loss("binary_crossentropy"), "binary_accuracy"),
    ((None, 3), losses.BinaryCrossentropy(), "binary_accuracy"),
    ((None, 3), losses.as_loss("sparse_categorical_crossentropy"), "sparse_categorical_accuracy"),
    ((None, 3), losses.SparseCategoricalCrossentropy(), "sparse_categorical_accuracy"),
    ((None, 3), losses.as_loss("categorical_crossentropy"), "shaped_accuracy"),
    ((None, 3), None, "shaped_accuracy"),
]


@pytest.mark.parametrize(("shape", "loss", "expected"), ACCURACIES)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_fits_the_output_and_the_loss(shape: Any, loss: Any, expected: str, name: str) -> None:
    metric = metrics.for_output(name, K.placeholder(shape), loss)
    assert (metric.name, metric._fn.__name__) == (name, expected)
    other = metrics.for_output("ce", K.placeholder(shape), loss)._fn.__name__
    assert other == expected.replace("accuracy", "crossentropy").replace("shaped", "categorical")


def test_accuracy_of_a_loss_of_the_users_looks_at_shapes() -> None:
    for y_true, y_pred in (SCORES, (LABELS, SOFT), (LABELS[:, None], SOFT)):
        metric = metrics.MeanMetricWrapper(metrics.functions.shaped_accuracy, "accuracy")
        wanted = (y_pred.argmax(-1) == LABELS).mean()
        np.testing.assert_allclose(K.eval(metric(y_true, y_pred)), wanted, rtol=1e-6)


@pytest.mark.parametrize("name", PLAIN)
def test_round_trip(name: str) -> None:
    metric = CLASSES[name](name="mine")
    made = metrics.deserialize(metrics.serialize(metric))
    assert type(made) is type(metric)
    assert made.get_config() == metric.get_config() == metrics.clone_metric(metric).get_config()
    assert isinstance(metrics.get(name), CLASSES[name])


@pytest.mark.parametrize(("name", "arguments", "data"), CASES, ids=label)
def test_configurations_hold_the_arguments(name: str, arguments: Any, data: Any) -> None:
    metric = CLASSES[name](**arguments)
    made = metrics.deserialize(metrics.serialize(metric))
    assert made.get_config() == metric.get_config()
    assert {key: made.get_config()[key] for key in arguments} == arguments


OLDER = "mse MAE mape MSLE kld cosine cosine_proximity logcosh top_k_categorical_accuracy kullback_leibler_divergence"


@pytest.mark.parametrize("name", OLDER.split())
def test_functions_are_found_by_name(name: str) -> None:
    assert metrics.get(name) is getattr(metrics, name)
    assert metrics.for_output(name, K.placeholder((None, 3)), None).name == name


@pytest.mark.parametrize(
    ("name", "cls"), [("auc", "AUC"), ("false_positives", "FalsePositives"), ("mean", "Mean")]
)
def test_classes_are_found_in_snake_case(name: str, cls: str) -> None:
    assert type(metrics.get(name)) is CLASSES[cls]


def test_objects_and_custom_names() -> None:
    metric = metrics.Precision()
    assert metrics.for_output(metric, K.placeholder((None, 1)), None) is metric
    loss = metrics.for_output(losses.Huber(), K.placeholder((None, 3)), None)
    assert loss.name == "huber_loss"
    np.testing.assert_allclose(K.eval(loss(*ANY)), K.eval(losses.Huber()(*ANY)), rtol=1e-6)
    with CustomObjectScope({"positives": KerasTwoStyle}):
        assert isinstance(metrics.get("positives"), KerasTwoStyle)
    assert isinstance(metrics.clone_metrics([metric])[0], metrics.Precision)
    assert isinstance(K.identity(metric.true_positives), Tensor)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.get("acuracy"), "unknown metric: acuracy"),
        (lambda: metrics.Precision(thresholds=2.0), "thresholds"),
        (lambda: metrics.AUC(curve="XY"), "curve"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds"),
        (lambda: metrics.SensitivityAtSpecificity(1.5), "specificity"),
        (lambda: metrics.PrecisionAtRecall(0.5, num_thresholds=0), "num_thresholds"),
        (lambda: metrics.IoU(3, [3]), "classes"),
        (lambda: metrics.Reduce("product"), "reduction"),
    ],
)
def test_misuse_is_a_value_error_that_says_so(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("method", ["update_state", "result"])
def test_unfinished_metrics_say_what_is_missing(method: str) -> None:
    with pytest.raises(NotImplementedError, match=method):
        getattr(metrics.Metric(), method)()
    with pytest.raises(NotImplementedError, match="one curve per label"):
        metrics.AUC(multi_label=True)
