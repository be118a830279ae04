"""Optimizers that divide by a root of mean squares of the gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras import backend as K
from kgraph.keras.initializers import Constant
from kgraph.keras.legacy import legacy
from kgraph.keras.optimizers.base import Optimizer, root
from kgraph.keras.tensor import Tensor, Variable


def check_average(owner: str, **rates: float) -> None:
    """Raise ArgumentError unless each rate is in [0, 1), as running averages need."""
    for name, rate in rates.items():
        if not 0.0 <= rate < 1.0:
            raise ArgumentError(describe(f"{owner}: {name}", expected="at least 0 and below 1", got=rate))


def or_epsilon(epsilon: float | None) -> float:
    """What Keras 2 means by epsilon=None."""
    return K.epsilon() if epsilon is None else float(epsilon)


class RMSprop(Optimizer):
    """v' = rho v + (1 - rho) g^2;   w' = w - learning_rate g / sqrt(v' + epsilon).

    With `centered`, the square of a running average of g is taken from v'. With `momentum`, the step is added to
    momentum times the last one. Tieleman and Hinton, 2012. As in Keras 3, epsilon stands under the root.
    """

    @legacy(learning_rate="lr")
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
        check_average("RMSprop", rho=rho)
        self.rho, self.momentum, self.epsilon = float(rho), float(momentum), or_epsilon(epsilon)
        self.centered = centered

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self.add_optimizer_variables(variables, "velocity")
        if self.momentum:
            self.add_optimizer_variables(variables, "momentum")
        if self.centered:
            self.add_optimizer_variables(variables, "average_gradient")

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        velocity = self.slot("velocity", variable)
        velocity.assign(velocity * self.rho + gradient * gradient * (1.0 - self.rho))
        spread: Tensor = velocity
        if self.centered:
            average = self.slot("average_gradient", variable)
            average.assign(average * self.rho + gradient * (1.0 - self.rho))
            spread = velocity - K.square(average)
        step = gradient * learning_rate / root(spread + self.epsilon)
        if self.momentum:
            momentum = self.slot("momentum", variable)
            momentum.assign(momentum * self.momentum + step)
            step = momentum
        variable.assign(variable - step)

    def get_config(self) -> dict[str, Any]:
        own: dict[str, Any] = {"rho": self.rho, "epsilon": self.epsilon}
        if self.momentum or self.centered:
            own |= {"momentum": self.momentum, "centered": self.centered}
        return {**super().get_config(), **own}


class Adagrad(Optimizer):
    """a' = a + g^2;   w' = w - learning_rate g / sqrt(a' + epsilon). Duchi et al., 2011.

    As in Keras 3, a begins at 0.1 and the learning rate is 0.001 by default (Keras 2: 0 and 0.01), and epsilon stands
    under the root.
    """

    @legacy(learning_rate="lr")
    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if initial_accumulator_value < 0:
            raise ArgumentError(
                describe(
                    "Adagrad: initial_accumulator_value", expected="0 or more", got=initial_accumulator_value
                )
            )
        self.initial_accumulator_value = float(initial_accumulator_value)
        self.epsilon = or_epsilon(epsilon)

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self.add_optimizer_variables(variables, "accumulator", Constant(self.initial_accumulator_value))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        total = self.slot("accumulator", variable)
        total.assign(total + gradient * gradient)
        variable.assign(variable - gradient * learning_rate / root(total + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        own = {"initial_accumulator_value": self.initial_accumulator_value, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


class Adadelta(Optimizer):
    """Steps of the size of the steps before. Zeiler, 2012.

        a' = rho a + (1 - rho) g^2;   s = g sqrt(d + epsilon) / sqrt(a' + epsilon)
        d' = rho d + (1 - rho) s^2;   w' = w - learning_rate s

    As in Keras 3, the learning rate is 0.001 by default; that of the paper, and of Keras 2, is 1.
    """

    @legacy(learning_rate="lr")
    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float | None = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        check_average("Adadelta", rho=rho)
        self.rho, self.epsilon = float(rho), or_epsilon(epsilon)

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self.add_optimizer_variables(variables, ["accumulated_grad", "accumulated_delta_var"])

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        squares, moves = self.slot("accumulated_grad", variable), self.slot("accumulated_delta_var", variable)
        squares.assign(squares * self.rho + gradient * gradient * (1.0 - self.rho))
        step = gradient * root((moves + self.epsilon) / (squares + self.epsilon))
        moves.assign(moves * self.rho + step * step * (1.0 - self.rho))
        variable.assign(variable - step * learning_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
