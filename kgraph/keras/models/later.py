"""What Keras has and kgraph does not have yet: each says so, and what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from kgraph.errors import UnsupportedError, describe

BATCHES = "fit, evaluate and predict on arrays, or the methods that end in _on_batch"

INSTEAD = {
    "fit_generator": BATCHES,
    "evaluate_generator": BATCHES,
    "predict_generator": BATCHES,
}
"""By name, what does the job today."""


def waits(name: str) -> Callable[..., NoReturn]:
    """A function or method that raises UnsupportedError."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(describe(f"{name} is not there yet", expected=INSTEAD[name]))

    refuse.__name__ = name
    refuse.__doc__ = f"Not there yet: raises UnsupportedError. What to use instead: {INSTEAD[name]}."
    return refuse


class Later:
    """The methods of models that wait."""

    fit_generator = waits("fit_generator")
    evaluate_generator = waits("evaluate_generator")
    predict_generator = waits("predict_generator")
