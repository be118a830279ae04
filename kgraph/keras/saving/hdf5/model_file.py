"""Whole models in HDF5: architecture, weights, how it is trained, and the state of the optimizer.

    keras_version, backend, model_config, training_config     attributes, the configurations as JSON
    kgraph_version, kgraph_state                               attributes that only kgraph reads
    model_weights/                                             see `weights_file`
    optimizer_weights/                                         weight_names (attribute) and the datasets

All of it is written as Keras 2 has it. Keras 3 reads that too, but for the state of the optimizer, which it restores
from no HDF5 file (its own have no slots when it has read them): `.keras` files are for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgraph.errors import FileError, UnsupportedError, describe
from kgraph.keras.layers import registry
from kgraph.keras.saving.archive.tree import has_graph
from kgraph.keras.saving.archive.variables import is_keras3
from kgraph.keras.saving.dialects import KERAS2, read_training, write_model, write_training
from kgraph.keras.saving.dialects.era import OURS
from kgraph.keras.saving.hdf5.attributes import write_text
from kgraph.keras.saving.hdf5.guard import Group
from kgraph.keras.saving.hdf5.weights_file import (
    CONVENTION,
    KERAS_VERSION,
    fill,
    find_weights,
    read_list,
    read_weights,
    write_list,
    write_weights,
)
from kgraph.keras.saving.limits import made_of, parse_json
from kgraph.keras.saving.optimizer_weights import match_state, state_to_save
from kgraph.keras.saving.plain import to_json_text
from kgraph.keras.saving.rebuild import rebuild
from kgraph.keras.saving.state import extra_state, restore_extra_state
from kgraph.keras.utils.warn import warn_user

STATE = "kgraph_state"


def write_model_file(file: Any, model: Any, include_optimizer: bool = True) -> None:
    """Write a model into an open h5py file.

    Raises UnsupportedError for a subclassed model, whose structure is in its code.
    """
    if not has_graph(model):
        raise UnsupportedError(
            describe(
                f"{type(model).__name__} is a subclassed model: its structure is in its code, not in data",
                expected="a Sequential or functional model, a .keras file, or save_weights",
                where=model.name,
            )
        )
    config = write_model(registry.serialize(model), KERAS2)
    write_text(file, "keras_version", KERAS_VERSION)
    write_text(file, "backend", CONVENTION)
    write_text(file, "model_config", to_json_text(config))
    write_weights(file.create_group("model_weights"), model)
    state = extra_state(model)
    if include_optimizer and model.optimizer is not None:
        training = write_training(model, KERAS2)
        if training is not None:
            write_text(file, "training_config", to_json_text(training))
        names, values = state_to_save(model.optimizer)
        if names:
            write_list(file.create_group("optimizer_weights"), names, values)
    if state:
        write_text(file, STATE, to_json_text(state))


def read_model_file(
    root: Group,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """The model in a file. Raises FileError where the file is damaged, hostile, or does not fit together."""
    config = root.text("model_config")
    if config is None:
        raise FileError(
            describe(
                "the file has no architecture",
                expected="a file that model.save wrote",
                got="weights alone, for load_weights of a model"
                if find_weights(root) or is_keras3(root)
                else "something else",
                where=root.where,
            )
        )
    described, version = parse_json(config), root.text("keras_version")
    if isinstance(described, Mapping) and described.get("backend") == OURS:
        version = None
    model = rebuild(described, custom_objects, safe_mode, False, version, root.room)
    weights = find_weights(root)
    if weights is None:
        raise FileError(describe("the file has no weights", expected="model_weights", where=root.where))
    read_weights(weights, model)
    if compile:
        _compile(root, model, custom_objects, safe_mode, version)
    state = root.text(STATE)
    if state is not None:
        restore_extra_state(model, parse_json(state))
    return model


def _compile(
    root: Group, model: Any, custom_objects: Mapping[str, Any] | None, safe_mode: bool, version: str | None
) -> None:
    text = root.text("training_config")
    if text is None:
        warn_user("the file does not say how the model is trained: it is not compiled")
        return
    arguments = read_training(parse_json(text), custom_objects, safe_mode, version)
    if arguments is None:
        return
    with made_of("its training"):
        model.compile(**arguments)
    shapes = [weight.shape for weight in model.trainable_weights]
    if str(version).startswith("1.") and len(set(shapes)) < len(shapes):
        warn_user(
            "Keras 1 does not say which state is of which weight: training starts with a fresh optimizer"
        )
    elif "optimizer_weights" in root:
        names, datasets = read_list(root.group("optimizer_weights"))
        try:
            model._make_optimizer_state()
            plan = match_state(model.optimizer, names, datasets)
        except FileError as error:
            warn_user(f"{str(error).splitlines()[0]}: training starts with a fresh one")
            return
        fill(plan)
