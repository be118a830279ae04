"""The formats whose variants are tried: how a whole file is made, how it is varied, and how it is loaded."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from kgraph import keras
from kgraph.keras import layers as L
from tests.keras.saving.fuzz.variants import tree_variant, variant, zip_entries, zip_of


def seed_model(trained: bool = True) -> Any:
    """A model with layers of many kinds, small enough that a variant loads in milliseconds."""
    keras.utils.set_random_seed(0)
    image, steps = L.Input((8, 8, 2), name="image"), L.Input((4, 3), name="steps")
    a = L.Conv2D(3, 3, activation="relu", padding="same", kernel_regularizer="l2")(image)
    a = L.Flatten()(L.MaxPooling2D(2)(L.BatchNormalization()(a)))
    b = L.Bidirectional(L.LSTM(3))(L.Masking()(steps))
    inner = keras.Sequential([L.Dense(4, "elu", input_shape=(54,)), L.Dropout(0.5), L.Dense(2)], name="inner")
    model = keras.Model([image, steps], inner(L.concatenate([a, b])))
    if trained:
        model.compile(keras.optimizers.Adam(1e-3), "mse", metrics=["mae"])
        model.train_on_batch([np.zeros((4, 8, 8, 2)), np.ones((4, 4, 3))], np.zeros((4, 2)))
    return model


@dataclass(frozen=True)
class Format:
    """`make` gives a whole file, `vary` a variant of it, and `load` is given a path and, for weights, a model."""

    make: Callable[[Any], bytes]
    vary: Callable[[bytes, random.Random], bytes]
    load: Callable[[Path, Any], Any]


def _saved(save: Callable[[Any, Path], None], suffix: str) -> Callable[[Any], bytes]:
    def make(model: Any) -> bytes:
        path = Path(f"whole{suffix}").absolute()
        save(model, path)
        return path.read_bytes()

    return make


def _vary_h5(data: bytes, rng: random.Random) -> bytes:
    """Half of the variants keep the file sound and change the configurations in it."""
    if rng.random() < 0.5:
        return variant(data, rng)
    image = io.BytesIO(data)
    with h5py.File(image, "r+") as file:
        name = rng.choice([name for name in ("model_config", "training_config") if name in file.attrs])
        text = json.dumps(tree_variant(json.loads(file.attrs[name]), rng))
        if len(text) < 60_000 or rng.random() < 0.1:
            file.attrs[name] = text
    return image.getvalue()


def _vary_keras(data: bytes, rng: random.Random) -> bytes:
    """Most variants keep the archive sound and change what is in it: checksums would find out the others."""
    if rng.random() < 0.25:
        return variant(data, rng)
    entries = zip_entries(data)
    name = rng.choice(sorted(entries))
    if name.endswith(".json") and rng.random() < 0.8:
        entries[name] = json.dumps(tree_variant(json.loads(entries[name]), rng)).encode()
    else:
        entries[name] = variant(entries[name], rng)
    return zip_of(entries)


def _vary_json(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return variant(data, rng)
    return json.dumps(tree_variant(json.loads(data), rng)).encode()


def _vary_yaml(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return variant(data, rng)
    tree = tree_variant(yaml.safe_load(data), rng)
    try:
        text = yaml.safe_dump(tree)
    except RecursionError:  # it does not write what is nested so deeply; JSON is YAML too
        text = json.dumps(tree)
    if rng.random() < 0.3:
        lines = text.splitlines()
        at = rng.randrange(len(lines))
        tag = rng.choice(
            ("!!python/object/apply:os.system ['true']", "&a [*a]", "*nobody", "!!binary x", "!own y")
        )
        lines[at] = f"{lines[at].partition(':')[0]}: {tag}"
        text = "\n".join(lines)
    return text.encode()


def _load_model(path: Path, model: Any) -> Any:
    return keras.models.load_model(path)


def _load_weights(path: Path, model: Any) -> Any:
    return model.load_weights(path)


FORMATS = {
    "h5": Format(_saved(lambda model, path: model.save(path), ".h5"), _vary_h5, _load_model),
    "keras": Format(_saved(lambda model, path: model.save(path), ".keras"), _vary_keras, _load_model),
    "weights": Format(_saved(lambda model, path: model.save_weights(path), ".h5"), variant, _load_weights),
    "weights of Keras 3": Format(
        _saved(lambda model, path: model.save_weights(path), ".weights.h5"), variant, _load_weights
    ),
    "json": Format(
        lambda model: model.to_json().encode(),
        _vary_json,
        lambda path, model: keras.models.model_from_json(path.read_text("utf-8", "surrogateescape")),
    ),
    "yaml": Format(
        lambda model: model.to_yaml().encode(),
        _vary_yaml,
        lambda path, model: keras.models.model_from_yaml(path.read_text("utf-8", "surrogateescape")),
    ),
}
