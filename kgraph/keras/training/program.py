"""The functions that a compiled model trains, evaluates and predicts with.

A training step is one IR function: forward, losses, metrics, gradients, optimizer, statistics, the random
counter. It is traced once; its outputs are one vector of numbers to report. Which variants are needed (with
sample weights or without) shows when data comes, so each is built on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kgraph import compiler
from kgraph.errors import GraphError, describe
from kgraph.ir import graph as ir
from kgraph.ir.graph import scope
from kgraph.ir.storage import Storage
from kgraph.ir.types import Array
from kgraph.keras.backend.random import random_state, with_random_state
from kgraph.keras.layers.whole import Kinds, traced_whole
from kgraph.keras.metrics import Metric
from kgraph.keras.optimizers import traced_updates
from kgraph.keras.tensor import Tensor, Variable, as_value, collect_updates
from kgraph.keras.training.objective import OutputObjective
from kgraph.keras.utils.naming import distinct
from kgraph.ops.broadcast import broadcast_to, reshape
from kgraph.ops.logic import cast
from kgraph.ops.random import number_salts
from kgraph.ops.reduce import reduce_mean
from kgraph.ops.shape import DimValue, stack
from kgraph.plugins.backend import Executable


@dataclass(frozen=True)
class Traced:
    """A function to run, and the names of the data that it takes, in order.

    `function` reports its numbers in one vector, "logs"; `reported` is the same step with each number as an output of
    its own: "loss" (that of the batch), then those of `metrics_names` (since the last reset).
    """

    function: ir.Function
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    weights: tuple[str, ...]
    reported: ir.Function | None = None


class Training:
    """Builds and compiles the functions of one compiled model.

    What is frozen is read here, at `compile`: the `trainable` weights, the `closed` gates, the updates of layers and
    the penalties of regularisers. Freezing a layer later has no effect until the next `compile`.
    """

    def __init__(self, model: Any, objectives: Sequence[OutputObjective], optimizer: Any) -> None:
        self.model, self.objectives, self.optimizer = model, list(objectives), optimizer
        self.trainable: list[Variable] = list(model.trainable_weights)
        self.closed = frozenset(model.closed_gates)
        self.updates, self.state_updates = list(model.updates), list(model.state_updates)
        self.losses, self.penalties = self._reachable(model.added_losses), self._reachable(model.penalties)
        self.rng = random_state(model.name)
        self.shuffled_from: list[int] | None = None
        """The random state from which the order of the present epoch was made; None for the order of the data."""
        self._loss = Mean("loss")
        self._output_losses = (
            {o.name: Mean(f"{o.name}_loss") for o in self.trained} if len(self.trained) > 1 else {}
        )
        added = [(name, value) for name, value in model.added_metrics if model.reachable(as_value(value))]
        self._added_metrics = [(Mean(name), Tensor(scalar(as_value(value)))) for name, value in added]
        self._resets: tuple[list[tuple[Storage, Array]], list[Callable[[], None]]] | None = None
        self._traced: dict[Any, Traced] = {}
        self._compiled: dict[ir.Function, Executable] = {}

    def _reachable(self, losses: Sequence[Any]) -> list[Tensor]:
        """The terms that depend on this model alone, as scalars: a shared layer has those of other models too."""
        values = [as_value(loss) for loss in losses]
        return [Tensor(scalar(value)) for value in values if self.model.reachable(value)]

    @property
    def trained(self) -> list[OutputObjective]:
        """The objectives of outputs with a loss or metrics."""
        return [o for o in self.objectives if o.loss is not None or o.metrics or o.weighted_metrics]

    @property
    def fed(self) -> list[OutputObjective]:
        """The trained ones whose targets are data."""
        return [o for o in self.trained if o.is_fed]

    @property
    def own_targets(self) -> list[Tensor]:
        """The targets that are no data but tensors with values of their own."""
        return [o.given for o in self.trained if o.given is not None and not o.is_fed]

    @cached_property
    def metrics_names(self) -> list[str]:
        """The names of the reported numbers, in order: loss, losses of outputs, metrics."""
        names = ["loss", *(f"{o.name}_loss" for o in self.objectives if o.name in self._output_losses)]
        many = len(self.model.outputs) > 1
        for objective in self.objectives:
            for metric in [*objective.metrics, *objective.weighted_metrics]:
                for name in metric_names(metric, objective):
                    names.append(f"{objective.name}_{name}" if many else name)
        return distinct([*names, *(mean.name for mean, _ in self._added_metrics)])

    def reset(self) -> None:
        """Start all reported numbers anew. A metric with a way of its own to do so is asked to."""
        if self._resets is None:
            means = [self._loss, *self._output_losses.values(), *(mean for mean, _ in self._added_metrics)]
            metrics = [m for o in self.objectives for m in [*o.metrics, *o.weighted_metrics]]
            own = [metric for metric in metrics if resets_itself(metric)]
            zeroed = [v.variable for m in [*means, *metrics] if m not in own for v in m.weights]
            zeros = [(v.storage, np.zeros(v.type.static_shape, v.dtype)) for v in zeroed]
            self._resets = zeros, [metric.reset_state for metric in own]
        zeros, calls = self._resets
        for storage, zero in zeros:
            storage.write(zero)
        for call in calls:
            call()

    def state(self) -> list[ir.Variable]:
        """Every variable that decides how training goes on: the weights, the optimizer's, all others of its steps.

        The order is the same in every process that has traced the same model.
        """
        listed = [*self.model.weights, *getattr(self.optimizer, "variables", ()), self.rng]
        found = [v.variable for v in listed if isinstance(v, Variable)]
        return list(dict.fromkeys([*found, *(v for step in self.train_steps for v in step.variables())]))

    @property
    def train_steps(self) -> list[ir.Function]:
        """The training steps that were needed so far, as they were traced."""
        return [traced.function for key, traced in self._traced.items() if key[0] == "train_step"]

    def shuffler(self) -> np.random.RandomState:
        """A generator for the order of one epoch, made from the random state, which counts on by one."""
        self.shuffled_from = seed, counter = self.rng.numpy().tolist()
        self.rng.assign([seed, (counter + 1) % 2**32])
        return np.random.RandomState([seed, counter])

    def step(
        self, kind: str, weighted: frozenset[str], target_shapes: Mapping[str, tuple[int, ...]]
    ) -> Traced:
        """The "train_step" or "eval_step" that takes sample weights for the outputs named in `weighted`."""
        shapes = tuple(sorted((name, shape[1:]) for name, shape in target_shapes.items()))
        key = (kind, weighted, shapes)
        if key not in self._traced:
            self._traced[key] = self._trace(kind, weighted, target_shapes)
            self._resets = None  # a metric may make its state when it first sees data
        return self._traced[key]

    def executable(self, traced: Traced) -> Executable:
        """The compiled function; compiled on first use."""
        function = traced.function
        if function not in self._compiled:
            self._compiled[function] = compiler.compile_program([function])
        return self._compiled[function]

    # -- tracing

    def _trace(
        self, kind: str, weighted: frozenset[str], target_shapes: Mapping[str, tuple[int, ...]]
    ) -> Traced:
        training = kind == "train_step"
        targets = {o.name: o.target(target_shapes.get(o.name)) for o in self.trained}
        weights = {o.name: o.weights() for o in self.trained if o.name in weighted}
        inputs = model_inputs(self.model)
        with collect_updates() as updates:
            total, logs = self._losses_and_metrics(targets, weights, training)
        numbers = [cast(as_value(value), "float32") for value in logs]
        outputs = {"loss": total, "logs": stack(numbers, 0)}
        outputs |= {
            f"mean_{name}" if name == "loss" else name: v
            for name, v in zip(self.metrics_names, numbers, strict=True)
        }
        fed = {o.name: targets[o.name] for o in self.fed}
        leaves = (*inputs, *fed.values(), *weights.values())
        all_updates = compose_updates(self.model, self.updates if training else self.state_updates) | updates
        whole = number_salts(ir.Function(kind, leaves, outputs, all_updates))
        forward = compiler.specialise(whole, training, closed=self.closed)
        if training:
            forward = self._with_optimizer(forward)
        forward = with_random_state(forward, self.rng)
        outputs = dict(forward.outputs)
        logs_only = {"logs": outputs.pop("logs")}
        return Traced(
            ir.Function(kind, forward.inputs, logs_only, forward.updates),
            tuple(self.model.input_names_fed),
            tuple(fed),
            tuple(weights),
            ir.Function(kind, forward.inputs, outputs, forward.updates),
        )

    def _losses_and_metrics(
        self, targets: Mapping[str, ir.Value], weights: Mapping[str, ir.Input], training: bool
    ) -> tuple[ir.Value, list[Any]]:
        """The loss to minimise, and the numbers to report, in the order of `metrics_names`."""
        total: Tensor | None = None
        batch = batch_size_value(self.model)
        output_losses, metric_values = [], []
        for objective in self.trained:
            y_true, y_pred = Tensor(targets[objective.name]), objective.output
            weight = Tensor(weights[objective.name]) if objective.name in weights else None
            mask = y_pred._keras_mask
            with scope(objective.name), scope("loss"):
                if objective.loss is not None:
                    loss = objective.loss(y_true, y_pred, sample_weight=weight)
                    if objective.name in self._output_losses:
                        output_losses.append(self._output_losses[objective.name].update(loss, batch))
                    weighted_loss = loss if objective.weight == 1.0 else loss * objective.weight
                    total = weighted_loss if total is None else total + weighted_loss
            for metric in objective.metrics:
                with scope(objective.name), scope(metric.name):
                    metric_values += metric_result(metric, y_true, y_pred, metric_mask(mask))
            for metric in objective.weighted_metrics:
                with scope(objective.name), scope(metric.name):
                    metric_values += metric_result(metric, y_true, y_pred, metric_weight(weight, mask))
        for term in [*self.losses, *(self.penalties if training else ())]:
            total = term if total is None else total + term
        if total is None and training:
            raise GraphError(
                describe(
                    "there is nothing to minimise",
                    expected="a loss for an output, or add_loss",
                    got="compile(loss=None)",
                    where=self.model.name,
                )
            )
        total = Tensor(as_value(0.0)) if total is None else total
        reported = [self._loss.update(total, batch), *output_losses, *metric_values]
        reported += [mean.update(value, batch) for mean, value in self._added_metrics]
        return as_value(total), reported

    def _with_optimizer(self, forward: ir.Function) -> ir.Function:
        loss = Tensor(forward.outputs["loss"])
        with scope("optimizer"):
            changed = traced_updates(self.optimizer, loss, self.trainable)
        return ir.Function(forward.name, forward.inputs, forward.outputs, {**forward.updates, **changed})


class Mean:
    """The mean of a number over the samples since the last reset: two accumulators."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = Variable(0.0, "float32", f"{name}/total", role="metric")
        self.count = Variable(0.0, "float32", f"{name}/count", role="metric")

    @property
    def weights(self) -> list[Variable]:
        return [self.total, self.count]

    def update(self, value: Tensor, samples: ir.Value) -> Tensor:
        """Take in a batch mean over `samples` samples; the mean so far."""
        self.total.assign_add(value * Tensor(samples))
        self.count.assign_add(Tensor(samples))
        return self.total / self.count


