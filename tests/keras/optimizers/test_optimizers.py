"""The optimizers against real Keras: the same gradients, the same weights after twenty steps."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph import compiler
from kgraph.ir.graph import Function, Input
from kgraph.ir.types import TensorType
from kgraph.keras import optimizers
from kgraph.keras.optimizers import schedules
from kgraph.keras.tensor import Tensor, Variable, as_value
from kgraph.ops.reduce import reduce_sum
from tests.oracle import keras as real_keras
from tests.oracle import needs_keras

STEPS = 20
CASES = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_centered": ("RMSprop", {"centered": True, "momentum": 0.5, "rho": 0.8}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adam": ("Adam", {}),
    "amsgrad": ("Adam", {"amsgrad": True, "learning_rate": 0.05}),
    "adamw": ("AdamW", {"learning_rate": 0.05}),
    "adamax": ("Adamax", {}),
    "nadam": ("Nadam", {}),
    "clipnorm": ("SGD", {"clipnorm": 0.5}),
    "global_clipnorm": ("SGD", {"global_clipnorm": 0.5}),
    "clipvalue": ("Adam", {"clipvalue": 0.3}),
}


def gradients_of_step(step: int) -> list[np.ndarray]:
    random = np.random.RandomState(step)
    return [random.randn(3, 4).astype("float32"), random.randn(4).astype("float32") * 3]


def start() -> list[np.ndarray]:
    random = np.random.RandomState(99)
    return [random.randn(3, 4).astype("float32"), random.randn(4).astype("float32")]


def run_ours(optimizer: optimizers.Optimizer, steps: int = STEPS) -> list[np.ndarray]:
    """Minimise sum(w * g), whose gradient is g."""
    weights = [Variable(w, name=f"w{i}") for i, w in enumerate(start())]
    fed = [Input(f"g{i}", TensorType("float32", w.shape)) for i, w in enumerate(start())]
    loss = sum(
        (Tensor(reduce_sum((w * Tensor(g)).value)) for w, g in zip(weights, fed, strict=True)), start=0.0
    )
    updates = {v.variable: as_value(value) for v, value in optimizer.get_updates(loss, weights)}
    executable = compiler.compile_program([Function("step", tuple(fed), {"loss": loss.value}, updates)])
    for step in range(steps):
        executable.run("step", gradients_of_step(step))
    return [w.numpy() for w in weights]


def run_keras(name: str, arguments: dict) -> list[np.ndarray]:
    keras = real_keras()
    theirs = getattr(keras.optimizers, name)(**arguments)
    weights = [keras.Variable(w) for w in start()]
    for step in range(STEPS):
        theirs.apply([keras.ops.convert_to_tensor(g) for g in gradients_of_step(step)], weights)
    return [np.asarray(w) for w in weights]


@needs_keras
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_real_keras_after_twenty_steps(case: str) -> None:
    name, arguments = CASES[case]
    ours = run_ours(getattr(optimizers, name)(**arguments))
    for mine, theirs in zip(ours, run_keras(name, arguments), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    "name", ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam", "adamw"]
)
def test_configuration_makes_the_same_optimizer(name: str) -> None:
    first = optimizers.get(name)
    second = optimizers.deserialize(optimizers.serialize(first))
    assert type(second) is type(first)
    assert second.get_config() == first.get_config()


def test_decay_divides_the_rate() -> None:
    plain, decayed = run_ours(optimizers.SGD(0.1), 2), run_ours(optimizers.SGD(0.1, decay=0.5), 2)
    w, g0, g1 = start()[0], gradients_of_step(0)[0], gradients_of_step(1)[0]
    np.testing.assert_allclose(plain[0], w - 0.1 * g0 - 0.1 * g1, rtol=1e-5)
    np.testing.assert_allclose(decayed[0], w - 0.1 * g0 - 0.1 / 1.5 * g1, rtol=1e-5)


@needs_keras
@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.7}),
        (
            "ExponentialDecay",
            {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.7, "staircase": True},
        ),
        ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.7}),
        ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "power": 2.0}),
        ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 6, "cycle": True}),
        ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 12, "alpha": 0.1}),
        ("PiecewiseConstantDecay", {"boundaries": [4, 9], "values": [0.1, 0.05, 0.01]}),
    ],
)
def test_schedule_agrees_with_real_keras(schedule: str, arguments: dict) -> None:
    keras = real_keras()
    ours = getattr(schedules, schedule)(**arguments)
    theirs = getattr(keras.optimizers.schedules, schedule)(**arguments)
    for step in range(15):
        value = ours(Tensor(as_value(float(step)))).numpy()
        np.testing.assert_allclose(value, np.asarray(theirs(step)), rtol=1e-5)
    again = schedules.LearningRateSchedule.deserialize(ours.serialize())
    assert again.get_config() == ours.get_config()


def test_older_spelling_warns_and_works() -> None:
    with pytest.warns(DeprecationWarning, match="learning_rate"):
        optimizer = optimizers.SGD(lr=0.5)
    assert float(optimizer.lr.numpy()) == 0.5
    optimizer.lr = 0.25
    assert float(optimizer.learning_rate.numpy()) == 0.25


@pytest.mark.parametrize("bad", ["nothing", 3, {"class_name": "Nothing", "config": {}}])
def test_unknown_optimizers_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="optimizer"):
        optimizers.get(bad)


def test_unknown_and_negative_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="speed"):
        optimizers.SGD(speed=1)
    with pytest.raises(ValueError, match="clipnorm"):
        optimizers.SGD(clipnorm=-1.0)
