"""`LossScaleOptimizer`: gradients in float16 that neither vanish nor overflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, UnsupportedError, describe
from kgraph.keras import backend as K
from kgraph.keras.optimizers.base import Optimizer
from kgraph.keras.tensor import Tensor, Variable, collect_updates
from kgraph.keras.utils.lookup import LOOKUPS
from kgraph.keras.utils.serialization import serialize_keras_object
from kgraph.ops.logic import where

LARGEST = float(np.finfo("float32").max)


class LossScaleOptimizer(Optimizer):
    """Another optimizer's steps, on gradients that were computed from a scaled loss and scaled back.

    The smallest positive float16 is 6e-8: smaller gradients between layers would be lost. So the loss is multiplied by
    a scale, at first `initial_scale`. A step whose gradients are not finite leaves weights and optimizer as they were
    and halves the scale; `dynamic_growth_steps` finite ones after another double it.
    Micikevicius et al., "Mixed precision training", 2018.

    Raises ArgumentError for an inner optimizer that scales already, UnsupportedError for one with a `get_updates` of
    its own, which takes its gradients itself.
    """

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
    ) -> None:
        if isinstance(inner_optimizer, LossScaleOptimizer):
            raise ArgumentError(
                describe("the loss is scaled once", expected="another optimizer", got=inner_optimizer.name)
            )
        if not can_scale(inner_optimizer):
            raise UnsupportedError(
                describe(
                    "an optimizer that takes its own gradients cannot have them scaled",
                    expected="one with an update_step",
                    got=type(inner_optimizer).__name__,
                )
            )
        self.inner_optimizer = inner_optimizer
        super().__init__(name=name)
        self.initial_scale = float(initial_scale)
        self.dynamic_growth_steps = int(dynamic_growth_steps)
        self._unused_rate = self._variable(
            np.zeros((), "float32"), "learning_rate"
        )  # files of Keras have one

    # Whoever asks for these means those of the optimizer that makes the steps.

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    @iterations.setter
    def iterations(self, value: Any) -> None:
        self._unused_iterations = value

    @property
    def learning_rate(self) -> Any:
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    def build(self, variables: Sequence[Variable]) -> None:
        if not self._scalars:
            self.step_counter = self.add_variable(dtype="int32", name="step_counter")
            self.dynamic_scale = self.add_variable(name="dynamic_scale", dtype="float32")
            self.dynamic_scale.assign(self.initial_scale)
        self.inner_optimizer._build_for(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Variable]:
        """The state that files of Keras 3 hold, in their order."""
        mine = [self._unused_iterations, self._unused_rate, *self._scalars]
        return [*mine, *self.inner_optimizer.variables]

    @property
    def weights(self) -> list[Variable]:
        """The same state: Keras 2 had no such optimizer."""
        return self.variables

    def scale_loss(self, loss: Any) -> Any:
        """A loss times the present scale."""
        return loss * (self.dynamic_scale if self.built else self.initial_scale)

    def get_updates(self, loss: Any, params: Sequence[Variable]) -> list[Any]:
        """(variable, new value) for every variable that one step changes: all of them, or the scale alone."""
        self._build_for(params)
        found = self._gradients(self.scale_loss(loss), params)
        total = sum(K.sum(K.abs(K.cast(g, "float32"))) for g in found if g is not None)
        finite = K.less_equal(total, LARGEST)  # which no sum with an infinity or a NaN in it is
        unscaled = [g if g is None else K.cast(g, "float32") / self.dynamic_scale for g in found]
        inner = self.inner_optimizer
        with collect_updates() as stepped:
            inner.apply(inner._clip(unscaled), params)
        grown = self.step_counter + 1 >= self.dynamic_growth_steps
        scale = K.switch(grown, self.dynamic_scale * 2.0, self.dynamic_scale)
        counter = K.cast(K.switch(finite & ~grown, self.step_counter + 1, 0), "int32")
        known = {v.variable: v for v in [*params, *self.variables]}
        updates: list[Any] = [
            (known.get(v, v), Tensor(where(finite.value, value, v))) for v, value in stepped.items()
        ]
        updates.append((self.dynamic_scale, K.switch(finite, scale, self.dynamic_scale * 0.5)))
        updates.append((self.step_counter, counter))
        self.updates = updates
        return updates

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        config = dict(config)
        inner = LOOKUPS["optimizer"].deserialize(config.pop("inner_optimizer"), custom_objects)
        return cls(inner, **config)


def can_scale(optimizer: Any) -> bool:
    """Whether an optimizer is given its gradients, rather than taking them itself, scaled or not."""
    return isinstance(optimizer, Optimizer) and type(optimizer).get_updates is Optimizer.get_updates
