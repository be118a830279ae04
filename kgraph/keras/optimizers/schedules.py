"""Learning-rate schedules: the learning rate as a function of the number of steps done, computed in the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from kgraph.errors import ArgumentError, UnsupportedError, describe
from kgraph.keras import backend as K
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.lookup import Lookup


class LearningRateSchedule:
    """Base of all: a callable from a step (a tensor or a number) to a learning rate."""

    def __call__(self, step: Any) -> Any:
        raise UnsupportedError(
            describe(f"{type(self).__name__} has no __call__ method", expected="a learning rate")
        )

    def get_config(self) -> dict[str, Any]:
        raise UnsupportedError(
            describe(f"{type(self).__name__} cannot be saved", expected="a get_config method")
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)


class _Decay(LearningRateSchedule):
    """Over `decay_steps` steps. Raises ArgumentError unless there is at least one."""

    def __init__(self, initial_learning_rate: float, decay_steps: int, name: str | None) -> None:
        if decay_steps <= 0:
            raise ArgumentError(
                describe(f"{type(self).__name__}: decay_steps", expected="1 or more", got=decay_steps)
            )
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.name = name or type(self).__name__

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "name": self.name,
        }


class _StepwiseDecay(_Decay):
    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate, self.staircase = decay_rate, staircase

    def progress(self, step: Any) -> Tensor:
        """step / decay_steps, of which `staircase` drops the fraction."""
        done = _as_float(step) / self.decay_steps
        return K.floor(done) if self.staircase else done

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "decay_rate": self.decay_rate, "staircase": self.staircase}


class ExponentialDecay(_StepwiseDecay):
    """initial_learning_rate * decay_rate ** (step / decay_steps)."""

    def __call__(self, step: Any) -> Tensor:
        return self.initial_learning_rate * K.pow(self.decay_rate, self.progress(step))


class InverseTimeDecay(_StepwiseDecay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps)."""

    def __call__(self, step: Any) -> Tensor:
        return self.initial_learning_rate / (1.0 + self.decay_rate * self.progress(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and including step boundaries[0], then values[1] up to boundaries[1], and so on.

    Raises ArgumentError unless there is one value more than boundaries.
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        if len(values) != len(boundaries) + 1:
            raise ArgumentError(
                describe(
                    "PiecewiseConstantDecay: values",
                    expected=f"{len(boundaries) + 1} of them",
                    got=len(values),
                )
            )
        self.boundaries, self.values, self.name = boundaries, values, name

    def __call__(self, step: Any) -> Tensor:
        rate = K.constant(self.values[-1])
        for boundary, value in reversed(list(zip(self.boundaries, self.values, strict=False))):
            rate = K.switch(_as_float(step) <= boundary, value, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": list(self.boundaries), "values": list(self.values), "name": self.name}


class PolynomialDecay(_Decay):
    """end + (initial - end) * (1 - min(step, decay_steps) / decay_steps) ** power.

    With `cycle`, decay_steps becomes its next multiple whenever the steps pass it.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle

    def __call__(self, step: Any) -> Tensor:
        done = _as_float(step) / self.decay_steps
        if self.cycle:
            done = done / K.maximum(-K.floor(-done), 1.0)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * K.pow(1.0 - K.minimum(done, 1.0), self.power) + self.end_learning_rate

    def get_config(self) -> dict[str, Any]:
        own = {"end_learning_rate": self.end_learning_rate, "power": self.power, "cycle": self.cycle}
        return {**super().get_config(), **own}


class CosineDecay(_Decay):
    """Half a cosine from the initial learning rate down to `alpha` times it. Loshchilov and Hutter, 2017.

    With `warmup_target` the rate first rises to that in a straight line over `warmup_steps`, and falls from there.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str | None = None,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.alpha, self.warmup_target, self.warmup_steps = alpha, warmup_target, warmup_steps

    def __call__(self, step: Any) -> Tensor:
        now = _as_float(step)
        if self.warmup_target is None:
            return self._fall(self.initial_learning_rate, now)
        fall = self._fall(self.warmup_target, now - self.warmup_steps)
        if not self.warmup_steps:
            return fall
        rise = self.initial_learning_rate + (self.warmup_target - self.initial_learning_rate) * (
            now / self.warmup_steps
        )
        return K.switch(now < self.warmup_steps, rise, fall)

    def _fall(self, top: float, step: Tensor) -> Tensor:
        wave = 0.5 * (1.0 + K.cos(math.pi * K.minimum(step / self.decay_steps, 1.0)))
        return top * ((1.0 - self.alpha) * wave + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after another, each `t_mul` times as long and `m_mul` times as high as the one before.

    Loshchilov and Hutter, "SGDR", 2017. Raises ArgumentError unless first_decay_steps is at least 1.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        if first_decay_steps <= 0:
            raise ArgumentError(
                describe(
                    "CosineDecayRestarts: first_decay_steps", expected="1 or more", got=first_decay_steps
                )
            )
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step: Any) -> Tensor:
        done = _as_float(step) / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = K.floor(done)
            fraction = done - restarts
        else:
            # Restart i begins after 1 + t + … + t^(i-1) = (1 - t^i) / (1 - t) first lengths.
            restarts = K.floor(K.log(1.0 - done * (1.0 - self.t_mul)) / math.log(self.t_mul))
            length = K.pow(self.t_mul, restarts)
            fraction = (done - (1.0 - length) / (1.0 - self.t_mul)) / length
        wave = 0.5 * K.pow(self.m_mul, restarts) * (1.0 + K.cos(math.pi * fraction))
        return self.initial_learning_rate * ((1.0 - self.alpha) * wave + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


def _as_float(step: Any) -> Tensor:
    return K.cast(step, K.floatx())


_LOOKUP = Lookup("learning rate schedule", globals(), LearningRateSchedule)
serialize, deserialize = _LOOKUP.serialize, _LOOKUP.deserialize
