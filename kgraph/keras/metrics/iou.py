"""Intersection over union of predicted and true classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras import backend as K
from kgraph.keras.backend.nn import as_labels
from kgraph.keras.losses.reduction import divide_no_nan
from kgraph.keras.metrics.base import Metric
from kgraph.keras.tensor import Tensor


class IoU(Metric):
    """The mean over classes of tp / (tp + fp + fn), classes that never occur left out.

    num_classes       how many there are; labels outside of [0, num_classes) are passed over
    target_class_ids  the classes to average over
    ignore_class      a true label that does not count
    sparse_y_true, sparse_y_pred  whether these hold labels; else they hold scores along `axis`

    Raises ArgumentError for a class that does not exist.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: str | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        if any(not 0 <= i < num_classes for i in target_class_ids):
            raise ArgumentError(
                describe(
                    f"{type(self).__name__}: classes", expected=f"below {num_classes}", got=target_class_ids
                )
            )
        self.num_classes, self.target_class_ids = num_classes, list(target_class_ids)
        self.ignore_class, self.axis = ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_cm = self.add_weight("total_confusion_matrix", (num_classes, num_classes))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        wanted = y_true if self.sparse_y_true else K.argmax(y_true, self.axis)
        predicted = y_pred if self.sparse_y_pred else K.argmax(y_pred, self.axis)
        rows, columns = (K.flatten(Tensor(as_labels(labels))) for labels in (wanted, predicted))
        true_vectors = K.one_hot(rows, self.num_classes)  # zeros for labels out of range
        if self.ignore_class is not None:
            valid = K.cast(K.not_equal(rows, self.ignore_class), true_vectors.dtype)
            true_vectors = true_vectors * K.expand_dims(valid, 1)
        if sample_weight is not None:
            weight = K.cast(sample_weight, true_vectors.dtype)
            true_vectors = true_vectors * K.reshape(weight, (-1, 1))
        made = K.dot(K.transpose(true_vectors), K.one_hot(columns, self.num_classes))
        self.total_cm.assign_add(K.cast(made, self.dtype))

    def result(self) -> Tensor:
        hits = K.sum(self.total_cm * K.constant(K.eval(K.eye(self.num_classes)), self.dtype), 0)
        union = K.sum(self.total_cm, 0) + K.sum(self.total_cm, 1) - hits
        chosen = K.constant([float(i in self.target_class_ids) for i in range(self.num_classes)], self.dtype)
        occurring = K.cast(union > 0.0, self.dtype) * chosen
        return divide_no_nan(K.sum(divide_no_nan(hits, union) * occurring), K.sum(occurring))

    def get_config(self) -> dict[str, Any]:
        own = {
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }
        return {**super().get_config(), **own}


class MeanIoU(IoU):
    """`IoU` over all classes."""

    def __init__(
        self, num_classes: int, name: str | None = None, dtype: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(num_classes, range(num_classes), name, dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["target_class_ids"]
        return config
