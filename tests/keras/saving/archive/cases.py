"""Training that is cut in two by a file: five steps, save, load, five more. For any module that has Keras's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.keras.training.cases import BATCH, OPTIMIZERS, build, data, make_optimizer, start

CASES = (*OPTIMIZERS, "plain sgd", "amsgrad", "schedule", "centered rmsprop")
WITH_WEIGHTS_FILES = ("adam", "schedule")
STEPS = 5


def optimizer_of(api: Any, case: str) -> Any:
    """The optimizer of a case."""
    optimizers = api.optimizers
    if case == "plain sgd":
        return optimizers.SGD(0.05, clipnorm=1.0)
    if case == "amsgrad":
        return optimizers.Adam(0.01, amsgrad=True)
    if case == "schedule":
        return optimizers.Adam(optimizers.schedules.ExponentialDecay(0.02, 5, 0.8, staircase=True))
    if case == "centered rmsprop":
        return optimizers.RMSprop(0.005, centered=True, momentum=0.5)
    return make_optimizer(api, case)


def begin(api: Any, case: str) -> Any:
    """A compiled model, before the first step. Real Keras is quicker when it need not compile so many of them."""
    model = build(api, "dense")
    model.set_weights(start([tuple(w.shape) for w in model.get_weights()]))
    model.compile(optimizer_of(api, case), "categorical_crossentropy", run_eagerly=True)
    return model


def train(model: Any) -> list[np.ndarray]:
    """Five steps; the weights after them."""
    x, y = data("dense")
    for step in range(STEPS):
        at = step % 3 * BATCH
        model.train_on_batch(x[at : at + BATCH], y[at : at + BATCH])
    return [np.asarray(weight) for weight in model.get_weights()]


def exchange(api: Any, load: Any, folder: Path, name: str, other: str) -> dict[str, np.ndarray]:
    """For every case: what ten steps arrive at with a file in the middle that stays in `folder`.

    And where the `other` has left its files, what five steps from these arrive at.
    """
    results = {}
    for case in CASES:
        model = begin(api, case)
        train(model)
        model.save(folder / f"{name} {case}.keras")
        if case in WITH_WEIGHTS_FILES:
            model.save_weights(folder / f"{name} {case}.weights.h5")
        results |= {f"{name}/{case}/{i:02d}": w for i, w in enumerate(train(model))}
        if (folder / f"{other} {case}.keras").exists():
            from_model = load(folder / f"{other} {case}.keras")
            results |= {f"model/{case}/{i:02d}": w for i, w in enumerate(train(from_model))}
        if (folder / f"{other} {case}.weights.h5").exists():
            from_weights = begin(api, case)
            train(from_weights)  # so that the optimizer has its state
            from_weights.load_weights(folder / f"{other} {case}.weights.h5")
            results |= {f"weights/{case}/{i:02d}": w for i, w in enumerate(train(from_weights))}
    return results
