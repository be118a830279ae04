"""Writes HDF5 files of kgraph for other versions of Keras to read: `python -m tests.data.keras_files.ours FOLDER`.

A model of each layer, and one that was trained with each optimizer; `read.py` tries them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from kgraph import keras
from tests.data.keras_files.recipes import STEPS, Recipe, optimizers, start
from tests.laws.saved_samples import model_of, saved_samples

# The names of a Keras from which the arguments of optimizers are taken: those that Keras 2.3 has.
OLDEST = "keras-2.3.1"
DATA = Recipe("trained", lambda *_: None, ((4,),), ((2,),)).data()


def layers(folder: Path) -> list[dict[str, Any]]:
    written = []
    for number, (sample, classes) in enumerate(saved_samples()):
        model = model_of(sample)
        model.set_weights(start(model.get_weights()))
        model.save(folder / f"layer{number}.h5")
        x = list(sample.inputs)
        predicted = model.predict(x, batch_size=len(x[0]), verbose=0)
        save(folder / f"layer{number}.npz", x=x, p=predicted if isinstance(predicted, list) else [predicted])
        written.append({"file": f"layer{number}", "name": sample.name, "classes": classes})
    return written


def trained(folder: Path) -> list[dict[str, Any]]:
    written = []
    for name, make in optimizers(OLDEST).items():
        parts = [keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(2)]
        model, (x, y) = keras.Sequential([keras.Input((4,)), *parts]), DATA
        model.set_weights(start(model.get_weights()))
        model.compile(make(keras), "mse")
        train(model, x, y)
        model.save(folder / f"{name}.h5")
        predicted = model.predict(x[0], batch_size=len(x[0]), verbose=0)
        state = [slot for slot in model.optimizer.get_weights() if slot.shape]
        save(folder / f"{name}.npz", x=x, y=y, p=[predicted], s=state)
        written.append({"file": name, "name": name, "classes": []})
    return written


def train(model: Any, x: Any, y: Any) -> None:
    for _ in range(STEPS):
        model.train_on_batch(x[0], y[0])


def save(path: Path, **lists: list[Any]) -> None:
    np.savez(path, **{f"{kind}{i}": array for kind, found in lists.items() for i, array in enumerate(found)})


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    (target / "index.json").write_text(json.dumps(layers(target) + trained(target)))