def trace_predict(model: Any, state: Variable | None = None, whole: Kinds | None = None) -> Traced:
    """The inference function of a model, with states of stateful layers as updates.

    Layers of the classes in `whole` are one call each, for a lowering that takes them so.
    """
    with traced_whole(model, whole) if whole else nullcontext(model.outputs) as tensors:
        outputs = dict(zip(model.output_names, [as_value(t) for t in tensors], strict=True))
        updates = compose_updates(model, model.state_updates)
    function = ir.Function("predict", model_inputs(model), outputs, updates)
    function = compiler.specialise(number_salts(function), training=False)
    if state is not None:
        function = with_random_state(function, state)
    return Traced(function, tuple(model.input_names_fed), (), ())


def model_inputs(model: Any) -> tuple[ir.Input, ...]:
    """The leaves that data is fed to: not those made of tensors that exist already."""
    return tuple(t.value for t in model.inputs if isinstance(t.value, ir.Input))


def compose_updates(
    model: Any, wanted: Sequence[tuple[ir.Variable, ir.Value]]
) -> dict[ir.Variable, ir.Value]:
    """Updates of a model's layers as one new value per variable.

    A layer that was called twice updates its state twice, one after the other.
    """
    updates: dict[ir.Variable, ir.Value] = {}
    for variable, value in wanted:
        if not model.reachable(value):
            continue  # made when a layer was called elsewhere
        if variable in updates:
            chained = ir.Function("update", (), {"value": value}).replace({variable: updates[variable]})
            value = chained.outputs["value"]
        updates[variable] = broadcast_to(cast(value, variable.dtype), variable.shape)
    return updates


