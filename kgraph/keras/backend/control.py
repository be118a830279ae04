"""The phase, choices, gradients and updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.ir import graph as ir
from kgraph.ir.graph import scope
from kgraph.keras.tensor import Tensor, as_value, promote
from kgraph.ops import control, logic
from kgraph.ops.broadcast import reshape
from kgraph.ops.pullback import pullback
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.shape import full


class LearningPhase(Tensor):
    """A bool scalar: True in training. It is resolved when a graph is compiled for one phase.

    Among the inputs of a `K.function` it stands for the choice between two compiled versions.
    """

    def __init__(self) -> None:
        training, inference = ir.Constant(np.asarray(True)), ir.Constant(np.asarray(False))
        super().__init__(control.InTrainPhase()(training, inference), "keras_learning_phase")


_PHASE = LearningPhase()
_chosen: int | None = None


def learning_phase() -> Any:
    """The phase: 0 or 1 when it was set, else a symbolic bool."""
    return _PHASE if _chosen is None else _chosen


def set_learning_phase(value: Any) -> None:
    """Fix the phase to 0 (inference) or 1 (training) for what is traced from now on; None makes it symbolic again."""
    global _chosen
    if value not in (0, 1, None):
        raise ArgumentError(describe("set_learning_phase", expected="0, 1 or None", got=repr(value)))
    _chosen = None if value is None else int(value)


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Tensor:
    """`x` in training, `alt` otherwise; both may be functions of no arguments that make a tensor.

    `training` decides when it is given: a bool, a number, or a tensor.
    """
    return gated_train_phase(x, alt, training, None)


def gated_train_phase(x: Any, alt: Any, training: Any, gate: control.Gate | None) -> Tensor:
    """`in_train_phase`, but `alt` in training too where the gate is closed: for layers that change when frozen."""
    phase = learning_phase() if training is None else training
    if not isinstance(phase, Tensor):
        return _made(x if phase else alt)
    if not isinstance(phase, LearningPhase):
        return switch(phase, x, alt)
    return Tensor(control.in_train_phase(*promote(_made(x), _made(alt)), gate))


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Tensor:
    """`alt` in training, `x` otherwise."""
    return in_train_phase(alt, x, training)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Tensor:
    """The one expression where the condition holds and the other elsewhere; they may be functions.

    A condition of lower rank decides over the leading axes. Raises ShapeError for one of higher rank.
    """
    if isinstance(condition, bool | int):
        return _made(then_expression if condition else else_expression)
    then, other = promote(_made(then_expression), _made(else_expression))
    test = logic.cast(as_value(condition), "bool")
    rank = max(then.rank, other.rank)
    if test.rank > rank:
        raise ShapeError(
            describe("switch: the rank of the condition", expected=f"{rank} or less", got=test.type)
        )
    if test.rank:
        test = reshape(test, (*test.shape, *(1,) * (rank - test.rank)))
    return Tensor(logic.Where()(test, then, other))


def _made(expression: Any) -> Tensor:
    made = expression() if callable(expression) and not isinstance(expression, Tensor) else expression
    return made if isinstance(made, Tensor) else Tensor(as_value(made))


def stop_gradient(variables: Any) -> Any:
    """The tensor, or each of a list, as something that gradients do not pass."""
    if isinstance(variables, list | tuple):
        return [stop_gradient(x) for x in variables]
    return Tensor(control.stop_gradient(as_value(variables)))


def gradients(loss: Any, variables: Any) -> list[Tensor | None]:
    """d sum(loss) / d x for each x of `variables`; None where the loss does not depend on it.

    Raises GraphError when an op on the way has no gradient.
    """
    wrt = [as_value(x) for x in (variables if isinstance(variables, list | tuple) else [variables])]
    total = as_value(loss)
    if total.rank:
        total = reduce_sum(total)
    found = pullback([total], [full((), 1.0, total.dtype)], wrt)
    return [None if gradient is None else Tensor(gradient) for gradient in found]


def print_tensor(x: Any, message: str = "") -> Tensor:
    """`x`; compiled graphs print nothing."""
    return Tensor(as_value(x))


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Ops made inside carry the name in their provenance."""
    with scope(name):
        yield


@contextmanager
def control_dependencies(control_inputs: Sequence[Any]) -> Iterator[None]:
    """Nothing: a graph has no order but that of its data, and updates all happen together at the end."""
    yield


def symbolic(func: Callable[..., Any]) -> Callable[..., Any]:
    """The function: all of K is symbolic."""
    return func


def eager(func: Callable[..., Any]) -> Callable[..., Any]:
    """The function: there is no eager mode."""
    return func


def manual_variable_initialization(value: bool) -> None:
    """Nothing: variables have their values from the start."""
