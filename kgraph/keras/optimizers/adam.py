"""Adam and its relatives: moving averages of the gradient and of its square, corrected for their start at zero.

Kingma and Ba, "Adam: a method for stochastic optimization", 2014. Formulas and defaults are those of Keras 3; the
corrections are computed on scalars, once for all variables.
"""

from __future__ import annotations

from typing import Any

from kgraph.keras.optimizers.base import Optimizer, Update
from kgraph.keras.optimizers.gradient import root
from kgraph.keras.tensor import Tensor, Variable
from kgraph.ops import elementwise as e


class _AdamFamily(Optimizer):
    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = float(beta_1), float(beta_2)
        self.epsilon = 1e-7 if epsilon is None else float(epsilon)

    def prepare(self) -> None:
        step = self.steps() + 1.0
        self._step = step
        self._correction_1 = 1.0 - _power(self.beta_1, step)
        self._correction_2 = 1.0 - _power(self.beta_2, step)

    def first_moment(self, gradient: Tensor, variable: Variable) -> tuple[Variable, Tensor]:
        """m' = beta_1 · m + (1 - beta_1) · g."""
        moment = self.slot(variable, "momentum")
        return moment, moment * self.beta_1 + gradient * (1.0 - self.beta_1)

    def second_moment(self, gradient: Tensor, variable: Variable) -> tuple[Variable, Tensor]:
        """v' = beta_2 · v + (1 - beta_2) · g²."""
        moment = self.slot(variable, "velocity")
        return moment, moment * self.beta_2 + gradient * gradient * (1.0 - self.beta_2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


class Adam(_AdamFamily):
    """w - lr · sqrt(1 - beta_2^t) / (1 - beta_1^t) · m' / (sqrt(v') + epsilon).

    `amsgrad` uses the largest v' so far.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.amsgrad = bool(amsgrad)

    def update_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> list[Update]:
        moment, mean = self.first_moment(gradient, variable)
        velocity, square = self.second_moment(gradient, variable)
        updates: list[Update] = [(moment, mean), (velocity, square)]
        if self.amsgrad:
            largest = self.slot(variable, "velocity_hat")
            square = Tensor(e.maximum(largest.value, square.value))
            updates.append((largest, square))
        scale = rate * root(self._correction_2) / self._correction_1
        return [*updates, (variable, variable - mean * scale / (root(square) + self.epsilon))]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amsgrad": self.amsgrad}


class AdamW(Adam):
    """Adam with weights that decay by lr · weight_decay · w each step, apart from the gradient.

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2017.
    """

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, **kwargs: Any) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)


class Adamax(_AdamFamily):
    """u' = max(beta_2 · u, |g|); w - lr / (1 - beta_1^t) · m' / (u' + epsilon)."""

    def update_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> list[Update]:
        moment, mean = self.first_moment(gradient, variable)
        norm = self.slot(variable, "norm")
        largest = Tensor(e.maximum((norm * self.beta_2).value, abs(gradient).value))
        step = mean * (rate / self._correction_1) / (largest + self.epsilon)
        return [(moment, mean), (norm, largest), (variable, variable - step)]


class Nadam(_AdamFamily):
    """Adam with Nesterov momentum: the coming step's momentum factor weighs m', the present one's weighs g.

    u(t) = beta_1 · (1 - 0.96^t / 2). Dozat, "Incorporating Nesterov momentum into Adam", 2015.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        **kwargs: Any,
    ) -> None:
        kwargs.pop(
            "schedule_decay", None
        )  # Keras 2 had it; Keras 3 fixes it at 0.004, which is the 0.96 above
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)

    def prepare(self) -> None:
        super().prepare()
        product = self.scalar("u_product", 1.0)
        self._factor = self._momentum_at(self._step)
        self._next_factor = self._momentum_at(self._step + 1.0)
        self._product = product * self._factor
        self.updates.append((product, self._product))

    def update_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> list[Update]:
        moment, mean = self.first_moment(gradient, variable)
        velocity, square = self.second_moment(gradient, variable)
        of_mean = rate * self._next_factor / (1.0 - self._product * self._next_factor)
        of_gradient = rate * (1.0 - self._factor) / (1.0 - self._product)
        step = (mean * of_mean + gradient * of_gradient) / (root(square / self._correction_2) + self.epsilon)
        return [(moment, mean), (velocity, square), (variable, variable - step)]

    def _momentum_at(self, step: Tensor) -> Tensor:
        return (1.0 - _power(0.96, step) * 0.5) * self.beta_1


def _power(base: float, exponent: Tensor) -> Tensor:
    return Tensor(e.power(base, exponent.value))
