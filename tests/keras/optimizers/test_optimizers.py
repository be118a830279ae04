"""The optimizers against real Keras: the same gradients, the same weights after twenty steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph import compiler
from kgraph.ir.graph import Function, Input
from kgraph.ir.types import TensorType
from kgraph.keras import backend as K
from kgraph.keras import constraints, optimizers
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
        (
            "CosineDecay",
            {"initial_learning_rate": 0.0, "decay_steps": 6, "warmup_target": 0.2, "warmup_steps": 4},
        ),
        ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 3}),
        (
            "CosineDecayRestarts",
            {"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.5},
        ),
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
    data = schedules.serialize(ours)
    assert schedules.deserialize(data).get_config() == ours.get_config()
    assert keras.optimizers.schedules.deserialize(data).get_config() == ours.get_config()


def apply_steps(optimizer: Any, steps: int = 3, weights: list[Variable] | None = None) -> list[np.ndarray]:
    """`run_ours` for K.function, which takes any updates."""
    weights = weights or [Variable(w, name=f"w{i}") for i, w in enumerate(start())]
    fed = [K.placeholder(w.shape) for w in weights]
    loss = sum(K.sum(w * g) for w, g in zip(weights, fed, strict=True))
    step = K.function(fed, [loss], optimizer.get_updates(loss, weights))
    for number in range(steps):
        step(gradients_of_step(number)[: len(weights)])
    return [w.numpy() for w in weights]


def test_schedules_follow_the_steps() -> None:
    rate = schedules.PiecewiseConstantDecay([0], [0.5, 0.25])
    (w, _) = apply_steps(optimizers.SGD(rate), 2)
    g0, g1 = gradients_of_step(0)[0], gradients_of_step(1)[0]
    np.testing.assert_allclose(w, start()[0] - 0.5 * g0 - 0.25 * g1, rtol=1e-5)
    optimizer = optimizers.SGD(rate)
    assert K.get_value(optimizer.lr) == 0.5
    with pytest.raises(TypeError, match="schedule"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = schedules.ExponentialDecay(0.3, 1, 0.5)
    assert K.get_value(optimizer.lr) == np.float32(0.3)
    made = optimizers.deserialize(optimizers.serialize(optimizer))
    assert made.get_config() == optimizer.get_config()
    assert K.get_value(optimizers.SGD(lambda: K.constant(0.7)).lr) == np.float32(0.7)


class KerasTwoStyle(optimizers.Optimizer):
    """Momentum as people wrote it for Keras 2: everything in get_updates."""

    def __init__(self, lr: float = 0.01, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")
            self.momentum = K.variable(momentum, name="momentum")

    def get_updates(self, loss: Any, params: Any) -> Any:
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        moments = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
        self.weights = [self.iterations, *moments]
        for p, g, m in zip(params, grads, moments, strict=True):
            v = self.momentum * m - self.lr * g
            self.updates.append(K.update(m, v))
            new_p = p + v
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            self.updates.append(K.update(p, new_p))
        return self.updates

    def get_config(self) -> dict[str, Any]:
        config = {"lr": float(K.get_value(self.lr)), "momentum": float(K.get_value(self.momentum))}
        return {**super().get_config(), **config}


class KerasThreeStyle(optimizers.Optimizer):
    """Momentum as people write it for Keras 3: slots in build, one weight in update_step."""

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum

    def build(self, variables: Any) -> None:
        if self.built:
            return
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        m = self.momentums[self._get_variable_index(variable)]
        self.assign(m, self.momentum * m - learning_rate * gradient)
        self.assign_add(variable, m)


@pytest.mark.parametrize("cls", [KerasTwoStyle, KerasThreeStyle])
def test_optimizers_of_users_in_both_styles(cls: Any) -> None:
    optimizer = cls(0.1, momentum=0.9)
    for mine, wanted in zip(apply_steps(optimizer), apply_steps(optimizers.SGD(0.1, 0.9)), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-6)
    assert [w.shape for w in optimizer.weights] == [(), (3, 4), (4,)]
    assert optimizer.get_weights()[0] == 3
    assert optimizers.get(optimizer) is optimizer
    assert cls.from_config(optimizer.get_config()).momentum is not None


def test_updates_by_variable_mark_what_belongs_to_the_optimizer() -> None:
    optimizer, w = KerasTwoStyle(0.1), Variable(start()[0], name="w")
    updates = optimizers.traced_updates(optimizer, K.sum(w * w), [w])
    roles = {variable.role for variable in updates if variable is not w.variable}
    assert (w.variable.role, roles) == ("weight", {"optimizer"})


ORDERS = {
    "Adam": ({"amsgrad": True}, "m0 m1 v0 v1 x0 x1", "m0 v0 m1 v1 x0 x1"),
    "SGD": ({"momentum": 0.5}, "m0 m1", "m0 m1"),
    "RMSprop": ({"momentum": 0.5, "centered": True}, "v0 v1 m0 m1 a0 a1", "v0 v1 m0 m1 a0 a1"),
    "Nadam": ({}, "u m0 m1 v0 v1", "m0 v0 m1 v1 u"),
}
SLOTS = {"momentum": "m", "velocity": "v", "velocity_hat": "x", "average_gradient": "a", "u_product": "u"}


@pytest.mark.parametrize("name", ORDERS)
def test_the_state_has_the_orders_of_keras_2_and_3(name: str) -> None:
    arguments, second, third = ORDERS[name]
    optimizer = getattr(optimizers, name)(**arguments)
    optimizer.build([Variable(w, name=f"w{i}") for i, w in enumerate(start())])

    def short(variable: Variable) -> str:
        *_, owner, slot = variable.name.split("/")
        return SLOTS.get(slot, slot) + (owner[1:] if owner.startswith("w") else "")

    assert [short(v) for v in optimizer.weights] == ["iteration", *second.split()]
    assert [short(v) for v in optimizer.variables] == ["iteration", "learning_rate", *third.split()]
    values = [np.full(w.shape, i) for i, w in enumerate(optimizer.weights)]
    optimizer.set_weights(values)
    for mine, value in zip(optimizer.get_weights(), values, strict=True):
        np.testing.assert_array_equal(mine, value)
    optimizer.set_weights(values[1:])  # before Keras 2.3 the iterations were left out
    assert optimizer.get_weights()[0] == 0
    with pytest.raises(ValueError, match="does not fit"):
        optimizer.set_weights(values[::-1])


def test_state_continues_where_it_stood() -> None:
    weights = [Variable(w, name=f"w{i}") for i, w in enumerate(start())]
    first = optimizers.Adam(0.05)
    apply_steps(first, 2, weights)
    halfway = [w.numpy() for w in weights]
    second = optimizers.Adam.from_config(first.get_config())
    again = [Variable(w, name=f"again{i}") for i, w in enumerate(halfway)]
    second.build(again)
    second.set_weights(first.get_weights())
    for one, other in zip(apply_steps(first, 2, weights), apply_steps(second, 2, again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_slots_stay_with_their_weights_when_others_are_frozen() -> None:
    a, b = (Variable(w, name=f"w{i}") for i, w in enumerate(start()))
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    apply_steps(optimizer, 2, [a, b])
    kept = optimizer.slot("momentum", a)
    apply_steps(optimizer, 1, [a])
    assert optimizer.slot("momentum", a) is kept
    assert [w.shape for w in optimizer.weights] == [(), (3, 4)]


def test_constraints_hold_after_each_step() -> None:
    w = Variable(start()[0], name="w", constraint=constraints.NonNeg())
    apply_steps(optimizers.SGD(0.5), 3, [w])
    assert (w.numpy() >= 0).all()


@pytest.mark.parametrize("by", ["name", "list"])
def test_weights_can_be_kept_from_decaying(by: str) -> None:
    weights = [Variable(w, name=n) for w, n in zip(start(), ("kernel", "bias"), strict=True)]
    optimizer = optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(
        **({"var_names": ["bias"]} if by == "name" else {"var_list": [weights[1]]})
    )
    kernel, bias = apply_steps(optimizer, 2, weights)
    plain_kernel, plain_bias = apply_steps(optimizers.Adam(0.1), 2)
    np.testing.assert_array_equal(bias, plain_bias)
    assert np.abs(kernel - plain_kernel).max() > 0.01


def test_what_the_loss_does_not_depend_on_stays_and_is_named() -> None:
    used, idle = (Variable(w, name=n) for w, n in zip(start(), ("used", "idle"), strict=True))
    loss = K.sum(used)
    with pytest.warns(UserWarning, match="does not depend on idle"):
        updates = optimizers.Adam().get_updates(loss, [used, idle])
    assert idle not in [variable for variable, _ in updates]
    with pytest.warns(UserWarning, match="idle"):
        _, gradient = optimizers.Adam().get_gradients(loss, [used, idle])
    assert not K.eval(gradient).any()
    with pytest.raises(ValueError, match="depends on no weight"):
        optimizers.Adam().get_updates(loss, [idle])


def test_both_clips_act_one_after_the_other() -> None:
    (w, _) = apply_steps(optimizers.SGD(1.0, clipnorm=2.0, clipvalue=0.5), 1)
    g = gradients_of_step(0)[0]
    clipped = np.clip(g * 2 / max(2, np.linalg.norm(g)), -0.5, 0.5)
    np.testing.assert_allclose(w, start()[0] - clipped, rtol=1e-5)


@needs_keras
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras's own variables
@pytest.mark.parametrize("case", CASES)
def test_configurations_are_read_by_real_keras_and_read_from_it(case: str) -> None:
    name, arguments = CASES[case]
    mine = getattr(optimizers, name)(**arguments)
    theirs = real_keras().optimizers.deserialize(optimizers.serialize(mine))
    known = theirs.get_config()
    for key, value in mine.get_config().items():
        assert known[key] == pytest.approx(value), key
    back = optimizers.deserialize(real_keras().optimizers.serialize(theirs))
    assert {k: v for k, v in back.get_config().items() if k != "name"} == mine.get_config()


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


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optimizers.SGD(speed=1), TypeError, "speed"),
        (lambda: optimizers.SGD(clipnorm=-1.0), ValueError, "clipnorm"),
        (lambda: optimizers.SGD(momentum=2.0), ValueError, "momentum"),
        (lambda: optimizers.RMSprop(rho=1.0), ValueError, "rho"),
        (lambda: optimizers.Adam(beta_2=1.0), ValueError, "beta_2"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1), ValueError, "initial_accumulator_value"),
        (lambda: optimizers.AdamW(weight_decay=None), ValueError, "weight_decay"),
        (lambda: optimizers.SGD(use_ema=True), NotImplementedError, "use_ema"),
        (lambda: optimizers.Optimizer().update_step(None, None, None), NotImplementedError, "no step"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), ValueError, "decay_steps"),
        (lambda: schedules.CosineDecayRestarts(0.1, 0), ValueError, "first_decay_steps"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), ValueError, "values"),
        (lambda: schedules.LearningRateSchedule()(0), NotImplementedError, "__call__"),
        (lambda: schedules.LearningRateSchedule().get_config(), NotImplementedError, "get_config"),
        (
            lambda: schedules.deserialize({"class_name": "X", "config": {}}),
            ValueError,
            "unknown learning rate",
        ),
    ],
)
def test_misuse_says_what_is_wrong(call: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["ADAM", "Rmsprop", "sgd", "AdamW"])
def test_capitals_make_no_difference(name: str) -> None:
    assert type(optimizers.get(name)).__name__.lower() == name.lower()
    assert isinstance(optimizers.get(optimizers.Adam), optimizers.Adam)


def test_what_keras_2_wrote_is_understood() -> None:
    nadam = optimizers.deserialize(
        {"class_name": "Nadam", "config": {"lr": 0.002, "epsilon": None, "schedule_decay": 0.004}}
    )
    assert nadam.get_config()["schedule_decay"] == 0.004
    assert nadam.epsilon == K.epsilon()
    assert np.isfinite(apply_steps(nadam)[0]).all()
