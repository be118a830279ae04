"""Measures any module that spells Keras: real Keras on its backends, and kgraph."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.frameworks import Framework
from benchmarks.models import Keras, Workload


def stopwatch(keras: Keras, clock: Callable[[], float]) -> Any:
    """A callback that notes when the first step of an epoch begins and when the epoch ends.

    It does not ask for the ends of the steps: with a callback that does, Keras waits for the result of each step.
    """

    class Stopwatch(keras.callbacks.Callback):
        begun = ended = 0.0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 0:
                self.begun = clock()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.ended = clock()

    return Stopwatch()


class KerasSubject:
    """A workload under one Keras-like module, driven by its public methods only."""

    def __init__(self, keras: Keras, workload: Workload) -> None:
        self.keras = keras
        self.workload = workload
        self.inputs, self.targets = workload.arrays()
        self.batch = (self.inputs[: workload.batch], self.targets[: workload.batch])
        self.sample = self.inputs[:1]
        self.model: Any = workload.build(keras)

    def first_step(self) -> None:
        self.model.compile(**self.workload.training(self.keras))
        self.model.fit(*self.batch, batch_size=self.workload.batch, epochs=1, verbose=0)

    def fit(self, clock: Callable[[], float] = time.perf_counter) -> float:
        watch = stopwatch(self.keras, clock)
        self.model.fit(
            self.inputs,
            self.targets,
            batch_size=self.workload.batch,
            epochs=1,
            verbose=0,
            callbacks=[watch],
        )
        return watch.ended - watch.begun

    def step(self) -> None:
        self.model.train_on_batch(*self.batch)

    def predict(self) -> None:
        self.model.predict(self.sample, verbose=0)

    def extras(self) -> Mapping[str, list[float]]:
        return {}


def subject(framework: Framework, workload: Workload) -> KerasSubject:
    """`workload` under the Keras that this interpreter has, on the backend its environment names."""
    return KerasSubject(importlib.import_module("keras"), workload)
