"""The law of configurations: what one Keras writes, the other builds, for everything that is registered.

Each layer of the samples, and each optimizer, loss, metric, initializer, regularizer, constraint and schedule, goes
from us to Keras 3 in both dialects, and from Keras 3 to us; layers also compute the same afterwards.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from kgraph.keras import constraints, initializers, layers, losses, metrics, optimizers, regularizers
from kgraph.keras.layers.registry import serialize
from kgraph.keras.optimizers import schedules
from kgraph.keras.saving.dialects import KERAS2, KERAS3, read_model, write_model
from kgraph.keras.saving.dialects.reading import Reader
from kgraph.keras.saving.dialects.training import revive
from kgraph.keras.saving.dialects.writing import Writer
from kgraph.keras.saving.rebuild import rebuild
from kgraph.keras.utils.lookup import LOOKUPS
from kgraph.keras.utils.serialization import serialize_keras_object
from tests.laws.layer_sample import Sample
from tests.laws.layer_samples import SAMPLES
from tests.oracle import keras, keras_value, needs_keras

SAVED = [sample for sample in SAMPLES if sample.saved]
SHARED = [sample for sample in SAVED if sample.in_keras]


def through_json(config: Any) -> Any:
    return json.loads(json.dumps(config))


def quietly(make: Any, *args: Any) -> Any:
    """Without the warnings of old spellings and those of Keras."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*args)


def essence(config: Any) -> Any:
    """A configuration without what is the default, or said in another place."""
    if isinstance(config, Mapping):
        hidden = ("dtype", "batch_input_shape", "input_length")
        return {key: essence(value) for key, value in config.items() if key not in hidden}
    return [essence(item) for item in config] if isinstance(config, list | tuple) else config


def read_by_keras(config: Any, dialect: str) -> Any:
    real = keras()
    if dialect == KERAS3:
        return quietly(real.saving.deserialize_keras_object, config)
    from keras.src.legacy.saving.saving_utils import model_from_config  # what reads Keras 3's own HDF5 files

    return quietly(model_from_config, config)


def assert_computes_the_same(sample: Sample, first: Any, second: Any) -> None:
    """Two layers of Keras, of which the second gets the weights of the first."""
    quietly(lambda: sample.apply(first, sample.inputs, sample.call))
    quietly(lambda: sample.apply(second, sample.inputs, sample.call))
    quietly(lambda: second.set_weights(first.get_weights()))
    for layer in (first, second):
        if getattr(layer, "stateful", False):
            quietly(layer.reset_state)
    wanted, got = (
        quietly(lambda la=la: sample.apply(la, sample.inputs, sample.call)) for la in (first, second)
    )
    for a, b in zip(*(x if isinstance(x, list | tuple) else [x] for x in (wanted, got)), strict=True):
        np.testing.assert_allclose(keras_value(a), keras_value(b), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dialect", [KERAS2, KERAS3])
@pytest.mark.parametrize("sample", SAVED, ids=str)
def test_what_we_write_we_read(sample: Sample, dialect: str) -> None:
    layer = quietly(sample.make, layers)
    again = rebuild(through_json(write_model(serialize(layer), dialect)))
    assert type(again) is type(layer)
    assert json.dumps(essence(again.get_config())) == json.dumps(essence(layer.get_config()))


@needs_keras
@pytest.mark.parametrize(
    ("sample", "dialect"),
    [
        pytest.param(sample, dialect, id=f"{sample}-{dialect}")
        for sample in SHARED
        for dialect in (KERAS2, KERAS3)
        if sample.in_hdf5 or dialect == KERAS3
    ],
)
def test_keras_builds_the_layer_that_we_write(sample: Sample, dialect: str) -> None:
    written = through_json(write_model(serialize(quietly(sample.make, layers)), dialect))
    theirs = quietly(sample.make, keras().layers)
    read = read_by_keras(written, dialect)
    assert type(read) is type(theirs)
    assert_computes_the_same(sample, theirs, read)


@needs_keras
@pytest.mark.parametrize("sample", SHARED, ids=str)
def test_we_build_the_layer_that_keras_writes(sample: Sample) -> None:
    theirs = quietly(sample.make, keras().layers)
    read = rebuild(through_json(keras().saving.serialize_keras_object(theirs)))
    ours = quietly(sample.make, layers)
    assert type(read) is type(ours)
    assert _nameless(read.get_config()) == _nameless(ours.get_config())


def _nameless(config: Any) -> Any:
    if isinstance(config, Mapping):
        plain = essence(config)
        # Glorot's and He's initialisers are kinds of variance scaling, and a Bidirectional layer may name both sides.
        return {
            key: _nameless(value) for key, value in plain.items() if key not in ("name", "backward_layer")
        }
    return [_nameless(item) for item in config] if isinstance(config, list | tuple) else config


# -- the smaller things

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "LossScaleOptimizer": (optimizers.SGD(0.5),),
    "ExponentialDecay": (0.1, 10, 0.9),
    "InverseTimeDecay": (0.1, 10, 0.9),
    "PiecewiseConstantDecay": ([5], [0.1, 0.2]),
    "PolynomialDecay": (0.1, 10),
    "CosineDecay": (0.1, 10),
    "CosineDecayRestarts": (0.1, 10),
    "SensitivityAtSpecificity": (0.5,),
    "SpecificityAtSensitivity": (0.5,),
    "PrecisionAtRecall": (0.5,),
    "RecallAtPrecision": (0.5,),
    "IoU": (3, [0]),
    "MeanIoU": (3,),
    "Reduce": ("sum",),
    "SGD": (0.1, 0.5, True),
    "RMSprop": (0.1, 0.8, 0.3, 1e-5, True),
}
MODULES = {
    "initializers": (initializers, "initializer", initializers.deserialize),
    "regularizers": (regularizers, "regularizer", regularizers.deserialize),
    "constraints": (constraints, "constraint", constraints.deserialize),
    "schedules": (schedules, "learning rate schedule", schedules.deserialize),
    "optimizers": (optimizers, "optimizer", optimizers.deserialize),
    "losses": (losses, "loss function", losses.deserialize),
    "metrics": (metrics, "metric", metrics.deserialize),
}
# Bases, and what is made of a user's function or state.
ABSTRACT = {
    "Initializer", "RandomInitializer", "Regularizer", "Constraint", "LearningRateSchedule", "Optimizer", "Loss",
    "LossFunctionWrapper", "Metric", "MeanMetricWrapper", "MeanDictWrapper", "SensitivitySpecificityBase",
}  # fmt: skip


