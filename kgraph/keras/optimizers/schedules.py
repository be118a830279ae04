"""Learning-rate schedules: the rate as a function of the step, computed in the graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from kgraph.errors import ArgumentError, describe
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops import elementwise as e
from kgraph.ops.logic import less_equal, where


class LearningRateSchedule:
    """Base of schedules: `schedule(step)` for a float tensor step gives the rate. Subclasses write get_config."""

    known: ClassVar[dict[str, type[LearningRateSchedule]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        LearningRateSchedule.known[cls.__name__] = cls

    def __call__(self, step: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")

    def initial(self) -> float:
        """The rate at step 0."""
        return float(Tensor(as_value(self(Tensor(as_value(0.0))))).numpy())

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return cls(**config)

    def serialize(self) -> dict[str, Any]:
        """The schedule as plain data."""
        return {"class_name": type(self).__name__, "config": self.get_config()}

    @staticmethod
    def deserialize(data: dict[str, Any]) -> LearningRateSchedule:
        """The schedule of plain data. Raises ArgumentError for an unknown class."""
        cls = LearningRateSchedule.known.get(data.get("class_name", ""))
        if cls is None:
            names = ", ".join(sorted(LearningRateSchedule.known))
            raise ArgumentError(describe("unknown schedule", expected=names, got=data.get("class_name")))
        return cls.from_config(dict(data["config"]))


class ExponentialDecay(LearningRateSchedule):
    """initial · rate^(step / decay_steps); with `staircase` the exponent is rounded down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate, self.decay_steps, self.decay_rate = (
            initial_learning_rate,
            decay_steps,
            decay_rate,
        )
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Tensor:
        return (
            _power(self.decay_rate, _periods(step, self.decay_steps, self.staircase))
            * self.initial_learning_rate
        )


class InverseTimeDecay(LearningRateSchedule):
    """initial / (1 + rate · step / decay_steps); with `staircase` the quotient is rounded down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate, self.decay_steps, self.decay_rate = (
            initial_learning_rate,
            decay_steps,
            decay_rate,
        )
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Tensor:
        return self.initial_learning_rate / (
            _periods(step, self.decay_steps, self.staircase) * self.decay_rate + 1.0
        )


class PolynomialDecay(LearningRateSchedule):
    """(initial - end) · (1 - step / decay_steps)^power + end, held at `end` afterwards, or started anew with
    `cycle`.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle, self.name = end_learning_rate, power, cycle, name

    def __call__(self, step: Any) -> Tensor:
        at = Tensor(as_value(step))
        if self.cycle:
            rounds = Tensor(e.maximum(e.Ceil()((at / self.decay_steps).value), 1.0))
            done = at / (rounds * self.decay_steps)
        else:
            done = Tensor(e.minimum(at.value, float(self.decay_steps))) / self.decay_steps
        left = Tensor(e.power((1.0 - done).value, self.power))
        return left * (self.initial_learning_rate - self.end_learning_rate) + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """initial · ((1 - alpha) · (1 + cos(π step / decay_steps)) / 2 + alpha), held at the end."""

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, alpha: float = 0.0, name: str | None = None
    ) -> None:
        self.initial_learning_rate, self.decay_steps, self.alpha, self.name = (
            initial_learning_rate,
            decay_steps,
            alpha,
            name,
        )

    def __call__(self, step: Any) -> Tensor:
        done = Tensor(e.minimum(as_value(step), float(self.decay_steps))) / self.decay_steps
        half = (Tensor(e.Cos()((done * math.pi).value)) + 1.0) * 0.5
        return (half * (1.0 - self.alpha) + self.alpha) * self.initial_learning_rate


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and with step boundaries[i], the last value after them.

    Raises ArgumentError unless there is one value more than boundaries.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None) -> None:
        if len(values) != len(boundaries) + 1:
            raise ArgumentError(
                describe(
                    "values do not match boundaries",
                    expected=f"{len(boundaries) + 1} values",
                    got=len(values),
                )
            )
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> Tensor:
        at = as_value(step)
        rate = as_value(float(self.values[-1]), at.dtype)
        for boundary, value in zip(reversed(self.boundaries), reversed(self.values[:-1]), strict=True):
            rate = where(less_equal(at, float(boundary)), float(value), rate)
        return Tensor(rate)


def _periods(step: Any, length: float, staircase: bool) -> Tensor:
    count = Tensor(as_value(step)) / length
    return Tensor(e.Floor()(count.value)) if staircase else count


def _power(base: float, exponent: Tensor) -> Tensor:
    return Tensor(e.power(base, exponent.value))
