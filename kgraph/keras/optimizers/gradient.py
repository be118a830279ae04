"""Stochastic gradient descent and the methods that scale it by accumulated squares.

The formulas, defaults and the place of epsilon are those of Keras 3.
"""

from __future__ import annotations

from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras.optimizers.base import Optimizer, Update
from kgraph.keras.tensor import Tensor, Variable
from kgraph.ops import elementwise as e


class SGD(Optimizer):
    """w - lr · g.

    With momentum m' = momentum · m - lr · g and w + m', or w + momentum · m' - lr · g with `nesterov`.
    """

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if not 0.0 <= momentum <= 1.0:
            raise ArgumentError(describe("bad momentum", expected="0 to 1", got=momentum))
        self.momentum, self.nesterov = float(momentum), bool(nesterov)

    def update_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> list[Update]:
        step = gradient * rate
        if not self.momentum:
            return [(variable, variable - step)]
        velocity = self.slot(variable, "momentum")
        moved = velocity * self.momentum - step
        ahead = variable + moved * self.momentum - step if self.nesterov else variable + moved
        return [(velocity, moved), (variable, ahead)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


class RMSprop(Optimizer):
    """v' = rho · v + (1 - rho) · g²; w - lr · g / sqrt(v' + epsilon).

    `centered` subtracts the square of the mean gradient from v'; `momentum` accumulates the steps.
    Tieleman and Hinton, Lecture 6.5, 2012.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float | None = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum, self.centered = float(rho), float(momentum), bool(centered)
        self.epsilon = 1e-7 if epsilon is None else float(epsilon)

    def update_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> list[Update]:
        squares = self.slot(variable, "velocity")
        mean_square = squares * self.rho + gradient * gradient * (1.0 - self.rho)
        updates: list[Update] = [(squares, mean_square)]
        variance = mean_square
        if self.centered:
            mean = self.slot(variable, "average_gradient")
            new_mean = mean * self.rho + gradient * (1.0 - self.rho)
            updates.append((mean, new_mean))
            variance = mean_square - new_mean * new_mean
        step = gradient * rate / root(variance + self.epsilon)
        if self.momentum:
            moving = self.slot(variable, "momentum")
            step = moving * self.momentum + step
            updates.append((moving, step))
        return [*updates, (variable, variable - step)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


class Adagrad(Optimizer):
    """a' = a + g², a starts at `initial_accumulator_value`; w - lr · g / sqrt(a' + epsilon).

    Duchi et al., "Adaptive subgradient methods", JMLR 2011.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value = float(initial_accumulator_value)
        self.epsilon = 1e-7 if epsilon is None else float(epsilon)

    def update_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> list[Update]:
        squares = self.slot(variable, "accumulator", self.initial_accumulator_value)
        total = squares + gradient * gradient
        return [(squares, total), (variable, variable - gradient * rate / root(total + self.epsilon))]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


class Adadelta(Optimizer):
    """a' = rho · a + (1 - rho) · g²; d = g · sqrt(b + eps) / sqrt(a' + eps); b' = rho · b + (1 - rho) · d²; w -
    lr · d.

    Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
    """

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float | None = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho = float(rho)
        self.epsilon = 1e-7 if epsilon is None else float(epsilon)

    def update_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> list[Update]:
        squares, steps = self.slot(variable, "accumulated_grad"), self.slot(variable, "accumulated_delta_var")
        mean_square = squares * self.rho + gradient * gradient * (1.0 - self.rho)
        delta = gradient * root((steps + self.epsilon) / (mean_square + self.epsilon))
        mean_step = steps * self.rho + delta * delta * (1.0 - self.rho)
        return [(squares, mean_square), (steps, mean_step), (variable, variable - delta * rate)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


def root(x: Tensor) -> Tensor:
    """The square root."""
    return Tensor(e.sqrt(x.value))
