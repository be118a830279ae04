"""Keras 2.3.1, name by name: every module, function, class and method is here, and takes its arguments by their names.

What is not is listed, with the reason; an entry that has come to be here is an error, so the lists only shrink.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

API = json.loads(
    (Path(__file__).parents[1] / "data" / "keras_api" / "keras-2.3.1.json").read_text(encoding="utf-8")
)
MODULES: Mapping[str, Mapping[str, Any]] = API["modules"]
PATHS: Mapping[str, list[str]] = API["paths"]

ABSENT = {
    "optimizers.TFOptimizer": "there is no TensorFlow whose optimizers it would wrap",
    "layers.Recurrent": "the base of recurrent layers before Keras 2.1; that of today is RNN with a cell",
    "layers.ConvRecurrent2D": "the same for images; today that is ConvRNN2D",
    "legacy.layers.Recurrent": "the base of recurrent layers before Keras 2.1; that of today is RNN with a cell",
    "legacy.layers.ConvRecurrent2D": "the same for images; today that is ConvRNN2D",
    "legacy.interfaces.*": "how Keras translates old spellings; here the decorator `legacy` does",
    "engine.training_utils.*": "how Keras checks and cuts data inside of fit",
    "engine.base_layer.disable_tracking": "how Keras finds sublayers",
    "engine.saving.*_gcs": "Google's storage: TensorFlow reads it for Keras",
    "engine.saving.*_attributes_*_hdf5_group": "how Keras writes lists; H5Dict does the same",
    "engine.saving.*pickle_model": "a file that runs what it says",
    "engine.saving.preprocess_weights_for_loading": "how Keras reads older files",
    "utils.data_utils.get_index": "the inside of Keras's workers",
    "utils.data_utils.init_pool*": "the inside of Keras's workers",
    "utils.data_utils.next_sample": "the inside of Keras's workers",
    "utils.data_utils.urlretrieve": "the standard library's, for Python 2",
    "utils.generic_utils.func_*": "code in files",
    "utils.io_utils.*_binary_h5py": "files in memory, for pickled models",
    "utils.io_utils.ask_to_proceed_with_overwrite": "saving asks by itself",
    "utils.losses_utils.[!R]*": "the inside of Keras's losses",
    "utils.metrics_utils.*": "the inside of Keras's metrics",
    "utils.vis_utils.[ai]*": "the inside of model_to_dot",
}

OTHERWISE = {
    "*.get_losses_for": "losses belong to a model as a whole, as in Keras 3",
    "*.get_updates_for": "updates belong to a model as a whole, as in Keras 3",
    "layers.Layer.assert_input_compatibility": "`input_spec` is checked when a layer is called",
    "layers.ConvLSTM2DCell.*_conv": "the gates are convolved together",
    "layers.Lambda.from_config": "it takes objects in scope, not as an argument",
    "models.*.run_internal_graph": "how Keras calls a model; here that is `call`",
    "callbacks.EarlyStopping.get_monitor_value": "the inside of EarlyStopping",
    "*.serialize": "its argument is given by position",
    "*.deserialize": "its argument is given by position",
}
"""Methods and arguments that are not as in Keras."""


def listed(name: str, table: Mapping[str, str]) -> set[str]:
    """The entries of a table that mean a name."""
    return {pattern for pattern in table if fnmatchcase(name, pattern)}


def module_of(name: str) -> ModuleType | None:
    full = "kgraph.keras" if name == "keras" else f"kgraph.keras.{name}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name is not None and full.startswith(error.name):
            return None
        raise


def names() -> Iterator[str]:
    """Every name of a module or an older path: "layers.core.Dense"."""
    for table in (MODULES, PATHS):
        yield from (f"{module}.{name}" for module, found in table.items() for name in found)


def find(name: str) -> Any:
    """What a name of `names` stands for; None when it is not there."""
    module, _, last = name.rpartition(".")
    return getattr(module_of(module), last, None)


def lacks(function: Any, arguments: list[str]) -> list[str]:
    """The arguments that a function does not take by name. Layers take `mask` and the like where they ask for them."""
    taken = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        return []
    older: set[str] = set()
    while function is not None:
        older |= getattr(function, "old_names", set())
        function = getattr(function, "__wrapped__", None)
    positional = any(p.kind is p.VAR_POSITIONAL for p in taken.values())
    return [name for name in arguments if name not in taken and name not in older and not positional]


def misfits() -> Iterator[str]:
    """Functions and methods that are not there or lack arguments."""
    for module, found in MODULES.items():
        for name, entry in found.items():
            ours = find(f"{module}.{name}")
            if ours is None or entry is None:
                continue
            calls = {"": entry} if isinstance(entry, list) else entry
            for method, arguments in calls.items():
                if arguments is None or method == "call":
                    continue
                bound = getattr(ours, method, None) if method not in ("", "__init__") else ours
                if bound is None or lacks(bound, arguments):
                    yield ".".join(filter(None, (module, name, method)))


def test_every_name_is_there() -> None:
    missing = {name for name in names() if find(name) is None}
    assert sorted(name for name in missing if not listed(name, ABSENT)) == []


def test_every_argument_has_its_name() -> None:
    assert sorted(name for name in misfits() if not listed(name, OTHERWISE)) == []


def test_what_is_listed_as_absent_is_absent() -> None:
    there = {pattern for name in names() if find(name) is not None for pattern in listed(name, ABSENT)}
    assert there == set()


@pytest.mark.parametrize(
    ("table", "found"), [(ABSENT, names), (OTHERWISE, misfits)], ids=["absent", "otherwise"]
)
def test_no_entry_is_idle(table: Mapping[str, str], found: Any) -> None:
    assert set(table) - {pattern for name in found() for pattern in listed(name, table)} == set()


def test_older_paths_lead_to_the_same_objects() -> None:
    public = {
        name: find(f"{module}.{name}") for module in ("layers", "utils", "models") for name in MODULES[module]
    }
    strangers = [
        f"{module}.{name}"
        for module, found in PATHS.items()
        for name in found
        if name in public and module != "engine.saving"
        if find(f"{module}.{name}") not in (None, public[name])
    ]
    assert strangers == []
