"""Reading the arguments of the training methods: what they may be, and old spellings."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, DataError, describe
from kgraph.ir.types import Array


def whole_number(value: Any, name: str, least: int) -> int:
    """`value` as an int. Raises ArgumentError for anything but an integer of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ArgumentError(describe(f"bad {name}", expected=f"an integer, {least} or more", got=repr(value)))
    return int(value)


def verbosity(verbose: Any) -> int:
    """0 silent, 1 ("auto", True) a progress bar, 2 a line per epoch. Raises ArgumentError for anything else."""
    chosen = 1 if isinstance(verbose, str) and verbose == "auto" else verbose
    if not isinstance(chosen, int | np.integer | np.bool_) or chosen not in (0, 1, 2):
        raise ArgumentError(describe("bad verbose", expected="0, 1, 2 or 'auto'", got=repr(verbose)))
    return int(chosen)


def check_shuffle(shuffle: Any) -> None:
    """Raise ArgumentError unless `shuffle` is a bool or "batch"."""
    if not isinstance(shuffle, bool | np.bool_ | int) and not (
        isinstance(shuffle, str) and shuffle == "batch"
    ):
        raise ArgumentError(describe("bad shuffle", expected="True, False or 'batch'", got=repr(shuffle)))


def shuffled(
    size: int, batch_size: int, shuffle: Any, generator: Callable[[], np.random.RandomState]
) -> Array | None:
    """The order of the samples for one epoch; None for the order they are in. Asks for a generator when it needs one.

    With "batch", whole batches change places and what is left stays at the end.
    """
    if isinstance(shuffle, str):
        whole = generator().permutation(size // batch_size)
        order = (whole[:, None] * batch_size + np.arange(batch_size)).reshape(-1)
        return np.concatenate([order, np.arange(len(order), size)])
    return generator().permutation(size) if shuffle else None


def check_frequency(frequency: Any) -> None:
    """Raise ArgumentError unless `validation_freq` is a positive integer or a container of epochs."""
    is_container = hasattr(frequency, "__contains__") and not isinstance(frequency, str)
    if not is_container:
        whole_number(frequency, "validation_freq (or a container of epochs)", 1)


def is_due(frequency: Any, epoch: int) -> bool:
    """Whether validation runs after this epoch (counted from 0)."""
    if isinstance(frequency, int | np.integer):
        return (epoch + 1) % frequency == 0
    return (epoch + 1) in frequency


def unpack_validation(data: Any) -> tuple[Any, Any, Any]:
    """x, y and sample weights out of `validation_data`. Raises DataError unless it is a tuple of two or three."""
    if not isinstance(data, list | tuple) or len(data) not in (2, 3):
        size = f" of {len(data)}" if isinstance(data, list | tuple) else ""
        raise DataError(
            describe(
                "bad validation_data",
                expected="(x, y) or (x, y, sample_weight)",
                got=f"{type(data).__name__}{size}",
            )
        )
    x, y, *rest = data
    return x, y, rest[0] if rest else None


def step_count(value: Any, name: str) -> int | None:
    """A number of steps, or None. Raises ArgumentError for anything but a positive integer or None."""
    return None if value is None else whole_number(value, name, 1)


def refuse_beside_batches(data: Any, **arguments: Any) -> None:
    """Raise ArgumentError for an argument that says what batches say themselves."""
    for name, value in arguments.items():
        if value is not None:
            raise ArgumentError(
                describe(
                    f"{name} does not go with data that come batch by batch",
                    expected="batches of x, (x, y) or (x, y, sample_weight), and nothing beside them",
                    got=f"a {type(data).__name__} and {name}",
                )
            )


def old_keyword(kwargs: dict[str, Any], old: str, new: str, value: Any) -> Any:
    """The value of a keyword that has another name now."""
    if old not in kwargs:
        return value
    warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=3)
    return kwargs.pop(old)


def as_result(numbers: Array) -> Any:
    """Reported numbers as Keras returns them: one number, or a list."""
    values = numbers.tolist()
    return values[0] if len(values) == 1 else values
