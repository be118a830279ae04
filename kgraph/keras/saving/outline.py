"""What a model file says of itself, without making a model of it: nothing that it names has to be known.

Names and classes of layers come from the configuration, shapes from the weights; both are read under the same guards as
for `load_model`, and no code in the file is run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from kgraph.errors import FileError, describe
from kgraph.keras.saving.archive.guard import Archive
from kgraph.keras.saving.archive.model_file import CONFIG, WEIGHTS
from kgraph.keras.saving.archive.tree import group_name
from kgraph.keras.saving.archive.variables import LAYERS, OLD_LAYERS, VARS
from kgraph.keras.saving.hdf5.guard import Group, open_file
from kgraph.keras.saving.hdf5.weights_file import TOP_LEVEL, find_weights, read_list
from kgraph.keras.saving.limits import check_plain, in_file, parse_json
from kgraph.keras.saving.listing import Array, arrays_in, naturally
from kgraph.keras.saving.text import parse_yaml

BESIDE, WITHIN = frozenset({"optimizer", "metrics"}), "seed_generator"
"""Groups of Keras 3 whose arrays are no weights: beside the layers, and within them."""


@dataclass(frozen=True)
class Part:
    """A layer: its weights are None where the file holds none of any layer."""

    name: str
    class_name: str
    weights: list[Array] | None

    @property
    def parameters(self) -> int | None:
        return None if self.weights is None else count(self.weights)


@dataclass(frozen=True)
class Outline:
    """A model: its layers in the order of the file, weights that are of none of these, and how it is trained.

    What is inside of a model within the model, or of a wrapper, counts to that.
    """

    name: str
    class_name: str
    layers: list[Part]
    others: list[Array]
    training: Mapping[str, Any] | None

    @property
    def parameters(self) -> int | None:
        if any(layer.weights is None for layer in self.layers):
            return None
        return count(self.others) + sum(layer.parameters or 0 for layer in self.layers)


def count(arrays: list[Array]) -> int:
    """How many numbers arrays hold."""
    return sum(prod(array.shape) for array in arrays)


def read_outline(filepath: Any, kind: str, weights: Any = None) -> Outline:
    """The outline of a file of kind "hdf5", "keras", "json" or "yaml"; `weights` is an HDF5 file for the last two.

    Raises FileNotFoundError, FileError for a damaged or hostile file.
    """
    with in_file(filepath), open(filepath, "rb") as file:
        if kind == "hdf5":
            with open_file(file) as root:
                config, training = root.text("model_config"), root.text("training_config")
                trained = None if training is None else parse_json(training)
                return _outline(None if config is None else parse_json(config), root, trained)
        if kind == "keras":
            archive = Archive(file)
            described = archive.json(CONFIG)
            with archive.file(WEIGHTS) as entry, open_file(entry) as root:
                trained = described.get("compile_config") if isinstance(described, dict) else None
                return _outline(described, root, trained)
        parse = {"json": parse_json, "yaml": parse_yaml}[kind]
        described = parse(file.read())
    if weights is None:
        return _outline(described, None, None)
    with in_file(weights), open_file(weights) as root:
        return _outline(described, root, None)


def _outline(described: Any, root: Group | None, training: Any) -> Outline:
    check_plain(described)
    check_plain(training)
    if isinstance(described, list):  # a Sequential of Keras 1
        described = {"class_name": "Sequential", "config": described}
    name, class_name = _names(described)
    config = described.get("config")
    inner = config.get("layers") if isinstance(config, Mapping) else config
    entries = [(*_names(entry), _is_step(entry)) for entry in inner] if isinstance(inner, list) else []
    if training is not None and not isinstance(training, Mapping):
        raise FileError(describe("a damaged training configuration", got=repr(training)[:200]))
    if root is None:
        return Outline(name, class_name, [Part(n, c, None) for n, c, _ in entries], [], training)
    stored = find_weights(root)
    groups = _places(root, entries) if stored is None else {n: n for n, _, _ in entries}
    found = _by_group(root) if stored is None else _by_layer(stored)
    layers = [Part(n, c, found.pop(groups[n], []) if n in groups else []) for n, c, _ in entries]
    return Outline(name, class_name, layers, [array for rest in found.values() for array in rest], training)


def _names(entry: Any) -> tuple[str, str]:
    """The name of a model or layer, and that of its class."""
    class_name = entry.get("class_name") if isinstance(entry, Mapping) else None
    if not isinstance(class_name, str):
        raise FileError(
            describe("a damaged description of a layer", expected='a "class_name"', got=repr(entry)[:200])
        )
    config = entry.get("config")
    inside = config.get("name") if isinstance(config, Mapping) else None
    return str(entry.get("name") or inside or ""), class_name


def _is_step(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of Keras 3 is an operation between layers, which has no place among the weights."""
    return str(entry.get("module")).startswith("keras.src.ops")


def _by_layer(stored: Group) -> dict[str, list[Array]]:
    """The weights in the layout of Keras 2, by name of the layer."""
    names = [*(stored.texts("layer_names") or []), *([TOP_LEVEL] if TOP_LEVEL in stored else [])]
    found = {}
    for name in names:
        pairs = zip(*read_list(stored.group(name)), strict=True)
        found[name] = [Array(weight, dataset.dtype.name, dataset.shape) for weight, dataset in pairs]
    return found


def _by_group(root: Group) -> dict[str, list[Array]]:
    """The weights in the layout of Keras 3, by name of the group among the layers; others as those of ""."""
    found: dict[str, list[Array]] = defaultdict(list)
    for array in sorted(arrays_in(root), key=naturally):
        parts = array.name.split("/")
        if parts[0] not in BESIDE and WITHIN not in parts:
            is_layers = parts[0] in (LAYERS, OLD_LAYERS) and len(parts) > 2
            found[parts[1] if is_layers else ""].append(array)
    return dict(found)


def _places(root: Group, entries: list[tuple[str, str, bool]]) -> dict[str, str]:
    """The group of each layer, by its name: as the groups say since Keras 3.8, before that by class and number."""
    above = next((name for name in (LAYERS, OLD_LAYERS) if root.is_group(name)), None)
    if above is None:
        return {}
    layers = root.group(above)
    said = {name: child for child in layers.names() if (name := _said_name(layers, child)) is not None}
    if said:
        return said
    numbers: dict[str, int] = defaultdict(int)
    places = {}
    for name, class_name, is_step in entries:
        if not is_step:
            group = group_name(class_name.rpartition(">")[2])
            places[name] = f"{group}_{numbers[group]}" if numbers[group] else group
            numbers[group] += 1
    return places


def _said_name(layers: Group, child: str) -> str | None:
    path = f"{child}/{VARS}"
    return layers.group(path).text("name") if layers.is_group(path) else None
