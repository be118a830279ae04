"""Texts that a careless reader takes minutes or years for are refused about as fast as they are read."""

from __future__ import annotations

import time

import pytest

from kgraph import keras
from kgraph.errors import FileError

MANY = 100_000
TUPLES = "a: &t0 !!python/tuple [1, 1]\n" + "".join(
    f"b{i}: &t{i + 1} !!python/tuple [*t{i}, *t{i}]\n" for i in range(60)
)
MERGED = "a: &m0 {x: 1}\n" + "".join(f"b{i}: &m{i + 1} {{<<: [*m{i}, *m{i}]}}\n" for i in range(60))

JSON = {
    "a string of escapes without an end": '\\"' * MANY,
    "a key twice among many": "{" + "".join(f'"{i}": 1, ' for i in range(MANY)) + f'"{MANY - 1}": 1}}',
    "a number of many digits": "[" + "1" * MANY + "]",
}
YAML = {
    "a key twice among many": "{" + "".join(f'"{i}": 1, ' for i in range(20_000)) + '"19999": 1}',
    "a number to the base of 60": "a: 1" + ":59" * MANY,
    "the same with a fraction": "a: 1" + ":59" * MANY + ".5",
    "keys that are tuples of tuples": TUPLES + "c: {? *t60 : 1}",
    "a set of tuples of tuples": TUPLES + "c: !!set {? *t60 }",
    "mappings merged with themselves": MERGED,
    "a date that is none": "a: 2020-13-45",
    "a binary number without digits": "a: 0b_",
}


def refused_soon(load: object, text: str) -> None:
    start = time.process_time()
    with pytest.raises(FileError) as caught:
        load(text)  # type: ignore[operator]
    assert time.process_time() - start < 20
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
def test_json(text: str) -> None:
    refused_soon(keras.models.model_from_json, text)


@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
def test_yaml(text: str) -> None:
    refused_soon(keras.models.model_from_yaml, text)


def test_a_stack_of_many_layers_is_wired_once() -> None:
    layer = {"class_name": "Activation", "config": {"activation": "relu", "batch_input_shape": [None, 3]}}
    start = time.process_time()
    model = keras.models.model_from_config({"class_name": "Sequential", "config": [layer] * 2000})
    assert time.process_time() - start < 20
    assert len(model.layers) == 2000
