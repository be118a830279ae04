"""Gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras.legacy import legacy
from kgraph.keras.optimizers.base import Optimizer
from kgraph.keras.tensor import Tensor, Variable


class SGD(Optimizer):
    """m' = momentum m - learning_rate g;   w' = w + m', or with `nesterov` w + momentum m' - learning_rate g.

    Without momentum there is no m, and w' = w - learning_rate g. Keras 2 and 3 agree here.
    Raises ArgumentError for a momentum outside of [0, 1].
    """

    @legacy(learning_rate="lr")
    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if not 0.0 <= momentum <= 1.0:
            raise ArgumentError(describe("SGD: momentum", expected="between 0 and 1", got=momentum))
        self.momentum, self.nesterov = float(momentum), nesterov

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        if self.momentum:
            self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        step = gradient * learning_rate
        if not self.momentum:
            variable.assign(variable - step)
            return
        velocity = self.slot("momentum", variable)
        velocity.assign(velocity * self.momentum - step)
        variable.assign(variable + (velocity * self.momentum - step if self.nesterov else velocity))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
