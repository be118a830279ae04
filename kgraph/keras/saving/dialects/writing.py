"""Configurations in kgraph's own form as Keras 2 and Keras 3 write them.

"keras3" is the form of `.keras` files. "keras2" is that of HDF5 files, which Keras 2 and Keras 3 both read: the words
of Keras 2, with those of Keras 3 where Keras 2 has none (and will say that it does not know them).
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kgraph.errors import UnsupportedError, describe
from kgraph.keras import settings
from kgraph.keras.dtype_policies import DTypePolicy
from kgraph.keras.layers.nodes import flatten, map_structure
from kgraph.keras.layers.operations import module_of
from kgraph.keras.saving.dialects.forms import LAYERS, MODULES, TRAINING, Form, says_nothing
from kgraph.keras.saving.dialects.functions import function_entry
from kgraph.keras.saving.dialects.known import kind_of
from kgraph.keras.saving.dialects.nodes import ENDS, history_of, is_tensor, is_value, tensor_entry
from kgraph.keras.saving.dialects.reading import ACTIVATIONS
from kgraph.keras.utils.custom_objects import get_registered_object

KERAS2, KERAS3 = "keras2", "keras3"
FUNCTIONAL = "keras.src.models.functional"
"""Where Keras 3 says functional models are: the one built-in class that it has under no public name."""


@dataclass(frozen=True)
class Writer:
    """Writes one dialect."""

    dialect: str

    def write(self, item: Any, key: str = "", where: str = "") -> Any:
        """A value that stands under a key of the configuration of the layer `where`."""
        if isinstance(item, Mapping):
            if isinstance(item.get("class_name"), str) and not item["class_name"].startswith("__"):
                return self.write_described(item, key)
            return {inner: self.write(value, inner, where) for inner, value in item.items()}
        if isinstance(item, list | tuple):
            return [self.write(inner, key, where) for inner in item]
        if key in ACTIVATIONS and item == "hard_sigmoid" and self.dialect == KERAS2:
            # The name alone means another function to Keras 2; it does not understand this, and Keras 3 does.
            return {
                "module": "builtins",
                "class_name": "function",
                "config": item,
                "registered_name": item,
            }
        if isinstance(item, np.generic | np.ndarray):
            return item.tolist()
        if item is None or isinstance(item, bool | int | float | str):
            return item
        if callable(item):
            return function_entry(item)
        raise UnsupportedError(
            describe(
                "a value in a configuration is not plain data",
                expected="numbers, strings, lists and dicts of them, and functions",
                got=repr(item)[:200],
                where=where,
            )
        )

    def write_described(self, item: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        """{"class_name", "config"} with what the dialect says beside it."""
        name, config = item["class_name"], item.get("config")
        if not isinstance(config, Mapping):
            return dict(item)
        where = str(config.get("name", name))
        kind = None if ">" in name else kind_of(name, key)
        custom = (
            get_registered_object(name) if kind is None or get_registered_object(name) is not None else None
        )
        if kind is None or custom is not None:
            return self._write_custom(name, custom, config, where)
        if kind != "layers":
            form = TRAINING.get(name, Form())
            silent = form.newer if self.dialect == KERAS2 else form.dropped
            module = MODULES.get(kind, "keras") if form.module else f"kgraph.keras.{kind}"
            return self._named(name, self._values(_without(config, silent), where), module)
        if name == "Operation":
            operation = str(config["operation"])
            settings = {"name": config["name"], **self.write(config["settings"], where=where)}
            named = self._named(operation, settings, str(module_of(operation)))
            return {**named, "registered_name": operation}
        form = LAYERS.get(name, Form())
        written = self._write_layer(name, config, form, where)
        if key == "layer" and self.dialect == KERAS2 and "input_layers" in config:
            # Within a wrapper Keras 3 takes a list of one end for several.
            written = {k: _alone(v) if k in ENDS else v for k, v in written.items()}
        if "input_layers" in config and self.dialect == KERAS3:
            return {**self._named("Functional", written, FUNCTIONAL), "registered_name": "Functional"}
        return self._named(name, written, form.module or "kgraph.keras.layers")

    def _named(self, name: str, config: dict[str, Any], module: str) -> dict[str, Any]:
        return {"module": module, "class_name": name, "config": config, "registered_name": None}

    def _write_custom(self, name: str, custom: Any, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        if "input_layers" in config:
            written = self._write_functional(config, where)
        else:
            written = self._values(config, where)
            if self.dialect == KERAS3 and "batch_input_shape" in written:
                del written["batch_input_shape"]
        return {
            "module": getattr(custom, "__module__", None),
            "class_name": name.rpartition(">")[2] if self.dialect == KERAS3 else name,
            "config": written,
            "registered_name": name,
        }

    def _values(self, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        return {key: self.write(value, key, where) for key, value in config.items()}

    # -- layers

    def _write_layer(self, name: str, config: Mapping[str, Any], form: Form, where: str) -> dict[str, Any]:
        if "input_layers" in config:
            return self._write_functional(config, where)
        if name == "Sequential":
            return self._write_sequential(config, where)
        silent = form.newer if self.dialect == KERAS2 else form.dropped
        written = self._values(_without(config, silent), where)
        for key in form.single:
            if key in written and len(written[key]) == 1:
                written[key] = written[key][0]
        if self.dialect == KERAS2:
            for ours, theirs in form.keras2.items():
                if ours in written:
                    written[theirs] = written.pop(ours)
            if name == "Lambda":
                written = _old_lambda(config, written)
            if name == "Bidirectional":  # which sets this itself, and Keras 2.3 does not know the word
                written["layer"]["config"].pop("zero_output_for_mask", None)
        elif name == "InputLayer":
            written["batch_shape"] = written.pop("batch_input_shape")
        else:
            written.pop("batch_input_shape", None)
            written["dtype"] = _policy(config.get("dtype"))
        return written

    def _write_sequential(self, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The layers, with an explicit input in front: the versions differ in how a first layer says its shape."""
        layers = list(config["layers"])
        shape = config.get("build_input_shape")
        if layers and layers[0]["class_name"] != "InputLayer":
            first = layers[0]["config"]
            shape = shape or first.get("batch_input_shape")
            if shape is not None:
                entry = {
                    "batch_input_shape": shape,
                    "dtype": _input_dtype(layers[0]),
                    "sparse": False,
                    "name": f"{first.get('name')}_input",
                }
                layers.insert(0, {"class_name": "InputLayer", "config": entry})
        written = [self._written_inside(layer) for layer in layers]
        built = {} if shape is None else {"build_input_shape": list(shape)}
        return {"name": config.get("name"), "layers": written, **built, **_model_policy(config)}

    def _written_inside(self, layer: Mapping[str, Any]) -> dict[str, Any]:
        """A layer in the list of a model."""
        written = self.write_described(layer, "layers")
        if self.dialect == KERAS3 or layer["class_name"] == "Operation":
            return written
        if written["class_name"] != "InputLayer":
            written["config"].pop("batch_input_shape", None)
        # Where there is a module Keras 3 expects its own form of the whole.
        return {key: written[key] for key in ("class_name", "config")}

    def _write_functional(self, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        old = self.dialect == KERAS2 and _fits_lists(config)
        inner = {entry["name"] for entry in config["layers"] if "layers" in entry["config"]}
        layers = []
        for entry in config["layers"]:
            nodes = [self._write_call(node, entry["name"]) for node in entry["inbound_nodes"]]
            if old:
                nodes = [_as_list(node, inner) for node in nodes]
                if entry["name"] in inner:
                    nodes *= (
                        2  # so that its call is number 0 and number 1: Keras 3 counts from 0, Keras 2 from 1
                    )
            written = self._written_inside(entry)
            layers.append({**written, "name": entry["name"], "inbound_nodes": nodes})
        functional = {entry["name"] for entry in config["layers"] if "input_layers" in entry["config"]}

        def end(history: Any) -> list[Any]:
            name, node, position = history
            return [name, node + (old and name in inner and name not in functional), position]

        ends = {key: _ends(config[key], end, old) for key in ENDS}
        return {
            "name": config.get("name"),
            "trainable": config.get("trainable", True),
            "layers": layers,
            **ends,
            **_model_policy(config),
        }

    def _write_call(self, node: Mapping[str, Any], where: str) -> dict[str, Any]:
        def written(item: Any) -> Any:
            if is_tensor(item):
                config = item["config"]
                return tensor_entry(
                    config["shape"] or (), config["dtype"] or settings.floatx(), history_of(item)
                )
            return item if is_value(item) else self.write(item, where=where)

        args, kwargs = map_structure(written, (list(node["args"]), dict(node["kwargs"])), _is_leaf)
        return {"args": args, "kwargs": kwargs}


def _without(config: Mapping[str, Any], silent: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the keys that the reader does not have, where they say nothing."""
    return {k: v for k, v in config.items() if k not in silent or not says_nothing(v, silent[k])}


def _is_leaf(item: Any) -> bool:
    return is_tensor(item) or is_value(item)


def _ends(ends: Any, end: Any, old: bool) -> Any:
    def is_end(item: Any) -> bool:
        return isinstance(item, list | tuple) and len(item) == 3 and isinstance(item[0], str)

    written = map_structure(end, ends, is_end)
    return [written] if old and is_end(written) else written


def _alone(ends: Any) -> Any:
    return ends[0] if isinstance(ends, list) and len(ends) == 1 else ends


def _fits_lists(config: Mapping[str, Any]) -> bool:
    """Whether Keras 2's form can say all calls of a model so that Keras 3 understands them too.

    It knows no tensors but the inputs, and of a model within the model, whose calls count from elsewhere, only one.
    """
    for entry in config["layers"]:
        if "layers" in entry["config"] and len(entry["inbound_nodes"]) > 1:
            return False
        if entry["class_name"] == "Operation":
            return False
        for node in entry["inbound_nodes"]:
            inputs = node["args"][0] if len(node["args"]) == 1 else None
            several = isinstance(inputs, list | tuple) and len(inputs) > 1 and all(map(is_tensor, inputs))
            if not is_tensor(inputs) and not several:
                return False
            if any(flatten(map_structure(_is_leaf, node["kwargs"], _is_leaf))):
                return False
    return not any(isinstance(config[key], Mapping) for key in ENDS)


def _as_list(node: Mapping[str, Any], inner: set[str]) -> list[Any]:
    def reference(item: Mapping[str, Any]) -> list[Any]:
        name, number, position = history_of(item)
        return [name, number + (name in inner), position, dict(node["kwargs"])]

    inputs = node["args"][0]
    return [reference(inputs)] if is_tensor(inputs) else [reference(item) for item in inputs]


def _policy(dtype: Any) -> dict[str, Any]:
    name = dtype if isinstance(dtype, str) else settings.floatx()
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}


def _model_policy(config: Mapping[str, Any]) -> dict[str, Any]:
    """The policy of a model, where it has one."""
    return {"dtype": _policy(config["dtype"])} if config.get("dtype") else {}


def _input_dtype(first: Mapping[str, Any]) -> str:
    """The dtype of what a first layer without an explicit input takes."""
    given = first["config"].get("dtype")
    if isinstance(given, str) and (policy := DTypePolicy(given)).compute_dtype == policy.variable_dtype:
        return given
    return (
        "int32"
        if first["class_name"] == "Embedding"
        else DTypePolicy(given or settings.floatx()).compute_dtype
    )


def _old_lambda(config: Mapping[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """How Keras 2 says which of the functions of a Lambda layer are names and which are code."""
    made = dict(written)
    for key in ("function", "output_shape", "mask"):
        value = config.get(key)
        if not callable(value):
            said = "raw"
        elif isinstance(value, types.FunctionType) and value.__name__ == "<lambda>":
            code = written[key]["config"]
            made[key], said = [code["code"], code["defaults"], code["closure"]], "lambda"
        else:
            made[key], said = written[key]["config"], "function"
        if key != "mask" or value is not None:
            made[f"{key}_type"] = said
    if made.get("mask") is None:
        made.pop("mask", None)
    return made
