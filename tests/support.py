"""Writes docs/support.md from what the suite tests: `python -m tests.support`.

A mark stands where a test has that layer in that kind of file: the files that real Keras wrote (`test_files.py`), the
models that go to Keras 3 and back (`test_saved_models.py`), and what other versions read of ours (`read_by.json`).
"""

from __future__ import annotations

import inspect
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from kgraph.keras import layers
from kgraph.keras.saving.dialects.forms import OLD_NAMES
from kgraph.keras.saving.hdf5.guard import open_file
from tests.data.keras_files.recipes import optimizers
from tests.keras.saving.archive.cases import CASES
from tests.keras.saving.habits import LOST, OTHERWISE
from tests.keras.saving.kept import FOLDER, Kept
from tests.keras.saving.test_files import cases
from tests.laws.saved_samples import saved_samples

PAGE = Path(__file__).resolve().parents[1] / "docs" / "support.md"
READ_BY: Mapping[str, Mapping[str, Any]] = json.loads((FOLDER / "read_by.json").read_text())

COLUMNS = ("Keras 1 `.h5`", "Keras 2.3 `.h5`", "tf.keras `.h5`", "Keras 3 `.h5`", "Keras 3 `.keras`")
OF_PRODUCER = {"keras-1.2.2": 0, "keras-2.3.1": 1, "tf_keras": 2, "keras-3.0.5": 3, "keras-3.15.1": 3}
BASES = {"Layer", "Wrapper"}

# The cases in which Keras 3 trains on from our archives, by the names that the recipes have for them.
ALIASES = {"amsgrad": "adam_amsgrad", "schedule": "adam_schedule", "centered rmsprop": "rmsprop_centered"}
TRAINED_BY_KERAS_3 = {ALIASES.get(case, case) for case in CASES} - {"plain sgd"}

Cell = tuple[str, str]  # the name of a layer class or an optimizer, and a column


@dataclass
class Evidence:
    """The cells for which there is a test, by what it shows."""

    read: set[Cell] = field(default_factory=set)
    written: set[Cell] = field(default_factory=set)
    converted: set[Cell] = field(default_factory=set)

    def marks(self, name: str, column: str) -> str:
        kinds = (("r", self.read), ("w", self.written), ("c", self.converted))
        return " ".join(letter for letter, cells in kinds if (name, column) in cells) or "–"


def column_of(producer: str, name: str) -> str | None:
    """The column of a file; archives of tf.keras are in none."""
    number = OF_PRODUCER[producer]
    if name == "model.h5":
        return COLUMNS[number]
    return COLUMNS[4] if producer.startswith("keras-3") else None


def tested_files() -> Iterator[tuple[Kept, str, str]]:
    """The files that load in a test, and their columns."""
    for case in cases():
        one, name = case.values
        column = column_of(one.producer, name)
        if column is not None:
            yield one, name, column


def configuration(one: Kept, name: str) -> Any:
    """What a file says about its model."""
    content = one.read(name)
    if name == "model.h5":
        with open_file(BytesIO(content)) as root:
            return json.loads(root.text("model_config"))
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return json.loads(archive.read("config.json"))


def class_names(config: Any) -> Iterator[str]:
    """The classes that a configuration names, under our names for them."""
    if isinstance(config, Mapping):
        if isinstance(config.get("class_name"), str):
            yield OLD_NAMES.get(config["class_name"], config["class_name"])
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            yield from class_names(item)


