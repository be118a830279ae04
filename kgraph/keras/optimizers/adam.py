"""Adam and its relatives.

The two running averages are m' = beta_1 m + (1 - beta_1) g and v' = beta_2 v + (1 - beta_2) g^2; t = 1, 2, … is the
number of the step. What depends on t alone is computed once per step, on scalars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.keras import backend as K
from kgraph.keras.legacy import legacy
from kgraph.keras.optimizers.adaptive import check_average, or_epsilon
from kgraph.keras.optimizers.base import Optimizer, root
from kgraph.keras.tensor import Tensor, Variable


class _Moments(Optimizer):
    """An optimizer with two running averages, `first` and `second` by the names of their slots."""

    first, second = "momentum", "velocity"

    def __init__(
        self, learning_rate: Any, beta_1: float, beta_2: float, epsilon: float | None, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        check_average(type(self).__name__, beta_1=beta_1, beta_2=beta_2)
        self.beta_1, self.beta_2, self.epsilon = float(beta_1), float(beta_2), or_epsilon(epsilon)

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self.add_optimizer_variables(variables, [self.first, self.second])

    def step_number(self, learning_rate: Tensor) -> Tensor:
        """t, of the dtype of the learning rate."""
        return K.cast(self.iterations, learning_rate.dtype) + 1.0

    def averages(self, gradient: Tensor, variable: Variable) -> tuple[Variable, Variable]:
        """The two averages, with their new values assigned."""
        m, v = self.slot(self.first, variable), self.slot(self.second, variable)
        m.assign(m * self.beta_1 + gradient * (1.0 - self.beta_1))
        v.assign(v * self.beta_2 + gradient * gradient * (1.0 - self.beta_2))
        return m, v

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


class Adam(_Moments):
    """w' = w - a m' / (sqrt(v') + epsilon) with a = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t).

    Kingma and Ba, 2015. With `amsgrad` the largest v' so far takes its place (Reddi et al., 2018).
    Keras 2 and 3 agree here.
    """

    @legacy(learning_rate="lr")
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
        self.amsgrad = amsgrad

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        if self.amsgrad:
            self.add_optimizer_variables(variables, "velocity_hat")

    def begin_step(self, learning_rate: Tensor) -> Tensor:
        t = self.step_number(learning_rate)
        return learning_rate * K.sqrt(1.0 - K.pow(self.beta_2, t)) / (1.0 - K.pow(self.beta_1, t))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        m, v = self.averages(gradient, variable)
        if self.amsgrad:
            largest = self.slot("velocity_hat", variable)
            largest.assign(K.maximum(largest, v))
            v = largest
        variable.assign(variable - m * learning_rate / (root(v) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amsgrad": self.amsgrad}


class AdamW(Adam):
    """Adam with weight_decay * learning_rate * w taken from each weight w before. Loshchilov and Hutter, 2019."""

    @legacy(learning_rate="lr")
    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        if weight_decay is None:
            raise ArgumentError(describe("AdamW: weight_decay", expected="a number", got=None))
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)


class Adamax(_Moments):
    """u' = max(beta_2 u, |g|);   w' = w - learning_rate / (1 - beta_1^t) m' / (u' + epsilon). Kingma and Ba, 2015.

    As in Keras 3, the learning rate is 0.001 by default (Keras 2: 0.002).
    """

    second = "norm"

    @legacy(learning_rate="lr")
    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)

    def begin_step(self, learning_rate: Tensor) -> Tensor:
        return learning_rate / (1.0 - K.pow(self.beta_1, self.step_number(learning_rate)))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        m, u = self.slot(self.first, variable), self.slot(self.second, variable)
        m.assign(m * self.beta_1 + gradient * (1.0 - self.beta_1))
        u.assign(K.maximum(u * self.beta_2, K.abs(gradient)))
        variable.assign(variable - m * learning_rate / (u + self.epsilon))


class Nadam(_Moments):
    """Adam with Nesterov momentum. Dozat, 2016.

        w' = w - learning_rate n / (sqrt(v' / (1 - beta_2^t)) + epsilon)
        n = u_(t+1) m' / (1 - u_1 … u_(t+1)) + (1 - u_t) g / (1 - u_1 … u_t)
        u_t = beta_1 (1 - 0.96^(schedule_decay t) / 2)

    As in Keras 3, schedule_decay is 1 and the learning rate is 0.001 by default (Keras 2: 0.004 and 0.002).
    """

    @legacy(learning_rate="lr")
    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        schedule_decay: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.schedule_decay = float(schedule_decay)
        self._product = self.add_variable((), "ones", name="u_product")

    def scalars_after(self, steps: int) -> list[np.ndarray[Any, Any]]:
        t = np.arange(1, steps + 1)
        product = np.prod(self.beta_1 * (1.0 - 0.5 * 0.96 ** (self.schedule_decay * t)))
        return [product.astype(self._product.dtype)]

    def begin_step(self, learning_rate: Tensor) -> Tensor:
        """Keeps the factors of m', g and epsilon, after multiplying through by sqrt(1 - beta_2^t)."""
        t = self.step_number(learning_rate)
        now, following = (
            self.beta_1 * (1.0 - 0.5 * K.pow(0.96, self.schedule_decay * step)) for step in (t, t + 1.0)
        )
        self._product.assign(self._product * now)
        correction = K.sqrt(1.0 - K.pow(self.beta_2, t))
        rate = learning_rate * correction
        self._factors = (
            rate * following / (1.0 - self._product * following),
            rate * (1.0 - now) / (1.0 - self._product),
            correction * self.epsilon,
        )
        return learning_rate

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        of_average, of_gradient, epsilon = (K.cast(factor, variable.dtype) for factor in self._factors)
        m, v = self.averages(gradient, variable)
        variable.assign(variable - (m * of_average + gradient * of_gradient) / (root(v) + epsilon))

    def get_config(self) -> dict[str, Any]:
        own = {} if self.schedule_decay == 1.0 else {"schedule_decay": self.schedule_decay}
        return {**super().get_config(), **own}
