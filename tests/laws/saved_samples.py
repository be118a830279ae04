"""Which samples of layers make models for files: one for each set of weights that a layer can have."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from kgraph import keras
from kgraph.keras.layers.nodes import flatten
from tests.laws.layer_sample import Sample
from tests.laws.layer_samples import SAMPLES


def model_of(sample: Sample, api: Any = keras) -> Any:
    """A functional model of the one layer."""
    inputs = [
        api.Input(batch_shape=(sample.batch, *array.shape[1:]), dtype=array.dtype.name)
        for array in sample.inputs
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old spellings, and those of Keras
        return api.Model(inputs, flatten(sample.apply(sample.make(api.layers), inputs, {})))


def class_names(layer: Any) -> Iterator[str]:
    """The class of a layer and those of the layers that its configuration has: an LSTM does not speak of its cell."""
    yield type(layer).__name__
    for name in {"layer", "cell"} & layer.get_config().keys():
        yield from class_names(getattr(layer, name))
    for inner in getattr(layer, "cells", None) or ():
        yield from class_names(inner)


@cache
def saved_samples() -> list[tuple[Sample, tuple[str, ...]]]:
    """The samples that are the first with their weights, without arguments of a call; the layer classes of each."""
    found, seen = [], set()
    for sample in (replace(sample, call={}) for sample in SAMPLES):
        layer = model_of(sample).layers[-1]
        classes = tuple(class_names(layer))
        weights = tuple((weight.name.rpartition("/")[2], len(weight.shape)) for weight in layer.weights)
        if (classes, weights) not in seen:
            seen.add((classes, weights))
            found.append((sample, classes))
    return found