def _classes() -> list[tuple[str, str]]:
    found = []
    for kind, (_, label, _) in MODULES.items():
        for name, entry in LOOKUPS[label].names.items():
            if inspect.isclass(entry) and entry.__name__ == name and name not in ABSTRACT:
                found.append((kind, name))
    return found


EVERYTHING = _classes()


def make(kind: str, name: str) -> Any:
    return LOOKUPS[MODULES[kind][1]].names[name](*ARGUMENTS.get(name, ()))


@pytest.mark.parametrize("dialect", [KERAS2, KERAS3])
@pytest.mark.parametrize(("kind", "name"), EVERYTHING)
def test_what_we_write_of_everything_else_we_read(kind: str, name: str, dialect: str) -> None:
    thing = make(kind, name)
    written = through_json(Writer(dialect).write_described(serialize_keras_object(thing), kind))
    reader = Reader(None, True, 0, False)
    if kind in ("optimizers", "losses", "metrics"):
        again = revive(written, kind, reader)
    else:
        again = MODULES[kind][2](reader.read(written, kind))
    assert type(again) is type(thing)
    assert again.get_config() == thing.get_config()


@needs_keras
@pytest.mark.parametrize(("kind", "name"), EVERYTHING)
def test_keras_and_we_read_each_other(kind: str, name: str) -> None:
    real = keras()
    namespace = real.optimizers.schedules if kind == "schedules" else getattr(real, kind)
    if not hasattr(namespace, name):
        pytest.skip(f"Keras 3 has no {name}")
    thing = make(kind, name)
    written = through_json(Writer(KERAS3).write_described(serialize_keras_object(thing), kind))
    theirs = quietly(real.saving.deserialize_keras_object, written)
    assert type(theirs) is getattr(namespace, name)
    back = through_json(quietly(real.saving.serialize_keras_object, theirs))
    reader = Reader(None, True, 3, False)
    if kind in ("optimizers", "losses", "metrics"):
        again = revive(back, kind, reader)
    else:
        again = MODULES[kind][2](reader.read(back, kind))
    assert type(again) is type(thing)
    mine, read = thing.get_config(), again.get_config()
    lost = {"delta", "axis"} if kind in ("losses", "metrics") else set()  # Keras 3 forgets them itself
    mine, read = ({k: v for k, v in c.items() if k not in {"name", "dtype"} | lost} for c in (mine, read))
    assert mine.keys() == read.keys()
    for key, value in mine.items():
        assert _same(read[key]) == (pytest.approx(value) if isinstance(value, float) else _same(value))


def _same(value: Any) -> Any:
    if isinstance(value, Mapping) and "config" in value:  # Keras 3 names what nobody has named
        return {**value, "config": {k: v for k, v in value["config"].items() if k != "name"}}
    return "truncated_normal" if value == "normal" else value  # the first says what both mean


def test_reading_twice_changes_nothing() -> None:
    for sample in SAVED:
        own = serialize(quietly(sample.make, layers))
        assert read_model(own) == read_model(read_model(own)), sample
