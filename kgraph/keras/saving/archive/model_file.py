"""The `.keras` archive of Keras 3: a zip with config.json, metadata.json and model.weights.h5."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

from kgraph.errors import ArgumentError, FileError, describe
from kgraph.keras.layers.input import batch_inputs
from kgraph.keras.layers.nodes import map_structure
from kgraph.keras.layers.registry import serialize
from kgraph.keras.saving.archive.guard import CHUNK, Archive
from kgraph.keras.saving.archive.tree import has_graph
from kgraph.keras.saving.archive.variables import read_state, write_state
from kgraph.keras.saving.dialects import KERAS3, read_training, write_model, write_training
from kgraph.keras.saving.hdf5.guard import open_file
from kgraph.keras.saving.limits import made_of
from kgraph.keras.saving.listing import arrays_in
from kgraph.keras.saving.rebuild import rebuild
from kgraph.keras.saving.state import extra_state, restore_extra_state

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
VERSION = "3.8.0"
"""The Keras whose layout is written: the first to name the groups of layers."""
STATE = "kgraph"
"""The entry of metadata.json for what exact resume takes; Keras does not look at it."""


def write_archive(model: Any, file: BinaryIO, include_optimizer: bool = True) -> None:
    """Write a model to an empty file: its configuration, how it is trained, and its values with the optimizer's.

    Raises UnsupportedError for what cannot be described.
    """
    import h5py

    config = write_model(serialize(model), KERAS3)
    if not has_graph(model):
        config["build_config"] = {"input_shape": _input_shapes(model)}
    if include_optimizer:
        config["compile_config"] = write_training(model, KERAS3)
    metadata = {
        "keras_version": VERSION,
        "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S"),
        STATE: extra_state(model),
    }
    with tempfile.TemporaryFile() as weights:
        with h5py.File(weights, "w") as root:
            write_state(root, model, include_optimizer)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(METADATA, json.dumps(metadata))
            archive.writestr(CONFIG, json.dumps(config))
            weights.seek(0)
            with archive.open(WEIGHTS, "w", force_zip64=True) as entry:
                shutil.copyfileobj(weights, entry, CHUNK)


def read_archive(
    file: BinaryIO,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """The model in an archive; the arguments are those of `load_model`.

    Raises FileError for an archive that is damaged or hostile, lacks an entry, or whose parts do not fit each other.
    """
    archive = Archive(file)
    config = archive.json(CONFIG)
    if not isinstance(config, dict):
        raise FileError(describe(f"{CONFIG} describes no model", expected="an object", got=type(config)))
    metadata = _metadata(archive)
    version = metadata.get("keras_version")
    with archive.file(WEIGHTS) as weights, open_file(weights) as root:
        room = root.room
    model = rebuild(config, custom_objects, safe_mode, initialise=False, keras_version=version, room=room)
    if not model.built:
        with archive.file(WEIGHTS) as weights, open_file(weights) as root:
            trained = any(not array.name.startswith("optimizer/") for array in arrays_in(root))
        built_for = config.get("build_config")
        shapes = built_for.get("input_shape") if isinstance(built_for, Mapping) else None
        if trained or shapes is not None:
            _build(model, shapes)
    arguments = read_training(config.get("compile_config"), custom_objects, safe_mode) if compile else None
    if arguments is not None:
        with made_of("its training"):
            model.compile(**arguments)
    with archive.file(WEIGHTS) as weights, open_file(weights) as root:
        read_state(model, root, by_name=True)
    restore_extra_state(model, metadata.get(STATE))
    return model


def read_archive_weights(model: Any, file: BinaryIO, skip_mismatch: bool = False) -> None:
    """Read the values in an archive into a model that exists."""
    with Archive(file).file(WEIGHTS) as weights, open_file(weights) as root:
        read_state(model, root, skip_mismatch=skip_mismatch)


def _input_shapes(model: Any) -> Any:
    """The shapes that a subclassed model was built for, in the structure of its inputs; None before that."""
    return map_structure(lambda t: t.shape, model._nested_inputs) if model.inputs else None


def _build(model: Any, shapes: Any) -> None:
    """Build a subclassed model for the shapes in a file, so that it has its weights; for any number of samples.

    Raises FileError when the file does not say them.
    """
    try:
        inputs = batch_inputs(shapes)
    except ArgumentError as error:
        raise FileError(
            describe(
                f"the file does not say for what shapes {model.name} was built",
                expected='an "input_shape" in "build_config": a model that was called before it was saved',
                got=repr(shapes)[:200],
            )
        ) from error
    model._trace_on(inputs)


def _metadata(archive: Archive) -> dict[str, Any]:
    """Who wrote the archive, and what exact resume takes; Keras does without it, so it may be missing."""
    metadata = archive.json(METADATA) if METADATA in archive.names else {}
    if not isinstance(metadata, dict):
        raise FileError(describe(f"{METADATA} is damaged", expected="an object", got=type(metadata)))
    return metadata
