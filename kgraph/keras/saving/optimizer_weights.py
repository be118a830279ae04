"""The state of an optimizer in files: which variables, in which order.

    Keras 2        iterations, scalars, then kind of slot after kind of slot: all momentums, all velocities, …
    Keras 3        iterations, learning rate, then weight after weight, scalars last; so does tf.keras from 2.11 on

Keras 2 also writes slots that do nothing: velocity_hat of Adam without amsgrad as single numbers, moments of SGD
without momentum. Before 2.3 most of its optimizers did not write the iterations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgraph.errors import FileError, describe
from kgraph.keras.optimizers import Optimizer
from kgraph.keras.saving.layer_weights import Source
from kgraph.keras.tensor import Variable


def saved_variables(optimizer: Any) -> list[Variable]:
    """What a file holds of an optimizer: nothing before the first step, then all in the order of Keras 3."""
    if isinstance(optimizer, Optimizer):
        return optimizer.variables if optimizer.built or optimizer._assigned_weights else []
    return list(getattr(optimizer, "weights", ()))


def match_state(
    optimizer: Any, names: Sequence[str], sources: Sequence[Source]
) -> list[tuple[Variable, Source]]:
    """What each variable of an optimizer, which has its slots already, is to be read from.

    Raises FileError when the arrays are not those of such an optimizer.
    """
    shapes = [source.shape for source in sources]
    for variables in _orders(optimizer, names):
        wanted = [variable.shape for variable in variables]
        if shapes == wanted or (shapes[: len(wanted)] == wanted and _idle(shapes[len(wanted) :], wanted)):
            return list(zip(variables, sources, strict=False))
        if variables and shapes == wanted[1:] and not wanted[0]:
            return list(zip(variables[1:], sources, strict=True))
    raise FileError(
        describe(
            f"the file holds the state of another optimizer than {type(optimizer).__name__}",
            expected=[variable.shape for variable in _orders(optimizer, names)[0]],
            got=shapes,
        )
    )


def _orders(optimizer: Any, names: Sequence[str]) -> list[list[Variable]]:
    """The orders that the variables may have, the more probable one first."""
    old = list(getattr(optimizer, "weights", ()))
    new = list(getattr(optimizer, "variables", old))
    by_weight = bool(names) and names[0].split("/")[-1].removesuffix(":0") == "iteration"
    return [new, old] if by_weight else [old, new]


def _idle(rest: Sequence[tuple[int, ...]], wanted: Sequence[tuple[int, ...]]) -> bool:
    """Whether what a file has beyond the variables are slots that do nothing."""
    has_no_slots = not any(wanted)
    return has_no_slots or all(shape == (1,) for shape in rest)
