"""Everything that an interrupted training needs to go on, in one file that only kgraph reads.

It is an .npz: the arrays, and a manifest, which is JSON in which each array is a number. No configuration is in it, so
models that cannot be saved can be backed up: the same program makes the model again, and the values are put in place.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.ir.types import Array
from kgraph.keras.saving.archive.guard import damage_as_file_error
from kgraph.keras.saving.atomic import atomic_write

MANIFEST = "manifest"


def variables_of(training: Any) -> list[dict[str, Any]]:
    """The name and the value of each variable that decides how training goes on."""
    return [{"name": v.name, "value": v.storage.read()} for v in training.state()]


def restore_variables(training: Any, entries: Sequence[Mapping[str, Any]], where: Any) -> None:
    """Put the values of `variables_of` in place. Raises FileError, and changes nothing, when they do not fit."""
    variables = training.state()
    mine = [(v.dtype, list(v.type.static_shape)) for v in variables]
    theirs = [(entry["value"].dtype.name, list(entry["value"].shape)) for entry in entries]
    if mine != theirs:
        pairs = zip(variables, entries, mine, theirs, strict=False)
        first = next((pair for pair in pairs if pair[2] != pair[3]), None)
        raise FileError(
            describe(
                "the backup is of another model; delete it to train anew",
                expected=f"{len(mine)} arrays" if first is None else f"{first[0].name}: {first[2]}",
                got=len(theirs) if first is None else f"{first[1]['name']}: {first[3]}",
                where=str(where),
            )
        )
    for variable, entry in zip(variables, entries, strict=True):
        variable.storage.write(entry["value"])


def write_tree(path: Any, tree: Any) -> None:
    """Write numbers, texts, booleans, None, arrays, and lists and dicts of such, whole or not at all."""
    arrays: dict[str, Array] = {}
    manifest = json.dumps(_flatten(tree, arrays)).encode()
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **{MANIFEST: np.frombuffer(manifest, "uint8")}, **arrays)


def read_tree(path: Any) -> Any:
    """What `write_tree` wrote. Raises FileNotFoundError, FileError for a damaged file."""
    where = os.fspath(path)
    with open(path, "rb") as file, damage_as_file_error(where):
        with zipfile.ZipFile(file) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise zipfile.BadZipFile("compressed entries, which backups do not have")
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"a wrong checksum of {damaged}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            try:
                return _unflatten(json.loads(arrays[MANIFEST].tobytes()), arrays)
            except (KeyError, TypeError) as error:
                raise zipfile.BadZipFile(f"its manifest does not describe its arrays: {error}") from None


def _flatten(tree: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(tree, Mapping):
        return {"dict": {key: _flatten(value, arrays) for key, value in tree.items()}}
    if isinstance(tree, list | tuple):
        return [_flatten(value, arrays) for value in tree]
    if isinstance(tree, np.generic):
        return tree.item()
    if isinstance(tree, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = tree
        return {"array": name}
    return tree


def _unflatten(tree: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(tree, list):
        return [_unflatten(value, arrays) for value in tree]
    if isinstance(tree, dict):
        if "array" in tree:
            return arrays[tree["array"]]
        return {key: _unflatten(value, arrays) for key, value in tree["dict"].items()}
    return tree
