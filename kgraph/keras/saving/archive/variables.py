"""The values of a model in the layout of Keras 3: in `.weights.h5` files, and in the one inside of a `.keras` archive.

Each layer, and the optimizer, has a group (`tree.py` says which) with a group `vars` in it: the variables of its own,
named "0", "1", … Since Keras 3.8 an attribute of `vars` has the name of the layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.keras.layers.base import Layer
from kgraph.keras.optimizers import Optimizer
from kgraph.keras.saving.archive.tree import places
from kgraph.keras.saving.hdf5.guard import Dataset, Group
from kgraph.keras.saving.hdf5.weights_file import fill
from kgraph.keras.saving.optimizer_weights import match_state
from kgraph.keras.tensor import Variable
from kgraph.keras.utils.warn import warn_user

VARS = "vars"
LAYERS, OLD_LAYERS = "layers", "_layer_checkpoint_dependencies"
"""The list of a model's layers; the second name is that of TensorFlow 2.12 and 2.13."""


def is_keras3(root: Group) -> bool:
    """Whether an HDF5 file has this layout: groups of variables, and no list of layers as in the older one."""
    return not root.has_attribute("layer_names") and any(
        name in root for name in (LAYERS, OLD_LAYERS, VARS, "optimizer")
    )


def write_state(root: Any, model: Any, optimizer: bool = True) -> None:
    """Write the values of a model, and of its optimizer, into an empty group of h5py.

    The arguments are those of `write_weights`, its like for Keras 2.
    """
    for path, item in places(model):
        if isinstance(item, Optimizer) and not optimizer:
            continue
        group = root.create_group(_join(path, VARS))
        group.attrs["name"] = item.name
        if _overrides(item, "save_own_variables"):
            store: dict[str, Any] = {}
            item.save_own_variables(store)
            for name, value in store.items():
                group.create_dataset(name, data=np.asarray(value))
        else:
            for number, variable in enumerate(own_variables(item)):
                group.create_dataset(str(number), data=variable.numpy())


def read_state(model: Any, root: Group, by_name: bool = False, skip_mismatch: bool = False) -> None:
    """Read the values of a model, and of its optimizer where both have one, from a file.

    by_name        layers are known by their names, not by their numbers: for a model that was made from the same file
    skip_mismatch  a layer that does not fit keeps its values, with a warning
    Raises FileError for a damaged file, and when a layer does not fit, before anything is changed.
    """
    found = _match(model, root, by_name, nested=True)
    if any(match.problem for match in found):
        older = _match(model, root, by_name, nested=False)
        found = min((found, older), key=lambda matches: sum(bool(match.problem) for match in matches))
    problems = [match.problem for match in found if match.problem]
    if problems and not skip_mismatch:
        raise FileError(problems[0])
    for problem in problems:
        warn_user(f"left as it is: {problem}")
    for match in found:
        if not match.problem:
            match.read()
    if isinstance(getattr(model, "optimizer", None), Optimizer):
        _read_optimizer(model, root)


def own_variables(item: Any) -> list[Variable]:
    """The variables of a layer itself, not of those inside; the state of an optimizer. In the order of files.

    With a decay the learning rate is a number of the schedule that is written for it, and no variable.
    """
    if isinstance(item, Optimizer):
        return [v for v in item.variables if not (item.decay and v is item._learning_rate)]
    return list(item.own_weights)


@dataclass(frozen=True)
class Match:
    """A layer, the datasets that are there for it, and what is wrong with them."""

    item: Any
    datasets: Mapping[str, Dataset]
    problem: str = ""

    def read(self) -> None:
        """Read each dataset straight into its variable; a layer that has its own way gets them all."""
        if _overrides(self.item, "load_own_variables"):
            self.item.load_own_variables({name: dataset.read() for name, dataset in self.datasets.items()})
            return
        for number, variable in enumerate(own_variables(self.item)):
            variable.variable.storage.fill(self.datasets[str(number)].read_into)


def _match(model: Any, root: Group, by_name: bool, nested: bool) -> list[Match]:
    finder = _Finder(root, by_name)
    found: list[Match] = []
    for path, item in places(model, nested):
        if isinstance(item, Optimizer):
            continue
        datasets = _datasets(finder.find(path, item))
        if datasets or own_variables(item):
            found.append(Match(item, datasets, _problem(item, path, datasets)))
    return found


def _datasets(group: Group | None) -> dict[str, Dataset]:
    return {} if group is None else {name: group.dataset(name) for name in group.names()}


def _problem(item: Any, path: str, datasets: Mapping[str, Dataset]) -> str:
    if _overrides(item, "load_own_variables"):
        return ""
    wanted = {str(number): variable.shape for number, variable in enumerate(own_variables(item))}
    got = {name: dataset.shape for name, dataset in datasets.items()}
    if wanted == got:
        return ""
    return describe(
        f"the weights in the file do not fit {item.name} ({type(item).__name__})",
        expected=wanted or "none",
        got=got or "none",
        where=path or item.name,
    )


def _overrides(item: Any, method: str) -> bool:
    """Whether the class of a layer has its own way to save or load its variables, as Keras 3 lets it."""
    return isinstance(item, Layer) and getattr(type(item), method) is not getattr(Layer, method)


class _Finder:
    """Finds the groups of layers in a file, along the paths they should have or by their names."""

    def __init__(self, root: Group, by_name: bool) -> None:
        self._root, self._by_name = root, by_name
        self._real = {"": ""}
        self._named: dict[str, dict[str, str]] = {}

    def find(self, path: str, item: Any) -> Group | None:
        """The group of an item's variables, None where there is none."""
        parent, _, last = path.rpartition("/")
        if self._by_name and last and parent.rpartition("/")[2] == LAYERS:
            siblings = self._names_in(self._path(parent))
            self._real[path] = _join(self._path(parent), siblings.get(item.name, last))
        real = _join(self._path(path), VARS)
        return self._root.group(real) if real in self._root else None

    def _path(self, path: str) -> str:
        """Where in the file something is that should be at this path."""
        if path not in self._real:
            parent, _, last = path.rpartition("/")
            above = self._path(parent)
            old = _join(above, OLD_LAYERS)
            use_old = last == LAYERS and _join(above, LAYERS) not in self._root and old in self._root
            self._real[path] = old if use_old else _join(above, last)
        return self._real[path]

    def _names_in(self, path: str) -> dict[str, str]:
        """Group by layer name, for the layers of a list."""
        if path not in self._named:
            self._named[path] = {}
            for child in self._root.group(path).names() if path in self._root else ():
                real = _join(path, child, VARS)
                name = self._root.group(real).text("name") if real in self._root else None
                if name is not None:
                    self._named[path][name] = child
        return self._named[path]


def _read_optimizer(model: Any, root: Group) -> None:
    path, optimizer = _join("optimizer", VARS), model.optimizer
    if path not in root:
        return
    datasets = _datasets(root.group(path))
    if len(own_variables(optimizer)) != len(datasets):
        optimizer._build_for(model.trainable_weights)
    problem = _problem(optimizer, path, datasets)
    if not problem:
        Match(optimizer, datasets).read()
        return
    try:  # tf.keras leaves out the learning rate, and what follows from the number of steps
        fill(match_state(optimizer, ["iteration"], list(_in_order(datasets))))
    except FileError:
        warn_user(f"training starts with a fresh optimizer: {problem}")


def _in_order(datasets: Mapping[str, Dataset]) -> Iterator[Dataset]:
    """The datasets 0, 1, … as far as there are such."""
    for number in range(len(datasets)):
        if str(number) not in datasets:
            return
        yield datasets[str(number)]


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)
