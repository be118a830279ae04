"""The order of `model.layers`, which is that of the weights in files: as real Keras has it, on random graphs."""

from __future__ import annotations

import random
from typing import Any

import pytest

import kgraph.keras
from tests.oracle import keras, needs_keras


def random_model(api: Any, seed: int) -> Any:
    """A model of dense layers, additions and layers that are used twice, wired by chance."""
    chance, layers = random.Random(seed), api.layers
    inputs = [api.Input((4,), name=f"i{i}") for i in range(chance.randint(1, 3))]
    shared = [layers.Dense(4, name=f"s{i}") for i in range(2)]
    tensors = list(inputs)
    for i in range(chance.randint(2, 12)):
        kind = chance.random()
        if kind < 0.5:
            tensors.append(layers.Dense(4, name=f"d{i}")(chance.choice(tensors)))
        elif kind < 0.7:
            tensors.append(chance.choice(shared)(chance.choice(tensors)))
        else:
            tensors.append(layers.Add(name=f"a{i}")([chance.choice(tensors), chance.choice(tensors)]))
    made = tensors[len(inputs) :]
    return api.Model(inputs, chance.sample(made, min(len(made), chance.randint(1, 3))))


@needs_keras
@pytest.mark.parametrize("seeds", [range(40), (737, 1347)], ids=["some", "shared layers at several depths"])
def test_layers_come_in_the_order_of_keras(seeds: Any) -> None:
    for seed in seeds:
        ours, theirs = random_model(kgraph.keras, seed), random_model(keras(), seed)
        assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
