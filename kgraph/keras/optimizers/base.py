"""`Optimizer`: gradients, clipping, slots, the learning rate, and the updates of one step as a graph."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kgraph.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    GraphError,
    UnsupportedError,
    describe,
)
from kgraph.ir import graph as ir
from kgraph.ir.graph import scope
from kgraph.keras import backend as K
from kgraph.keras import initializers, settings
from kgraph.keras.optimizers import schedules
from kgraph.keras.tensor import Tensor, Variable, as_value, collect_updates
from kgraph.keras.utils.naming import to_snake_case
from kgraph.keras.utils.serialization import serialize_keras_object
from kgraph.ops.elementwise import sqrt

# What files of Keras 3 and tf.keras say beside; each must be off.
WAITING = ("use_ema", "loss_scale_factor", "gradient_accumulation_steps")
IGNORED = (
    "ema_momentum",
    "ema_overwrite_frequency",  # RMSprop of tf.keras says 100, with use_ema off
    "jit_compile",
    "is_legacy_optimizer",
    "amsgrad_dtype",
)


class Optimizer:
    """Base of all optimizers.

    learning_rate    a number, a `LearningRateSchedule`, or a function of no arguments that gives a tensor
    decay            the learning rate of step t = 0, 1, … is learning_rate / (1 + decay t)
    clipnorm         the gradient of each weight is scaled to have at most this norm
    clipvalue        each element of a gradient is put within [-clipvalue, clipvalue]
    global_clipnorm  all gradients together are scaled to have at most this norm
    weight_decay     each step first takes weight_decay * learning_rate * w from every weight w

    Attributes: `iterations`, the number of steps done; `learning_rate` (`lr`), a variable; `weights`, the state in the
    order of Keras 2 (iterations, then each kind of slot for all weights); `variables`, in the order of Keras 3.

    A subclass says either, as in Keras 3, in `build` which slots it keeps and in `update_step` what happens to one
    weight; or, as in Keras 2, in `get_updates` what happens to all.
    Raises ArgumentTypeError for unknown keywords, ArgumentError for a negative clip.
    """

    def __init__(
        self,
        learning_rate: Any = None,
        name: str | None = None,
        decay: float = 0.0,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        weight_decay: float | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_keywords(kwargs)
        clips = {
            "clipnorm": clipnorm,
            "clipvalue": clipvalue,
            "global_clipnorm": global_clipnorm,
            "decay": decay,
        }
        for key, value in clips.items():
            if value is not None and value < 0:
                raise ArgumentError(
                    describe(f"{type(self).__name__}: {key}", expected="0 or more", got=value)
                )
        self._given_name = name
        self.name = name or to_snake_case(type(self).__name__)
        self.decay = decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.weight_decay = weight_decay
        self.built = False
        self.updates: list[Any] = []
        self._slots: dict[str, dict[ir.Variable, Variable]] = {}
        self._groups: dict[tuple[str, ...], None] = {}
        self._params: list[Variable] = []
        self._scalars: list[Variable] = []
        self._assigned_weights: list[Variable] | None = None
        self._no_decay: tuple[frozenset[ir.Variable], re.Pattern[str] | None] = (frozenset(), None)
        self.iterations = self._variable(np.zeros((), "int64"), "iteration")
        self._learning_rate: Any = None
        if learning_rate is not None:
            self.learning_rate = learning_rate

    def _check_keywords(self, kwargs: Mapping[str, Any]) -> None:
        for key, value in kwargs.items():
            if key in WAITING and value:
                raise UnsupportedError(
                    describe(
                        f"{type(self).__name__}: {key} is not available",
                        expected="it switched off",
                        got=value,
                    )
                )
            if key not in WAITING and key not in IGNORED:
                raise ArgumentTypeError(
                    describe(
                        f"{type(self).__name__}: unknown keyword argument",
                        expected=", ".join(inspect.signature(Optimizer).parameters),
                        got=key,
                    )
                )

    # -- the learning rate

    @property
    def learning_rate(self) -> Any:
        """The variable, or what the schedule says for the present step."""
        rate = self._learning_rate
        if isinstance(rate, schedules.LearningRateSchedule):
            return rate(self.iterations)
        return rate() if callable(rate) and not isinstance(rate, Tensor) else rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate = self._learning_rate
        if isinstance(value, Tensor) or callable(value):
            self._learning_rate = value
        elif isinstance(rate, Variable):
            K.set_value(rate, value)
        elif rate is not None:
            raise ArgumentTypeError(
                describe(
                    f"{self.name}: the learning rate follows a schedule",
                    expected="another schedule",
                    got=value,
                )
            )
        else:
            self._learning_rate = self._variable(np.asarray(value, settings.floatx()), "learning_rate")

    @property
    def lr(self) -> Any:
        """The learning rate."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def _present_rate(self) -> Tensor:
        """The learning rate of this step, decayed: a scalar."""
        rate = self.learning_rate
        rate = rate if isinstance(rate, Tensor) else K.constant(rate)
        if self.decay:
            rate = rate / (1.0 + self.decay * K.cast(self.iterations, rate.dtype))
        return rate

    # -- state

    def _variable(self, value: Any, name: str) -> Variable:
        return Variable(value, name=f"{self.name}/{name}", trainable=False, role="optimizer")

    def add_variable(
        self, shape: Any = (), initializer: Any = "zeros", dtype: str | None = None, name: str = "state"
    ) -> Variable:
        """A variable of the optimizer that belongs to no weight."""
        value = initializers.get(initializer)(shape, dtype=dtype or settings.floatx())
        made = self._variable(value, name)
        self._scalars.append(made)
        return made

    def add_optimizer_variables(
        self, variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """A slot, or several with a list of names, for each weight; the ones from before where there are such.

        Returns a list in the order of `variables`, or one for each name.
        """
        names = [name] if isinstance(name, str) else list(name)
        self._groups.setdefault(tuple(names))
        starts = list(initializer) if isinstance(initializer, list | tuple) else [initializer] * len(names)
        for variable in variables:
            for key, start in zip(names, starts, strict=True):
                if variable.variable not in self._slots.setdefault(key, {}):
                    array = initializers.get(start)(variable.shape, dtype=variable.dtype)
                    self._slots[key][variable.variable] = self._variable(array, f"{variable.name}/{key}")
        made = [[self._slots[key][variable.variable] for variable in variables] for key in names]
        return made[0] if isinstance(name, str) else made

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the slots for these weights. Subclasses extend it."""
        self._params = list(variables)
        self.built = True

    def _build_for(self, variables: Sequence[Variable]) -> None:
        """`build`, also when it was called before with other weights: some may have been frozen or freed since."""
        if [p.variable for p in self._params] != [v.variable for v in variables]:
            self.built = False
        if not self.built:
            self.build(variables)

    def _get_variable_index(self, variable: Variable) -> int:
        return next(i for i, known in enumerate(self._params) if known.variable is variable.variable)

    def slot(self, name: str, variable: Variable) -> Variable:
        """The slot of a weight."""
        return self._slots[name][variable.variable]

    @property
    def weights(self) -> list[Variable]:
        """The state that files of Keras 2 hold, in their order."""
        if self._assigned_weights is not None:
            return self._assigned_weights
        names = [(name,) for group in self._groups for name in group]
        return [self.iterations, *self._scalars, *self._slots_of(names)]

    @weights.setter
    def weights(self, weights: Sequence[Variable]) -> None:
        before, self._assigned_weights = self._assigned_weights or [], list(weights)
        # A `get_updates` that is traced again, for other data, makes its state anew: it goes on where it was.
        if [old.shape for old in before] == [new.shape for new in self._assigned_weights]:
            for old, new in zip(before, self._assigned_weights, strict=True):
                if new is not old:
                    new.variable.storage.write(old.numpy())

    @property
    def variables(self) -> list[Variable]:
        """The state that files of Keras 3 hold, in their order."""
        rate = [self._learning_rate] if isinstance(self._learning_rate, Variable) else []
        if self._assigned_weights is not None:
            return [*rate, *self._assigned_weights]
        return [self.iterations, *rate, *self._slots_of(self._groups), *self._scalars]

    def _slots_of(self, groups: Iterable[tuple[str, ...]]) -> list[Variable]:
        """Group after group, the slots of one weight after those of another."""
        return [self.slot(name, param) for group in groups for param in self._params for name in group]

    def scalars_after(self, steps: int) -> list[np.ndarray[Any, Any]]:
        """What the variables that belong to no weight hold after so many steps: for files that leave them out.

        That they keep their values is all that is known here; a subclass may know better.
        """
        return [scalar.numpy() for scalar in self._scalars]

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """The values of `weights`."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the values of `weights`; a list without the iterations, as before Keras 2.3, sets these to 0.

        Raises DataError when the number or a shape differs; nothing is changed then.
        """
        mine, given = self.weights, list(weights)
        if len(given) == len(mine) - 1:
            given.insert(0, 0)
        shapes, wanted = [np.shape(array) for array in given], [weight.shape for weight in mine]
        if shapes != wanted:
            raise DataError(
                describe(f"{self.name}: the state does not fit", expected=f"arrays {wanted}", got=shapes)
            )
        K.batch_set_value(list(zip(mine, given, strict=True)))

    # -- one step

    def get_gradients(self, loss: Any, params: Sequence[Variable]) -> list[Tensor]:
        """The clipped gradients of a loss; zeros, and a warning, where it does not depend on a parameter.

        Raises GraphError when it depends on none.
        """
        found = self._clipped_gradients(loss, params)
        return [K.zeros_like(p) if g is None else g for p, g in zip(params, found, strict=True)]

    def _clipped_gradients(self, loss: Any, params: Sequence[Variable]) -> list[Tensor | None]:
        found = self._gradients(loss, params)
        with scope(self.name):
            return self._clip(found)

    def _gradients(self, loss: Any, params: Sequence[Variable]) -> list[Tensor | None]:
        """The gradients of a loss; None, and a warning, where it does not depend on a parameter."""
        found = K.gradients(loss, list(params))
        missing = [p.name for p, g in zip(params, found, strict=True) if g is None]
        if params and len(missing) == len(params):
            raise GraphError(
                describe(
                    "the loss depends on no weight", expected="a gradient", got=", ".join(map(str, missing))
                )
            )
        if missing:
            warnings.warn(
                f"the loss does not depend on {', '.join(map(str, missing))}: not trained", stacklevel=3
            )
        return found

    def _clip(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        if self.global_clipnorm:
            norm = K.sqrt(sum(K.sum(K.square(g)) for g in gradients if g is not None))
            scale = self.global_clipnorm / K.maximum(norm, self.global_clipnorm)
            gradients = [g if g is None else g * scale for g in gradients]
        return [g if g is None else self._clip_one(g) for g in gradients]

    def _clip_one(self, gradient: Tensor) -> Tensor:
        if self.clipnorm:
            norm = K.sqrt(K.sum(K.square(gradient)))
            gradient = gradient * (self.clipnorm / K.maximum(norm, self.clipnorm))
        return K.clip(gradient, -self.clipvalue, self.clipvalue) if self.clipvalue else gradient

    def get_updates(self, loss: Any, params: Sequence[Variable]) -> list[Any]:
        """(variable, new value) for every variable that one step changes."""
        with collect_updates() as assigned:
            self.apply(self._clipped_gradients(loss, params), params)
        known = {v.variable: v for v in [*params, *self.variables]}
        self.updates = [(known.get(v, v), Tensor(value)) for v, value in assigned.items()]
        return self.updates

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable]) -> None:
        """Assign what one step does with these gradients (None: leave the variable alone)."""
        with scope(self.name):
            self._build_for(trainable_variables)
            rate = self._present_rate()
            step_rate = self.begin_step(rate)
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                if gradient is None:
                    continue
                if self.weight_decay and self._decays(variable):
                    variable.assign(variable * (1.0 - self.weight_decay * K.cast(rate, variable.dtype)))
                gradient = K.cast(gradient, variable.dtype)
                self.update_step(gradient, variable, K.cast(step_rate, variable.dtype))
                if variable.constraint is not None:
                    variable.assign(variable.constraint(variable))
            self.iterations.assign_add(1)

    def apply_gradients(self, grads_and_vars: Sequence[tuple[Any, Variable]]) -> None:
        """`apply` for (gradient, variable) pairs."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])

    def begin_step(self, learning_rate: Tensor) -> Tensor:
        """What all weights share in a step, computed once. Returns the rate that `update_step` is given."""
        return learning_rate

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        """Assign the new values of a weight and its slots. Raises UnsupportedError until a subclass writes it."""
        raise UnsupportedError(
            describe(f"{type(self).__name__} has no step", expected="an update_step or a get_updates method")
        )

    def assign(self, variable: Variable, value: Any) -> None:
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        variable.assign_sub(value)

    def exclude_from_weight_decay(
        self, var_list: Sequence[Variable] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Keep weights out of `weight_decay`: those listed, and those whose name contains one of `var_names`."""
        listed = frozenset(v.variable for v in var_list or ())
        self._no_decay = (listed, re.compile("|".join(var_names)) if var_names else None)

    def _decays(self, variable: Variable) -> bool:
        listed, pattern = self._no_decay
        return variable.variable not in listed and not (pattern and pattern.search(str(variable.name)))

    # -- configuration

    def get_config(self) -> dict[str, Any]:
        """The learning rate as it is now, and everything that is not as it would be without saying so.

        Keras 2 refuses keywords that it does not know, so what is off is left out.
        """
        optional = {
            "name": self._given_name,
            "decay": self.decay,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
            "weight_decay": self.weight_decay,
        }
        config = {key: value for key, value in optional.items() if value}
        if self._learning_rate is not None:
            config["learning_rate"] = _rate_config(self._learning_rate)
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        config = dict(config)
        if isinstance(config.get("learning_rate"), Mapping):
            config["learning_rate"] = schedules.deserialize(config["learning_rate"], custom_objects)
        if "lr" in config and "lr" not in inspect.signature(cls).parameters:
            config["learning_rate"] = config.pop("lr")
        return cls(**config)


def root(x: Tensor) -> Tensor:
    """The square root of what cannot be negative, without the look that `K.sqrt` takes first."""
    return Tensor(sqrt(x.value))


def _rate_config(rate: Any) -> Any:
    if isinstance(rate, Tensor):
        return float(K.get_value(rate))
    return (
        schedules.serialize(rate)
        if isinstance(rate, schedules.LearningRateSchedule)
        else serialize_keras_object(rate)
    )


def traced_updates(optimizer: Any, loss: Any, params: Sequence[Variable]) -> dict[ir.Variable, ir.Value]:
    """The updates of any optimizer with Keras 2's `get_updates(loss, params)`, by variable.

    Variables that the optimizer made for itself get the role "optimizer".
    """
    found: dict[ir.Variable, ir.Value] = {}
    trained = {p.variable for p in params}
    for target, value in optimizer.get_updates(loss, params):
        variable = target.variable if isinstance(target, Variable) else target
        if variable not in trained:
            variable.role = "optimizer"
        found[variable] = as_value(value, variable.dtype)
    return found
