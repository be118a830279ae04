"""What a model is trained for: the arguments of `compile`, one objective per output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, DataError, describe
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Input, Value, scope
from kgraph.ir.types import Array, TensorType
from kgraph.keras import losses as losses_module
from kgraph.keras import metrics as metrics_module
from kgraph.keras import settings
from kgraph.keras.layers.nodes import flatten
from kgraph.keras.losses import (
    CTC,
    SparseCategoricalCrossentropy,
    as_loss,
    ctc,
    sparse_categorical_crossentropy,
)
from kgraph.keras.metrics import Metric
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops.logic import cast
from kgraph.ops.shape import expand_dims


@dataclass
class OutputObjective:
    """The loss and the metrics of one output. `loss` is None for an output that is not trained."""

    name: str
    output: Tensor
    loss: Any
    weight: float
    temporal: bool
    given: Tensor | None = None
    """The `target_tensors` of compile: what the targets are, or the placeholder that they are fed to."""
    metrics: list[Any] = field(default_factory=list)
    weighted_metrics: list[Any] = field(default_factory=list)

    @property
    def is_fed(self) -> bool:
        """Whether the targets are data, rather than a tensor that has values of its own."""
        return self.given is None or isinstance(self.given.value, Input)

    @property
    def is_sparse(self) -> bool:
        """Whether the targets are integer labels rather than something of the output's shape."""
        return is_sparse(self.loss)

    def target(self, shape: Sequence[int] | None) -> Value:
        """The targets, which are a placeholder where they are fed.

        A loss of the user's own takes them in whatever shape the data has.
        """
        if self.given is not None:
            return self.given.value
        dims = self.output.dims
        if self.is_sparse:
            return Input(f"{self.name}_target", TensorType("int32", (*dims[:-1], 1)))
        if is_sequence(self.loss):
            return Input(f"{self.name}_target", TensorType("int32", (dims[0], symbol(f"{self.name}_labels"))))
        if shape is not None and not is_builtin(self.loss):
            extra = shape[1:] if len(shape) > 1 else (1,)
            dims = (dims[0] if dims else symbol("batch"), *extra)
        return Input(f"{self.name}_target", TensorType(self.output.dtype, tuple(dims)))

    def check_labels(self, labels: Array) -> None:
        """Raise DataError when integer labels are none of the classes: runtimes would read beside the output."""
        classes = self.output.shape[-1] if self.is_sparse else None
        if classes is None or not labels.size or getattr(self.loss, "ignore_class", None) is not None:
            return
        least, most = labels.min(), labels.max()
        if least < 0 or most >= classes:
            raise DataError(
                describe(
                    f"labels of {self.name!r} are none of its classes",
                    expected=f"0 to {classes - 1}",
                    got=f"{least} to {most}",
                )
            )

    def weights(self) -> Input:
        """The placeholder of the sample weights: one per sample, or per sample and time step."""
        rank = 2 if self.temporal else 1
        return Input(f"{self.name}_sample_weight", TensorType("float32", self.output.dims[:rank]))


def is_sparse(loss: Any) -> bool:
    """Whether a loss takes integer labels rather than something of the output's shape."""
    return isinstance(loss, SparseCategoricalCrossentropy) or (
        getattr(loss, "fn", None) is sparse_categorical_crossentropy
    )


def is_sequence(loss: Any) -> bool:
    """Whether a loss takes sequences of labels, of any length."""
    return isinstance(loss, CTC) or getattr(loss, "fn", None) is ctc


def is_builtin(loss: Any) -> bool:
    """Whether a loss is one of ours, whose targets have the output's shape."""
    made_of = getattr(loss, "fn", None) or type(loss)
    return loss is None or made_of.__module__.startswith("kgraph.keras.losses")


def check_identifiers(loss: Any, *metrics: Any) -> None:
    """Refuse unknown names now, even if the outputs are not known yet. Raises ArgumentError."""
    for item in flatten(loss):
        losses_module.get(item)
    for item in flatten(list(metrics)):
        if isinstance(item, str) and item.lower() not in metrics_module.SHORTHANDS:
            metrics_module.get(item)


