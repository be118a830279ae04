"""The state of an optimizer in files: which variables, in which order.

    Keras 2        iterations, scalars, then kind of slot after kind of slot: all momentums, all velocities, …
    Keras 3        iterations, learning rate, then weight after weight, scalars last
    tf.keras 2.11  the same without learning rate and scalars

The first name tells them apart: "iteration" as in Keras 3, "iterations", "iter" or "param_0" in older files. Keras 2
also writes slots that do nothing: velocity_hat of Adam without amsgrad as single numbers, moments of SGD without
momentum. Before it most optimizers did not write the iterations, and Nadam not its scalar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.ir.types import Array
from kgraph.keras.optimizers import Adam, Optimizer
from kgraph.keras.saving.layer_weights import Made, Source, file_names
from kgraph.keras.tensor import Variable


def state_to_save(optimizer: Any) -> tuple[list[str], list[Array]]:
    """Names and values of what a file holds of an optimizer, as Keras 2 has them; nothing before the first step.

    Nadam's are in the order of Keras 3, which sets its learning rate to whatever scalar is in the second place.
    """
    if not isinstance(optimizer, Optimizer):
        weights = list(getattr(optimizer, "weights", ()))
        return file_names(weights), [weight.numpy() for weight in weights]
    if not (optimizer.built or optimizer._assigned_weights):
        return [], []
    weights = optimizer.weights
    if len(weights) > 1 and weights[1].shape == ():  # Keras 3 would take this for the learning rate
        weights = optimizer.variables
        return file_names(weights), [weight.numpy() for weight in weights]
    names = file_names(weights)
    if weights[0] is optimizer.iterations:
        names[0] = f"{optimizer.name}/iterations:0"
    values = [weight.numpy() for weight in weights]
    if isinstance(optimizer, Adam) and not optimizer.amsgrad:  # Keras 2 counts on slots that do nothing
        count = len(optimizer._params)
        names += [f"{optimizer.name}/vhat_{i}:0" for i in range(count)]
        values += [np.zeros(1, "float32")] * count
    return names, values


def match_state(
    optimizer: Any, names: Sequence[str], sources: Sequence[Source]
) -> list[tuple[Variable, Source]]:
    """What each variable of an optimizer, which has its slots already, is to be read from.

    Raises FileError when the arrays are not those of such an optimizer.
    """
    shapes = [source.shape for source in sources]
    orders = _orders(optimizer, [name.split("/")[-1].removesuffix(":0") for name in names])
    for variables in orders:
        wanted = [variable.shape for variable in variables]
        if shapes[: len(wanted)] == wanted and _idle(shapes[len(wanted) :], wanted):
            return _with_scalars(optimizer, list(zip(variables, sources, strict=False)))
    raise FileError(
        describe(
            f"the file holds the state of another optimizer than {type(optimizer).__name__}",
            expected=[variable.shape for variable in orders[0]],
            got=shapes,
        )
    )


def _with_scalars(optimizer: Any, plan: list[tuple[Variable, Source]]) -> list[tuple[Variable, Source]]:
    """A plan with the variables of an optimizer that the file leaves out, where they follow from the iterations."""
    planned = {id(variable): source for variable, source in plan}
    scalars, iterations = getattr(optimizer, "_scalars", ()), getattr(optimizer, "iterations", None)
    if all(id(scalar) in planned for scalar in scalars) or id(iterations) not in planned:
        return plan
    values = optimizer.scalars_after(int(planned[id(iterations)].read()))
    made = zip(scalars, values, strict=True)
    return plan + [(s, _constant(value)) for s, value in made if id(s) not in planned]


def _constant(value: Any) -> Made:
    return Made(value.shape, lambda: value)


def _orders(optimizer: Any, names: Sequence[str]) -> list[list[Variable]]:
    """What a file with these names may list, the more probable first."""
    if not isinstance(optimizer, Optimizer):
        return [list(getattr(optimizer, "weights", ()))]
    by_kind, by_weight = optimizer.weights, optimizer.variables
    if "learning_rate" not in names:
        by_weight = [variable for variable in by_weight if variable is not optimizer._learning_rate]
    scalars = {id(variable) for variable in optimizer._scalars}
    orders = [by_weight, by_kind] if "iteration" in names[:1] else [by_kind, by_weight]
    orders += [[variable for variable in order if id(variable) not in scalars] for order in orders]
    return [*orders, by_kind[1:]]


def _idle(rest: Sequence[tuple[int, ...]], wanted: Sequence[tuple[int, ...]]) -> bool:
    """Whether what a file has beyond the variables are slots that do nothing."""
    has_no_slots = not any(wanted)
    return has_no_slots or all(shape == (1,) for shape in rest)
