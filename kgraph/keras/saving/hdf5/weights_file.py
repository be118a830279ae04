"""The weights of a model in HDF5, as Keras 2 lays them out.

    layer_names (attribute), backend, keras_version
    <layer name>/  weight_names (attribute), and a dataset for each weight: "dense_1/kernel:0"
    top_level_model_weights/  the same for what a subclass of Model has itself

In a file with a whole model all this is in the group "model_weights".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from kgraph.errors import FileError, describe
from kgraph.ir.types import Array
from kgraph.keras.layers.legacy_merge import Merge
from kgraph.keras.saving.hdf5.attributes import write_text, write_texts
from kgraph.keras.saving.hdf5.guard import Dataset, Group
from kgraph.keras.saving.layer_weights import (
    Made,
    Origin,
    Source,
    check_pools,
    file_names,
    file_order,
    match,
)
from kgraph.keras.tensor import Variable
from kgraph.keras.utils.warn import warn_user

KERAS_VERSION = "2.3.1"
"""The Keras whose layout is written."""

CONVENTION = "tensorflow"
"""The backend whose conventions the kernels follow: readers turn them around when theirs is another."""

TOP_LEVEL = "top_level_model_weights"


# -- writing


def write_weights(group: Any, model: Any) -> None:
    """Write the weights of all layers into an h5py group."""
    layers = model.layers
    write_texts(group, "layer_names", [layer.name for layer in layers])
    write_text(group, "backend", CONVENTION)
    write_text(group, "keras_version", KERAS_VERSION)
    # By name, so that the group "a" is there before "a/b", which is inside of it.
    for layer in sorted(layers, key=lambda layer: layer.name):
        write_variables(group.require_group(layer.name), file_order(layer))
    own = own_weights(model)
    if own:
        write_variables(group.create_group(TOP_LEVEL), own)


def write_variables(group: Any, weights: Sequence[Variable]) -> None:
    """Write variables, and their names in order."""
    write_list(group, file_names(weights), (weight.numpy() for weight in weights))


def write_list(group: Any, names: Sequence[str], arrays: Iterable[Array]) -> None:
    """Write arrays, and their names in order."""
    write_texts(group, "weight_names", names)
    for name, array in zip(names, arrays, strict=True):
        group.create_dataset(name, data=array)


def own_weights(model: Any) -> list[Variable]:
    """The weights that a model has beside those of its layers."""
    return [*model._trainable_weights, *model._non_trainable_weights]


# -- reading


@dataclass(frozen=True)
class Stored:
    """The weights of one layer in a file."""

    name: str
    weight_names: list[str]
    datasets: list[Dataset]


@dataclass(frozen=True)
class Fit:
    """What is done about weights that do not fit: skipped with a warning, reshaped, or else an error."""

    skip: bool = False
    reshape: bool = False

    def source(self, variable: Variable, source: Source, where: str) -> Source | None:
        """What to read a variable from, None to leave it. Raises FileError when it does not fit."""
        if source.shape == variable.shape:
            return source
        if self.reshape and prod(source.shape) == prod(variable.shape):
            return Made(variable.shape, lambda: source.read().reshape(variable.shape))
        message = f"{where}: weight {variable.name} has another shape in the file"
        if not self.skip:
            raise FileError(describe(message, expected=variable.shape, got=source.shape))
        warn_user(f"{message}, {source.shape} instead of {variable.shape}; it stays as it is")
        return None


def find_weights(root: Group) -> Group | None:
    """Where the weights of layers are in a file of Keras 1 or 2; None when it is none."""
    if root.texts("layer_names") is not None:
        return root
    if "model_weights" not in root:
        return None
    group = root.group("model_weights")
    return group if group.texts("layer_names") is not None else None


def read_weights(group: Group, model: Any, by_name: bool = False, fit: Fit | None = None) -> None:
    """Read the weights of layers: of those with the same name, or of all that have weights, in order.

    Raises FileError where file and model do not fit, UnsupportedError where the backend that the weights are from
    computes otherwise; nothing is changed then.
    """
    fit = fit or Fit()
    stored = [_stored(group, name) for name in group.texts("layer_names") or []]
    origin = origin_of(group, [name for entry in stored for name in entry.weight_names])
    if not by_name:
        check_pools(model, origin)
    pairs = _same_names(stored, model, fit) if by_name else _same_order(stored, model, origin)
    plan: list[tuple[Variable, Source]] = []
    for layer, entry in pairs:
        try:
            matched = match(layer, entry.weight_names, entry.datasets, origin)
        except FileError as error:
            if not (by_name and fit.skip):
                raise
            warn_user(f"{str(error).splitlines()[0]}; it stays as it is")
            continue
        plan += _fitting(matched, f"layer {layer.name}", fit)
    plan += _top_level(group, model, fit)
    fill(plan)


def fill(plan: Iterable[tuple[Variable, Source]]) -> None:
    """Read each value straight to where the variable keeps it."""
    for variable, source in plan:
        variable.variable.storage.fill(source.read_into)


def origin_of(group: Group, names: Sequence[str]) -> Origin:
    """Who wrote a file with weights of these names.

    Keras 1 did not say. What TensorFlow names ends in ":0"; other names are from Theano, the one other backend then.
    """
    version, backend = group.text("keras_version") or "1", group.text("backend")
    major = version.partition(".")[0]
    number = int(major) if major.isdecimal() and len(major) < 4 else 2
    if number == 1 and backend is None and names and not any(name.endswith(":0") for name in names):
        backend = "theano"
    return Origin(number, backend)


def read_list(group: Group) -> tuple[list[str], list[Dataset]]:
    """Names and datasets as `write_list` wrote them."""
    names = group.texts("weight_names") or []
    return names, [group.dataset(name) for name in names]


def _stored(group: Group, name: str) -> Stored:
    return Stored(name, *read_list(group.group(name)))


def _same_order(stored: Sequence[Stored], model: Any, origin: Origin) -> Iterator[tuple[Any, Stored]]:
    listed = _side_by_side(model.layers) if origin.version == 1 else model.layers
    layers = [layer for layer in listed if layer.weights]
    entries = [entry for entry in stored if entry.weight_names]
    if len(layers) != len(entries):
        raise FileError(
            describe(
                f"model {model.name} and the file have another number of layers with weights",
                expected=f"{len(layers)}: {_listed([layer.name for layer in layers])}",
                got=f"{len(entries)}: {_listed([entry.name for entry in entries])}",
            )
        )
    return zip(layers, entries, strict=True)


def _side_by_side(layers: Iterable[Any]) -> Iterator[Any]:
    """Layers as Keras 1 lists them: in the place of a Merge layer, those of the models that it joins."""
    for layer in layers:
        branches = layer.branches if isinstance(layer, Merge) else None
        if not branches:
            yield layer
        for branch in branches or ():
            yield from _side_by_side(getattr(branch, "layers", [branch]))


def _same_names(stored: Sequence[Stored], model: Any, fit: Fit) -> Iterator[tuple[Any, Stored]]:
    layers = {layer.name: layer for layer in model.layers}
    return ((layers[entry.name], entry) for entry in stored if entry.name in layers)


def _top_level(group: Group, model: Any, fit: Fit) -> list[tuple[Variable, Source]]:
    own = own_weights(model)
    if not own or TOP_LEVEL not in group:
        return []
    _, datasets = read_list(group.group(TOP_LEVEL))
    if len(own) != len(datasets):
        raise FileError(
            describe(
                f"model {model.name} and the file have another number of weights of the model itself",
                expected=len(own),
                got=len(datasets),
            )
        )
    return _fitting(zip(own, datasets, strict=True), f"model {model.name}", fit)


def _fitting(
    matched: Iterable[tuple[Variable, Source]], where: str, fit: Fit
) -> list[tuple[Variable, Source]]:
    chosen = [(variable, fit.source(variable, source, where)) for variable, source in matched]
    return [(variable, source) for variable, source in chosen if source is not None]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown}, …" if len(names) > 12 else shown
