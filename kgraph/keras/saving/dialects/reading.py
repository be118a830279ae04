"""Configurations of any Keras in kgraph's own form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from kgraph.errors import ArgumentError, FileError, UnsupportedError, describe
from kgraph.keras.layers.operations import module_of
from kgraph.keras.saving.dialects.forms import (
    EVERY_LAYER,
    INITIALIZERS,
    KERNEL_SIZES,
    LAYERS,
    OLD_NAMES,
    OLD_PENALTIES,
    Form,
    says_nothing,
)
from kgraph.keras.saving.dialects.functions import is_code, load_code
from kgraph.keras.saving.dialects.known import is_custom, kind_of, kind_of_key
from kgraph.keras.saving.dialects.nodes import call_nodes, is_tensor, is_value
from kgraph.keras.utils.custom_objects import GIVEN, Objects

OLD_HARD_SIGMOID = "hard_sigmoid_keras2"
"""Our name for what Keras 1 and 2 call hard_sigmoid; in Keras 3 it has another slope."""

ACTIVATIONS = {"activation", "recurrent_activation", "inner_activation"}
_POLICIES = {"DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"}


@dataclass(frozen=True)
class Reader:
    """What reading depends on.

    custom_objects  the caller's, by name
    safe_mode       whether code in a file is refused
    era             which Keras wrote it: 1, 2 or 3; 0 when it is our own form or nobody says
    genuine         whether it was Keras itself, before it became tf.keras (2.3 and earlier)
    """

    custom_objects: Objects | None
    safe_mode: bool
    era: int
    genuine: bool

    def read(self, item: Any, key: str = "", where: str = "") -> Any:
        """A value that stands under a key of the configuration of the layer `where`."""
        if isinstance(item, list | tuple):
            return type(item)(self.read(inner, key, where) for inner in item)
        if isinstance(item, Mapping):
            if "class_name" in item:
                return self.read_described(item, key, where)
            if key.endswith(("_regularizer", "_constraint")) and isinstance(item.get("name"), str):
                return self._read_named(item)
            if item.keys() == {"type", "value"}:  # how Keras 2 wrote NumPy's numbers
                return item["value"]
            return {inner: self.read(value, inner, where) for inner, value in item.items()}
        if key in ACTIVATIONS and item == "hard_sigmoid" and self.era in (1, 2):
            return OLD_HARD_SIGMOID
        return item

    def _read_named(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """A regularizer or constraint of Keras 1."""
        name = str(item["name"])
        name = OLD_PENALTIES.get(name, name)
        return {"class_name": name, "config": {key: value for key, value in item.items() if key != "name"}}

    def read_described(self, item: Mapping[str, Any], key: str = "", where: str = "") -> Any:
        """{"class_name", "config", …}: an object, a function, or a value of a type that JSON does not have."""
        name = item["class_name"]
        if not isinstance(name, str):
            _damaged(item, where)
        if name.startswith("__"):
            return self._read_special(item, key, where)
        if name == "TensorShape":
            return item.get("items")
        if name in _POLICIES or key == "dtype":
            return _dtype(item, where)
        config = item.get("config")
        if name == "Sequential" and isinstance(config, list | tuple):
            config = {"layers": config}
        if name == "function" and isinstance(config, str):
            return self._read_function(item, key)
        if not isinstance(config, Mapping):
            _damaged(item, where)
        inside = str(config.get("name") or where or name)
        described = {**item, "config": config}
        shared = {k: item[k] for k in ("shared_object_id",) if k in item}
        if is_custom(described, self.custom_objects):
            read = {k: self.read(v, k, inside) for k, v in config.items()}
            if "input_layers" in config:
                read = self._read_functional(config, inside)
            kept = {k: item[k] for k in ("registered_name", "module") if item.get(k) is not None}
            return {"class_name": name, "config": read, **kept, **shared}
        if self._is_operation(item, config):
            return _operation(name, config, inside)
        if kind_of(OLD_NAMES.get(name, name), key) == "layers":
            return {**self._read_layer(name, config, inside), **shared}
        if key == "layers" and self.era == 3 and _says_little(item, config) and kind_of(name, key) is None:
            raise ArgumentError(
                describe(
                    f"unknown layer: {name}, probably an operation of Keras 3 that kgraph does not have",
                    expected=f"keras.ops that it has; if it is a layer of your own, one {GIVEN}",
                    got=name,
                    where=inside,
                )
            )
        form = INITIALIZERS.get(name, Form()) if kind_of_key(key) == "initializers" else Form()
        return {"class_name": name, "config": without_foreign(self._values(config, inside), form, inside)}

    def _is_operation(self, item: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
        """Whether something is a step between layers: they are of the modules `keras.src.ops`.

        In HDF5 files, which say no modules, those of layers of the same name differ in what all layers have.
        """
        if item.get("module") is not None:
            return str(item["module"]).startswith("keras.src.ops.")
        return self.era == 3 and _says_little(item, config) and module_of(item["class_name"]) is not None

    def _values(self, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        return {key: self.read(value, key, where) for key, value in config.items()}

    def _read_special(self, item: Mapping[str, Any], key: str, where: str) -> Any:
        if is_code(item):
            return load_code(item, self.safe_mode, where)
        if item["class_name"] == "__tuple__":
            return tuple(self.read(inner, key, where) for inner in item.get("items", ()))
        if item["class_name"] == "__bytes__":
            config = item.get("config")
            return str(config.get("value") if isinstance(config, Mapping) else item.get("value")).encode()
        if is_tensor(item) or is_value(item):
            return item
        raise UnsupportedError(
            describe("a value of a type that kgraph does not have", got=item["class_name"], where=where)
        )

    def _read_function(self, item: Mapping[str, Any], key: str) -> Any:
        custom = is_custom(item, self.custom_objects)
        if custom or key not in ACTIVATIONS:
            kept = {k: item[k] for k in ("class_name", "config", "registered_name", "module") if k in item}
            return item["config"] if key in ACTIVATIONS else kept
        return item["config"]

    # -- layers

    def _read_layer(self, name: str, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        ours = OLD_NAMES.get(name, name)
        if "input_layers" in config:
            return {"class_name": ours, "config": self._read_functional(config, where)}
        if name == "Lambda":
            config = _lambda(config)
        if name == "Merge":
            config = _merge(config)
        form = LAYERS.get(ours, Form())
        read = self._values(config, where)
        for old, new in form.renamed.items():
            if old in read:
                read.setdefault(new, read.pop(old))
        for names in KERNEL_SIZES:
            if all(name in read for name in names):
                read["kernel_size"] = tuple(read.pop(name) for name in names)
        read = without_foreign(without_foreign(read, EVERY_LAYER, where), form, where)
        if read.get("dtype") is not None:
            read["dtype"] = _dtype(read["dtype"], where)
        self._check(ours, read, where)
        if self.era in (1, 2):
            for key, value in form.before.items():
                if key not in read and not (key == "data_format" and "dim_ordering" in read):
                    read[key] = value
        if (
            ours == "BatchNormalization"
            and isinstance(read.get("axis"), list | tuple)
            and len(read["axis"]) == 1
        ):
            read["axis"] = read["axis"][0]
        if ours == "Sequential":
            read = self._read_sequential(read, where)
        elif self.era == 1:
            read.pop("input_dtype", None)
        return {"class_name": ours, "config": read}

    def _check(self, name: str, read: Mapping[str, Any], where: str) -> None:
        """Raise UnsupportedError for what has the same words and another meaning."""
        if self.genuine and name == "UpSampling2D" and read.get("interpolation", "nearest") != "nearest":
            raise UnsupportedError(
                describe(
                    "Keras 2.3 and earlier interpolate between other points",
                    expected='interpolation="nearest", or a model saved by a later Keras',
                    got=read["interpolation"],
                    where=where,
                )
            )

    def _read_sequential(self, read: dict[str, Any], where: str) -> dict[str, Any]:
        layers = read.get("layers")
        if not isinstance(layers, list | tuple) or not all(isinstance(la, Mapping) for la in layers):
            _damaged(read, where)
        layers = list(layers)
        first = layers[0].get("config", {}) if layers else {}
        kind = first.pop("input_dtype", None) if isinstance(first, dict) else None
        if kind is not None and first.get("batch_input_shape") is not None:
            entry = {
                "batch_input_shape": first["batch_input_shape"],
                "dtype": kind,
                "name": f"{first.get('name')}_input",
            }
            layers.insert(0, {"class_name": "InputLayer", "config": entry})
        kept = {key: read[key] for key in ("name", "build_input_shape", "dtype") if read.get(key) is not None}
        return {**kept, "layers": layers}

    def _read_functional(self, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        wiring = call_nodes(config)
        layers = []
        for entry in wiring["layers"]:
            if not isinstance(entry.get("class_name"), str):
                _damaged(entry, where)
            described = self.read_described(entry, "layers", entry["name"])
            nodes = [self._call(node) for node in entry["inbound_nodes"]]
            layers.append({"name": entry["name"], **described, "inbound_nodes": nodes})
        kept = {key: wiring[key] for key in ("name", "input_layers", "output_layers") if key in wiring}
        return {**kept, "layers": layers, "dtype": _dtype(config.get("dtype"), where)}

    def _call(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """A call without the arguments that Keras 3 writes though nobody gave them.

        It writes training=False even so, and a model's own training takes precedence over it there.
        """
        kwargs = dict(node["kwargs"])
        for key in ("mask", "training", "initial_state"):
            if key in kwargs and kwargs[key] is None:
                del kwargs[key]
        if self.era == 3 and kwargs.get("training") is False:
            del kwargs["training"]
        return {"args": node["args"], "kwargs": kwargs}


def without_foreign(config: dict[str, Any], form: Form, where: str) -> dict[str, Any]:
    """A configuration without the keys that say nothing to us. Raises UnsupportedError where one says something."""
    for key, nothing in form.foreign.items():
        if key in config and not says_nothing(config[key], nothing):
            raise UnsupportedError(
                describe(
                    f"kgraph does not have the setting {key!r}",
                    expected=repr(nothing),
                    got=repr(config[key])[:200],
                    where=where,
                )
            )
    return {key: value for key, value in config.items() if key not in form.foreign}


def _dtype(value: Any, where: str) -> str | None:
    """The name of a dtype or a policy. Raises UnsupportedError for those of quantised layers."""
    name = value
    if isinstance(value, Mapping):
        config = value.get("config")
        name = config.get("name") if isinstance(config, Mapping) else None
        if value.get("class_name") not in _POLICIES:
            name = value.get("class_name")
    if name in (None, "_infer", "infer"):
        return None
    plain = str(name).removeprefix("infer_from_").removeprefix("infer_with_")
    if not isinstance(name, str) or not plain.removeprefix("mixed_").isalnum():
        raise UnsupportedError(
            describe(
                "kgraph has no quantised layers",
                expected='a policy such as "float32" or "mixed_float16"',
                got=repr(name),
                where=where,
            )
        )
    return plain


def _says_little(item: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether something has neither a module nor what all layers have."""
    return item.get("module") is None and "trainable" not in config


