"""What is measured: a model under a framework, behind the four things people wait for."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from benchmarks.models import SEED, Array, Workload


class Subject(Protocol):
    """A built but not yet compiled model with its data."""

    def first_step(self) -> None:
        """Compiles the model for training and returns when one step is finished."""
        ...

    def fit(self) -> float:
        """Trains for an epoch; seconds from the start of its first step to the end of all."""
        ...

    def step(self) -> None:
        """One training step on one fixed batch, finished on return."""
        ...

    def predict(self) -> None:
        """The model's answer for one sample, finished on return."""
        ...

    def extras(self) -> Mapping[str, list[float]]:
        """Samples of metrics that only this framework has, by metric name."""
        ...


class LoopSubject(ABC):
    """A framework without `fit`: the shuffled loop over NumPy batches that its users write themselves.

    Batches come from the epoch's arrays by fancy indexing and go to `train` as NumPy arrays. Nobody waits for a step
    before the end of the epoch, so that frameworks may run ahead.
    """

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.inputs, self.targets = self.prepare(*workload.arrays())
        self.generator = np.random.default_rng(SEED)

    def prepare(self, inputs: Array, targets: Array) -> tuple[Array, Array]:
        """The epoch's arrays in the layout that is natural to the framework."""
        return inputs, targets

    @abstractmethod
    def train(self, inputs: Any, targets: Any) -> None:
        """Starts one training step on arrays of the host or of the device."""

    @abstractmethod
    def wait(self) -> None:
        """Returns when all started steps are finished."""

    def first_step(self) -> None:
        batch = self.workload.batch
        self.train(self.inputs[:batch], self.targets[:batch])
        self.wait()

    def fit(self) -> float:
        batches = np.split(self.generator.permutation(len(self.inputs)), self.workload.steps)
        begun = time.perf_counter()
        for chosen in batches:
            self.train(self.inputs[chosen], self.targets[chosen])
        self.wait()
        return time.perf_counter() - begun

    def extras(self) -> Mapping[str, list[float]]:
        return {}
