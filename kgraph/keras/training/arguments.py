"""Reading the arguments of the training methods."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, DataError, UnsupportedError, describe
from kgraph.ir.types import Array
from kgraph.keras.training.data import as_array, in_order


def shuffled(size: int, batch_size: int, shuffle: Any) -> Array | None:
    """The order of the samples for one epoch; None for the order they are in.

    Raises ArgumentError unless `shuffle` is a bool or "batch" (whole batches change places).
    """
    if shuffle == "batch":
        whole = np.arange(size // batch_size)
        np.random.shuffle(whole)
        order = (whole[:, None] * batch_size + np.arange(batch_size)).reshape(-1)
        return np.concatenate([order, np.arange(len(order), size)])
    if not isinstance(shuffle, bool | np.bool_):
        raise ArgumentError(describe("bad shuffle", expected="True, False or 'batch'", got=repr(shuffle)))
    if not shuffle:
        return None
    order = np.arange(size)
    np.random.shuffle(order)
    return order


def targets_by_name(y: Any, trained: Sequence[Any]) -> dict[str, Array]:
    """The target arrays by output name; labels without a last axis get one."""
    names = [o.name for o in trained]
    if not names:
        return {}
    objectives = {o.name: o for o in trained}
    arrays = {
        n: as_array(a, f"target {n!r}") for n, a in zip(names, in_order(y, names, "target"), strict=True)
    }
    return {n: a[:, None] if a.ndim == 1 and objectives[n].output.ndim > 1 else a for n, a in arrays.items()}


def fit_weight(array: Array, leaf: Any, name: str) -> Array:
    """Sample weights of the right rank. Raises DataError for others."""
    if array.ndim != leaf.rank:
        hint = (
            "; compile with sample_weight_mode='temporal' for weights per time step"
            if array.ndim == 2
            else ""
        )
        raise DataError(
            describe(
                f"sample_weight of {name!r} has the wrong rank",
                expected=f"rank {leaf.rank}{hint}",
                got=array.shape,
            )
        )
    return array


def leaves_of(x: Any) -> Sequence[Any]:
    """The arrays of some input data: of one, a list or a dict."""
    if isinstance(x, Mapping):
        return list(x.values())
    return x if isinstance(x, list | tuple) and len(x) and np.ndim(x[0]) else [x]


def is_due(frequency: Any, epoch: int) -> bool:
    """Whether validation runs after this epoch (counted from 0)."""
    if isinstance(frequency, int | np.integer) and frequency >= 1:
        return (epoch + 1) % frequency == 0
    if hasattr(frequency, "__contains__") and not isinstance(frequency, str):
        return (epoch + 1) in frequency
    raise ArgumentError(
        describe("bad validation_freq", expected="an integer or a container of epochs", got=frequency)
    )


def refuse_later(**arguments: Any) -> None:
    """Raise UnsupportedError for an argument that is not taken yet."""
    for name, value in arguments.items():
        if value is not None:
            raise UnsupportedError(
                describe(
                    f"{name} is not taken yet",
                    expected="arrays, which say themselves how many steps there are",
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