def _operation(name: str, config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A step between layers in Keras 3."""
    settings = {key: value for key, value in config.items() if key != "name"}
    return {"class_name": "Operation", "config": {"name": where, "operation": name, "settings": settings}}


def _lambda(config: Mapping[str, Any]) -> dict[str, Any]:
    """A Lambda layer of any Keras: functions as names, or as code in the form of Keras 3."""
    read = {k: v for k, v in config.items() if not k.endswith(("_type", "_module")) and k != "module"}
    for key in ("function", "output_shape", "mask"):
        value, said = config.get(key), config.get(f"{key}_type")
        is_triple = isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], str)
        if said == "lambda" or (key == "function" and is_triple):
            read[key] = {"class_name": "__lambda__", "config": {"value": value}}
        elif said == "function" and isinstance(value, str):
            read[key] = {
                "class_name": "function",
                "config": value,
                "registered_name": value,
                "module": config.get("module"),
            }
    return read


def _merge(config: Mapping[str, Any]) -> dict[str, Any]:
    """The Merge layer of Keras 1: a mode that is a function is a name or code, as in a Lambda layer."""
    as_lambda = {"function": config.get("mode"), "function_type": config.get("mode_type")}
    read = {key: value for key, value in config.items() if not key.endswith("_type")}
    if config.get("mode_type") in ("lambda", "function"):
        read["mode"] = _lambda(as_lambda)["function"]
    return read


def _damaged(item: Any, where: str) -> NoReturn:
    raise FileError(
        describe(
            "a damaged description of a layer or another object",
            expected='"class_name" and a "config"',
            got=repr(item)[:200],
            where=where,
        )
    )