def batch_size_value(model: Any) -> ir.Value:
    """The number of samples of a batch as a float32 scalar."""
    return DimValue(model.outputs[0].dims[0], "float32")()


def metric_mask(mask: Tensor | None) -> Tensor | None:
    """A mask as the weights of a metric."""
    return None if mask is None else Tensor(cast(mask.value, "float32"))


def metric_weight(weight: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Sample weights and mask as the weights of a metric."""
    valid = metric_mask(mask)
    if weight is None or valid is None:
        return valid if weight is None else weight
    return Tensor(align(weight.value, valid.value)) * valid


def align(weight: ir.Value, mask: ir.Value) -> ir.Value:
    """Per-sample weights with axes of 1 so that they broadcast against a mask over time."""
    return reshape(weight, (*weight.shape, *[1] * (mask.rank - weight.rank)))


def metric_result(metric: Any, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> list[Any]:
    """Feed a metric and read it: one tensor, or several when it reports a dict."""
    metric.update_state(y_true, y_pred, sample_weight=weight)
    result = metric.result()
    return list(result.values()) if isinstance(result, dict) else [result]


def resets_itself(metric: Any) -> bool:
    """Whether a metric starts anew in another way than by putting its state to zero."""
    kind = type(metric)
    return kind.reset_states is not Metric.reset_states or kind.reset_state is not Metric.reset_state


def metric_names(metric: Any, objective: OutputObjective) -> list[str]:
    """What a metric reports as: its name, or the keys of the dict that it returns."""
    return list(getattr(metric, "result_names", None) or [metric.name])


def scalar(value: ir.Value) -> ir.Value:
    """The mean over whatever axes are left."""
    return reduce_mean(value) if value.rank else value