def make_objectives(
    names: Sequence[str],
    outputs: Sequence[Tensor],
    loss: Any,
    loss_weights: Any,
    metrics: Any,
    weighted_metrics: Any,
    sample_weight_mode: Any,
    target_tensors: Any = None,
) -> list[OutputObjective]:
    """One objective per output from the arguments of `compile`: values, lists in order, or dicts by output name.

    Raises ArgumentError for names that are no outputs, lists of the wrong length and unknown identifiers.
    """
    losses = _per_output(loss, names, "loss")
    weights = _per_output(loss_weights, names, "loss_weights", default=1.0)
    given = _target_tensors(target_tensors, names)
    modes = _per_output(sample_weight_mode, names, "sample_weight_mode")
    reported = _metrics_per_output(metrics, names, "metrics")
    weighted = _metrics_per_output(weighted_metrics, names, "weighted_metrics")
    made = []
    for i, (name, computed) in enumerate(zip(names, outputs, strict=True)):
        output = _in_full(computed)
        if modes[i] not in (None, "temporal"):
            raise ArgumentError(
                describe("bad sample_weight_mode", expected="None or 'temporal'", got=repr(modes[i]))
            )
        if modes[i] == "temporal" and output.ndim < 3:
            raise ArgumentError(
                describe(
                    "temporal sample weights need a time axis",
                    expected="rank 3 or more",
                    got=output,
                    where=name,
                )
            )
        objective = OutputObjective(
            name,
            output if output.ndim != 1 else Tensor(expand_dims(output.value, 1)),  # losses are of a last axis
            None if losses[i] is None else as_loss(losses[i]),
            _number(weights[i], name),
            modes[i] == "temporal",
            None if given[i] is None else Tensor(as_value(given[i])),
        )
        with scope(name):
            objective.metrics = [metrics_module.for_output(m, output, objective.loss) for m in reported[i]]
            objective.weighted_metrics = [
                metrics_module.for_output(m, output, objective.loss) for m in weighted[i]
            ]
        made.append(objective)
    return made


def _in_full(output: Tensor) -> Tensor:
    """An output in floatx where mixed precision has left it in half: losses and metrics add up many numbers."""
    if output.dtype != "float16" or output.dtype == settings.floatx():
        return output
    made = Tensor(cast(output.value, settings.floatx()))
    made._keras_mask = output._keras_mask
    return made


def _per_output(value: Any, names: Sequence[str], what: str, default: Any = None) -> list[Any]:
    if value is None:
        return [default] * len(names)
    if isinstance(value, Mapping):
        _check_names(value, names, what)
        return [value.get(name, default) for name in names]
    if isinstance(value, list | tuple):
        if len(value) != len(names):
            raise ArgumentError(
                describe(
                    f"{what} has the wrong length",
                    expected=f"{len(names)}: {', '.join(names)}",
                    got=len(value),
                )
            )
        return [default if item is None else item for item in value]
    if what == "loss_weights":  # one number would hold for one output, but Keras takes none either
        raise ArgumentError(describe("bad loss_weights", expected="a list or a dict", got=repr(value)))
    return [value] * len(names)


def _target_tensors(value: Any, names: Sequence[str]) -> list[Any]:
    """A tensor or None for each output. One alone is for the one output that there is."""
    if value is not None and not isinstance(value, Mapping | list | tuple):
        value = [value]
    return _per_output(value, names, "target_tensors")


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ArgumentError(describe(f"bad loss_weights for {name!r}", expected="a number", got=repr(value)))
    return float(value)


def _metrics_per_output(value: Any, names: Sequence[str], what: str) -> list[list[Any]]:
    """A flat list goes to every output; a list with lists in it, or a dict, says which metrics go where."""
    if value is None:
        return [[] for _ in names]
    if isinstance(value, Mapping):
        _check_names(value, names, what)
        return [_as_list(value.get(name)) for name in names]
    if not isinstance(value, list | tuple):
        if not isinstance(value, str) and not callable(value) and not isinstance(value, Metric):
            raise ArgumentError(describe(f"bad {what}", expected="a list or a dict", got=repr(value)))
        value = [value]
    if any(isinstance(item, list | tuple) for item in value):
        if len(value) != len(names):
            raise ArgumentError(
                describe(
                    f"{what} has the wrong length",
                    expected=f"one entry per output: {len(names)}",
                    got=len(value),
                )
            )
        return [_as_list(item) for item in value]
    # Each output counts for itself.
    return [list(value) if i == 0 else metrics_module.clone_metrics(value) for i in range(len(names))]


def _check_names(value: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    unknown = [key for key in value if key not in names]
    if unknown:
        raise ArgumentError(
            describe(
                f"{what} names an output that the model does not have",
                expected=", ".join(names),
                got=unknown[0],
            )
        )


def _as_list(item: Any) -> list[Any]:
    if item is None:
        return []
    return [one for one in item if one is not None] if isinstance(item, list | tuple) else [item]
