"""The files that real Keras wrote: what there is, and what goes with each."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from kgraph import keras
from tests.data.keras_files.recipes import Recipe, by_name, custom_objects, doubled, recipes, weights_of
from tests.data.keras_files.recipes_1 import PRODUCER as KERAS_1
from tests.data.keras_files.recipes_1 import recipes_1

FOLDER = Path(__file__).resolve().parents[2] / "data" / "keras_files"
PRODUCERS = tuple(sorted(path.stem for path in FOLDER.glob("*.zip")))

Arrays = list[np.ndarray[Any, Any]]


@cache
def archive(producer: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(FOLDER / f"{producer}.zip")


@dataclass(frozen=True)
class Kept:
    """One model of one producer."""

    producer: str
    recipe: Recipe

    def __str__(self) -> str:
        return f"{self.producer}/{self.recipe.name}"

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files of the whole model: Keras 3.0 cannot write some of its models as HDF5."""
        return tuple(name for name in ("model.h5", "model.keras") if self.has(name))

    @property
    def custom_objects(self) -> dict[str, Any]:
        """What the files name and Keras does not have."""
        if self.recipe.name == "custom":
            return custom_objects(keras)
        return {"doubled": doubled} if self.recipe.name == "lambda_named" else {}

    def has(self, name: str) -> bool:
        return f"{self.recipe.name}/{name}" in archive(self.producer).namelist()

    def read(self, name: str) -> bytes:
        return archive(self.producer).read(f"{self.recipe.name}/{name}")

    def load(self, name: str, **options: Any) -> Any:
        """The model in one of the files."""
        return keras.models.load_model(BytesIO(self.read(name)), self.custom_objects, **options)

    def arrays(self, kind: str) -> Arrays:
        """x: inputs, y: targets, p: predictions, a: weights after more training."""
        with np.load(BytesIO(self.read("arrays.npz"))) as stored:
            return [stored[f"{kind}{i}"] for i in range(len(stored)) if f"{kind}{i}" in stored]

    def weights(self, model: Any) -> Arrays:
        """The weights of a model in the order of the arrays "a"."""
        return weights_of(model, by_name if self.producer == KERAS_1 else None)


def kept() -> Iterator[Kept]:
    for producer in PRODUCERS:
        for recipe in recipes_1() if producer == KERAS_1 else recipes(producer):
            one_of_them = Kept(producer, recipe)
            if one_of_them.has("arrays.npz"):
                yield one_of_them


def one(arrays: Arrays) -> Any:
    """How a model is given arrays: as they are, or the only one."""
    return arrays[0] if len(arrays) == 1 else arrays


def predict(model: Any, x: Arrays) -> Arrays:
    """The outputs of a model, in a list."""
    given = model.predict(one(x), batch_size=len(x[0]), verbose=0)
    return given if isinstance(given, list) else [given]
