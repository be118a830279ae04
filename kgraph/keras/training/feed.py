"""`Feed`: what one call of fit, evaluate or predict was given, by name, checked against the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kgraph.errors import ArgumentError, DataError, describe
from kgraph.ir.graph import Input
from kgraph.ir.types import Array
from kgraph.keras.training.data import ArrayData, as_array, count_samples, fit_array, in_order
from kgraph.keras.training.objective import OutputObjective
from kgraph.keras.training.program import Traced
from kgraph.keras.training.stored import StoredArray
from kgraph.keras.training.weighting import class_weights, fit_weight


@dataclass(frozen=True)
class Feed:
    """Input, target and sample weight arrays by input and output names. All have `size` samples."""

    inputs: dict[str, Array]
    targets: dict[str, Array]
    weights: dict[str, Array]
    size: int

    @classmethod
    def of(
        cls,
        inputs: dict[str, Array],
        targets: dict[str, Array],
        weights: dict[str, Array],
        otherwise: int | None = None,
    ) -> Feed:
        """Without any arrays there are `otherwise` samples, those of tensors.

        Raises DataError when the arrays differ in their number of samples.
        """
        parts = {"": inputs, "_target": targets, "_sample_weight": weights}
        arrays = {f"{name}{kind}": array for kind, part in parts.items() for name, array in part.items()}
        size = count_samples(arrays) if arrays or otherwise is None else otherwise
        return cls(inputs, targets, weights, size)

    @property
    def target_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in self.targets.items()}

    def weighted_by_class(self, class_weight: Any) -> Feed:
        """The same with the weights of classes multiplied into those of samples."""
        if class_weight is None:
            return self
        if not self.targets:
            raise DataError(describe("class_weight needs targets that are data", got="target tensors"))
        weights = dict(self.weights)
        for name, found in class_weights(class_weight, self.targets).items():
            given = weights.get(name)
            if given is not None and given.ndim == 2:
                found = found[:, None]
            weights[name] = found if given is None else given * found
        return replace(self, weights=weights)

    def split(self, fraction: Any) -> tuple[Feed, Feed]:
        """The first samples, and the last `fraction` of them. Raises DataError when one side would be empty."""
        if not isinstance(fraction, int | float) or not 0.0 < fraction < 1.0:
            raise ArgumentError(
                describe("bad validation_split", expected="between 0 and 1", got=repr(fraction))
            )
        at = int(self.size * (1.0 - fraction))
        if at in (0, self.size):
            raise DataError(
                describe(
                    f"validation_split={fraction} leaves one side empty",
                    expected="samples on both",
                    got=f"{self.size} samples",
                )
            )
        return self._range(0, at), self._range(at, self.size)

    def _range(self, start: int, stop: int) -> Feed:
        parts = [
            {name: _rows(array, start, stop) for name, array in part.items()}
            for part in (self.inputs, self.targets, self.weights)
        ]
        return Feed(*parts, stop - start)

    def data(self, traced: Traced, batch_size: int) -> ArrayData:
        """The arrays as a traced function takes them. Raises DataError for targets and weights that do not fit."""
        leaves = iter(traced.function.inputs[len(traced.inputs) :])
        arrays = list(self.inputs.values())
        arrays += [
            fit_array(self.targets[name], leaf, f"target {name!r}")
            for name, leaf in zip(traced.targets, leaves, strict=False)
        ]
        arrays += [
            fit_weight(self.weights[name], leaf, name)
            for name, leaf in zip(traced.weights, leaves, strict=True)
        ]
        return ArrayData(arrays, batch_size, self.size)


def input_arrays(x: Any, leaves: Sequence[Input], names: Sequence[str]) -> dict[str, Array]:
    """Arrays for the inputs of a model, from one array, a list, or a dict by name (which may have more entries).

    Raises DataError naming the input, what it expects and what came.
    """
    if not leaves:
        refuse_data(x, "inputs")
        return {}
    entries = in_order(x, names, "input", [leaf.rank for leaf in leaves])
    return {
        name: fit_array(entry, leaf, f"input {name!r}")
        for name, entry, leaf in zip(names, entries, leaves, strict=True)
    }


def refuse_data(data: Any, what: str) -> None:
    """Raise DataError for data where all that is asked for are tensors with values of their own."""
    if data is not None and not (isinstance(data, list | tuple | dict) and not data):
        raise DataError(
            describe(f"the {what} are tensors, and no data is fed", expected="None", got=type(data).__name__)
        )


def target_arrays(y: Any, names: Sequence[str], trained: Sequence[OutputObjective]) -> dict[str, Array]:
    """Arrays for the targets of the `trained` outputs, out of one array, a list for these or all outputs, or a dict.

    Labels without a last axis get one. Raises DataError when they do not match the outputs.
    """
    if not trained:
        return {}
    if isinstance(y, dict):
        unknown = [name for name in y if name not in names]
        if unknown:
            raise DataError(
                describe("target data names no output", expected=", ".join(names), got=unknown[0])
            )
    elif isinstance(y, list | tuple) and len(y) == len(names) > len(trained):
        y = dict(zip(names, y, strict=True))
    order = [objective.name for objective in trained]
    entries = in_order(y, order, "target", [objective.output.ndim for objective in trained])
    found: dict[str, Array] = {}
    for objective, entry in zip(trained, entries, strict=True):
        array = as_array(entry, f"target {objective.name!r}")
        objective.check_labels(array)
        lacks_axis = array.ndim == 1 and objective.output.ndim > 1
        found[objective.name] = array.reshape((len(array), 1)) if lacks_axis else array
    return found


def _rows(array: Any, start: int, stop: int) -> Any:
    """Some samples of an array. Those of a stored one are not read."""
    return array.rows(start, stop) if isinstance(array, StoredArray) else array[start:stop]
