"""Weights of samples: from `sample_weight` and `class_weight` to one array per output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, describe
from kgraph.ir.graph import Input
from kgraph.ir.types import Array
from kgraph.keras.training.data import as_array


def sample_weights(given: Any, names: Sequence[str], trained: Sequence[str]) -> dict[str, Array]:
    """The weights by output: one array holds for all `trained` outputs; else a list in order, or a dict by name.

    Raises DataError for names that are no outputs.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise DataError(
                describe("sample_weight names no output", expected=", ".join(names), got=unknown[0])
            )
        entries = dict(given)
    elif isinstance(given, list | tuple) and all(item is None or np.ndim(item) for item in given):
        order = trained if len(given) == len(trained) else names
        if len(given) != len(order):
            raise DataError(
                describe(
                    "wrong number of sample_weight arrays",
                    expected=f"{len(trained)}: {', '.join(trained)}",
                    got=len(given),
                )
            )
        entries = dict(zip(order, given, strict=True))
    else:
        entries = dict.fromkeys(trained, given)
    return {
        name: np.asarray(as_array(entries[name], f"sample_weight of {name!r}"), "float32")
        for name in trained
        if entries.get(name) is not None
    }


def fit_weight(array: Array, leaf: Input, name: str) -> Array:
    """Sample weights of the right rank and length in time. Raises DataError for others."""
    if leaf.rank == 1 and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    expected = str(leaf.type)
    if leaf.rank == 1 and array.ndim == 2:
        expected += "; compile with sample_weight_mode='temporal' for weights per time step"
    steps = leaf.shape[1:]
    if array.ndim != leaf.rank or any(
        isinstance(dim, int) and size != dim for size, dim in zip(array.shape[1:], steps, strict=True)
    ):
        raise DataError(
            describe(f"sample_weight of {name!r} does not fit", expected=expected, got=list(array.shape))
        )
    return array


def class_weights(given: Any, targets: Mapping[str, Array]) -> dict[str, Array]:
    """A weight per sample from the class of its label, by output.

    `given` maps classes to weights (1 where it has none); for several outputs it may be a dict by output name, or a
    list in order, of such mappings. Raises ArgumentTypeError for anything else, DataError for outputs that are not
    trained and for labels of more than one step.
    """
    names = list(targets)
    if isinstance(given, list | tuple) and len(given) == len(names):
        tables = dict(zip(names, given, strict=True))
    elif isinstance(given, Mapping) and any(isinstance(value, Mapping) for value in given.values()):
        tables = dict(given)
    else:
        tables = dict.fromkeys(names, given)
    unknown = [name for name in tables if name not in names]
    if unknown:
        raise DataError(describe("class_weight names no output", expected=", ".join(names), got=unknown[0]))
    return {
        name: weights_of_labels(targets[name], table, name)
        for name, table in tables.items()
        if table is not None
    }


def weights_of_labels(targets: Array, table: Any, name: str) -> Array:
    """targets [batch], [batch, 1] or one-hot [batch, classes] -> the weight of each label's class, [batch]."""
    if not isinstance(table, Mapping):
        raise ArgumentTypeError(
            describe("bad class_weight", expected="a dict from classes to weights", got=repr(table))
        )
    try:
        numbers = {int(label): float(weight) for label, weight in table.items()}
    except (TypeError, ValueError):
        raise ArgumentError(
            describe(
                "bad class_weight", expected="integers as keys, numbers as values", got=repr(dict(table))
            )
        ) from None
    if targets.ndim > 2:
        raise DataError(
            describe(
                f"class_weight needs one label per sample of {name!r}",
                expected="targets of rank 1 or 2",
                got=list(targets.shape),
            )
        )
    targets = np.asarray(targets)  # labels that are in a file are read
    labels = targets.argmax(-1) if targets.ndim == 2 and targets.shape[1] > 1 else targets.reshape(-1)
    classes, position = np.unique(np.round(labels).astype("int64"), return_inverse=True)
    found = np.array([numbers.get(label, 1.0) for label in classes.tolist()], "float32")
    return found[position.reshape(-1)]
