"""`Optimizer`: from gradients to updates, in the graph."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, GraphError, describe
from kgraph.keras import settings
from kgraph.keras.optimizers.schedules import LearningRateSchedule
from kgraph.keras.tensor import Tensor, Variable, as_value
from kgraph.ops import elementwise as e
from kgraph.ops.logic import cast
from kgraph.ops.reduce import reduce_sum
from kgraph.passes.autodiff import gradients

Update = tuple[Variable, Any]


class Optimizer:
    """Base of all optimizers.

    Args: `learning_rate` a number or a LearningRateSchedule; `decay` divides it by 1 + decay · iterations;
    `clipnorm` bounds the L2 norm of each gradient, `global_clipnorm` that of all together, `clipvalue` each
    element. A subclass implements `update_step`, or `get_updates(loss, params)` as in Keras 2. Raises
    ArgumentTypeError for an unknown keyword, ArgumentError for a negative one.
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        decay: float = 0.0,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        weight_decay: float | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "lr" in kwargs:
            warnings.warn("lr is now learning_rate", DeprecationWarning, stacklevel=3)
            learning_rate = kwargs.pop("lr")
        if kwargs:
            raise ArgumentTypeError(
                describe(f"{type(self).__name__}: unknown keyword argument", got=", ".join(sorted(kwargs)))
            )
        given = {"learning_rate": learning_rate, "clipnorm": clipnorm, "clipvalue": clipvalue, "decay": decay}
        for key, value in given.items():
            if isinstance(value, int | float) and value < 0:
                raise ArgumentError(
                    describe(f"bad {key} of {type(self).__name__}", expected=">= 0", got=value)
                )
        self.name = name or type(self).__name__
        self.initial_decay = self.decay = float(decay)
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.weight_decay = weight_decay
        self.iterations = Variable(0, "int64", f"{self.name}/iterations", role="optimizer", trainable=False)
        self.schedule = learning_rate if isinstance(learning_rate, LearningRateSchedule) else None
        start = self.schedule.initial() if self.schedule is not None else learning_rate
        self.lr = Variable(
            start, settings.floatx(), f"{self.name}/learning_rate", role="optimizer", trainable=False
        )
        self.updates: list[Update] = []
        self._slots: dict[tuple[str, Any], Variable] = {}

    # -- what subclasses override

    def update_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> list[Update]:
        """The new values of one variable and of its slots, from its gradient and the learning rate."""
        raise NotImplementedError(f"{type(self).__name__} implements neither update_step nor get_updates")

    def prepare(self) -> None:
        """Compute scalars that all variables share; called once per trace, before `update_step`."""

    # -- updates

    def get_updates(self, loss: Tensor, params: Sequence[Variable]) -> list[Update]:
        """The updates of one step: of the step counter, the slots and the parameters, with constraints applied."""
        found = self.get_gradients(loss, params)
        self.updates = [(self.iterations, Tensor(e.add(self.iterations.value, 1)))]
        rate = self.current_rate()
        self.prepare()
        for gradient, variable in zip(found, params, strict=True):
            for target, value in self.update_step(gradient, variable, rate):
                if target is variable:
                    if self.weight_decay:
                        value = value - variable * rate * self.weight_decay
                    if variable.constraint is not None:
                        value = variable.constraint(value)
                self.updates.append((target, value))
        return self.updates

    def get_gradients(self, loss: Tensor, params: Sequence[Variable]) -> list[Tensor]:
        """The gradients of the loss, clipped as asked. Raises GraphError when a parameter is not differentiable."""
        for variable in params:
            if not variable.value.type.is_float:
                raise GraphError(describe("only floating-point weights can be trained", got=repr(variable)))
        found = gradients(loss.value, [variable.value for variable in params])
        if self.global_clipnorm is not None and found:
            total = e.sqrt(_sum([reduce_sum(e.square(g)) for g in found]))
            found = [
                e.div(e.mul(g, self.global_clipnorm), e.maximum(total, self.global_clipnorm)) for g in found
            ]
        if self.clipnorm is not None:
            norms = [e.sqrt(reduce_sum(e.square(g))) for g in found]
            bounds = [e.div(self.clipnorm, e.maximum(norm, self.clipnorm)) for norm in norms]
            found = [e.mul(g, bound) for g, bound in zip(found, bounds, strict=True)]
        if self.clipvalue is not None:
            found = [e.clip(g, -self.clipvalue, self.clipvalue) for g in found]
        return [Tensor(g) for g in found]

    def current_rate(self) -> Tensor:
        """The learning rate of this step: of the schedule, or the variable with decay applied."""
        if self.schedule is not None:
            return Tensor(as_value(self.schedule(self.steps()), settings.floatx()))
        rate: Tensor = self.lr
        return rate / (self.steps() * self.decay + 1.0) if self.decay else rate

    def steps(self) -> Tensor:
        """The number of steps made so far, as a float."""
        return Tensor(cast(self.iterations.value, settings.floatx()))

    def slot(self, variable: Variable, name: str, value: float = 0.0) -> Variable:
        """State kept beside a parameter, of its shape; made on first use."""
        key = (name, variable.variable)
        if key not in self._slots:
            start = np.full(variable.variable.type.static_shape, value, variable.dtype)
            self._slots[key] = Variable(
                start,
                variable.dtype,
                f"{self.name}/{variable.name}/{name}",
                role="optimizer",
                trainable=False,
            )
        return self._slots[key]

    def scalar(self, name: str, value: float) -> Variable:
        """State that belongs to no parameter."""
        key = (name, None)
        if key not in self._slots:
            self._slots[key] = Variable(
                value, settings.floatx(), f"{self.name}/{name}", role="optimizer", trainable=False
            )
        return self._slots[key]

    # -- state and configuration

    @property
    def learning_rate(self) -> Any:
        return self.schedule if self.schedule is not None else self.lr

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(value, LearningRateSchedule):
            raise ArgumentError(
                describe(
                    "a schedule is given when the optimizer is made", expected="a number", got=repr(value)
                )
            )
        self.lr.assign(value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "lr" and "lr" in vars(self) and not isinstance(value, Variable):
            self.lr.assign(value)  # `optimizer.lr = 0.1` sets the value, as in Keras
        else:
            super().__setattr__(name, value)

    @property
    def weights(self) -> list[Variable]:
        """The step counter, then the slots in order of creation."""
        return [self.iterations, *self._slots.values()]

    @property
    def variables(self) -> list[Variable]:
        return self.weights

    def get_weights(self) -> list[Any]:
        """The values of `weights`, copied."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the values of `weights`. Raises DataError when number or shapes differ."""
        mine = self.weights
        if len(weights) != len(mine):
            raise DataError(
                describe(f"{self.name}: wrong number of weights", expected=len(mine), got=len(weights))
            )
        for variable, value in zip(mine, weights, strict=True):
            variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the optimizer again; `learning_rate` as it is now."""
        rate = self.schedule.serialize() if self.schedule is not None else float(self.lr.numpy())
        config: dict[str, Any] = {"name": self.name, "learning_rate": rate, "decay": self.decay}
        for key in ("clipnorm", "clipvalue", "global_clipnorm", "weight_decay"):
            if getattr(self, key) is not None:
                config[key] = getattr(self, key)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer of a configuration. The older key `lr` is understood."""
        config = dict(config)
        if "lr" in config:
            config["learning_rate"] = config.pop("lr")
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = LearningRateSchedule.deserialize(config["learning_rate"])
        return cls(**config)


def _sum(values: Sequence[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = e.add(total, value)
    return total