@cache
def evidence() -> Evidence:
    """What the tests show of layers and optimizers."""
    found = Evidence()
    for one, name, column in tested_files():
        if one.recipe.name.startswith("optimizer_"):
            key = (one.producer, one.recipe.name)
            if key not in OTHERWISE and (*key, name) not in LOST:
                found.read.add((one.recipe.name.removeprefix("optimizer_"), column))
            continue
        for layer in class_names(configuration(one, name)):
            found.read.add((layer, column))
            found.converted.add((layer, column))
    for sample, classes in saved_samples():
        cells = {(layer, column) for layer in ("InputLayer", *classes) for column in COLUMNS[3:]}
        if sample.in_keras:  # to Keras and back; that every layer is exported is a law of its own
            for marked in (found.read, found.written, found.converted):
                marked |= cells
    found.written |= {(name, COLUMNS[4]) for name in TRAINED_BY_KERAS_3}
    for producer, results in READ_BY.items():
        for name, result in results.items():
            if not result["problem"]:
                named = ["InputLayer", *result["classes"]] if result["classes"] else [name]
                found.written |= {(n, COLUMNS[OF_PRODUCER[producer]]) for n in named}
    return found


def layer_classes() -> dict[str, list[str]]:
    """The layers of kgraph by the module that they are in."""
    found: dict[str, list[str]] = {}
    for name in layers.__all__:
        entry = getattr(layers, name)
        if inspect.isclass(entry) and issubclass(entry, layers.Layer) and entry.__name__ == name:
            if name not in BASES:
                found.setdefault(entry.__module__.rpartition(".")[2], []).append(name)
    return dict(sorted(found.items()))


def rows(names: list[str]) -> Iterator[str]:
    for name in names:
        yield f"| {name} | " + " | ".join(evidence().marks(name, column) for column in COLUMNS) + " |"


def page() -> str:
    """The page as it is to be."""
    head = [f"| | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    parts = [INTRODUCTION, "## Layers\n"]
    for module, names in layer_classes().items():
        parts += [f"### {module.replace('_', ' ')}\n", *head, *rows(sorted(names)), ""]
    used = sorted({name for producer in ("tf_keras", "keras-2.3.1") for name in optimizers(producer)})
    parts += [OPTIMIZERS, *head, *rows(used), "", OTHERWISE_TEXT]
    parts += [f"- {NAMES[producer]}, `{recipe}`: {why}." for (producer, recipe), why in OTHERWISE.items()]
    parts += ["", PROBLEMS]
    for producer, results in READ_BY.items():
        for name, result in results.items():
            if result["problem"]:
                parts.append(
                    f"- {NAMES[producer]}, `{name}`: {result['problem'].split(': ', 1)[-1].rstrip('.')}."
                )
    return "\n".join(parts) + "\n"


NAMES = {
    "keras-1.2.2": "Keras 1.2.2",
    "keras-2.3.1": "Keras 2.3.1",
    "tf_keras": "tf.keras 2.21",
    "keras-3.0.5": "Keras 3.0.5",
    "keras-3.15.1": "Keras 3.15.1",
}

INTRODUCTION = """# What works with which files

This page is made by `python -m tests.support` from what the suite tests, and the suite holds it to that.

- **r**: a model with the layer, in a file which that Keras wrote, loads and predicts the same within 2e-6
- **w**: that Keras reads such a file of ours and predicts the same within 1e-5
- **c**: the model that was read becomes ONNX, and onnxruntime gives the same outputs

A dash says that no test shows it: most often because that Keras has no such layer. Archives (`.keras`) of
tf.keras are read like its HDF5 files, and tested with them.
"""

OPTIMIZERS = """## Optimizers

Here **r** means that training goes on from the file to the same weights as with the Keras that wrote it, and **w** that
the other finds its whole state in a file of ours.
"""

OTHERWISE_TEXT = """The tests do what some versions did beyond what their files say, and arrive where those arrived.
Keras 2.3 looked at the count of steps after it had gone on, took activity penalties for a batch
rather than for a sample, and the variance of a batch for that of a sample (so does tf.keras, of
images); epsilon stood outside of the root in its RMSprop and Adagrad. Keras 3.0 on JAX counted the
penalties of weights twice; Keras 3 on JAX starts each training step of a stateful layer from zeros.

Training goes on elsewhere, as kgraph computes what the definition says, and that Keras did not:
"""

PROBLEMS = """## What other versions do not read of ours
"""


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
